"""The example without labels runs, and finds what was hidden in the images."""

import cv2
import pytest

from tests._examples import NO_TEXT, run_example


def test_microscopy_without_labels(tmp_path, capsys):
    results = tmp_path / "results"
    run_example("microscopy_without_labels", "--n-images", 120, "--output", results)
    shown = capsys.readouterr().out.splitlines()
    odd = next(line for line in shown if line.startswith("Do not belong"))
    assert odd.count("blurred") + odd.count("empty") == 8
    doubles = next(line for line in shown if line.startswith("More than once"))
    assert doubles.count("again") >= 2  # of 4: exposure and noise differ
    agreement = next(line for line in shown if line.startswith("Agreement")).split()
    assert float(agreement[5]) > 0.9
    assert {path.name for path in results.iterdir()} == {
        "map.png",
        "map.html",
        "outliers.png",
    }


def test_microscopy_on_a_folder(tmp_path, digits, capsys):
    images = tmp_path / NO_TEXT
    images.mkdir()
    for i, image in enumerate(digits[0][:40]):
        cv2.imwrite(str(tmp_path / f"{i}.png"), image)
        (tmp_path / f"{i}.png").rename(images / f"{i}.png")
    results = tmp_path / "results"
    options = ("--image-size", 16, "--output", results)
    run_example("microscopy_without_labels", "--data", tmp_path, *options)
    assert "Do not belong: b?se/" in capsys.readouterr().out
    assert (results / "map.html").stat().st_size > 10_000


def test_microscopy_says_what_is_wrong(tmp_path, digits, capsys):
    images = tmp_path / "images"
    images.mkdir()
    for i, image in enumerate(digits[0][:30]):
        cv2.imwrite(str(images / f"{i}.png"), image)
    for options, message in (
        (["--data", tmp_path / "gone"], "no folder"),
        (["--data", images, "--n-groups", "40"], "number of images, 30, less the 10 outliers. Got"),
        (["--n-groups", "0"], "--n-groups must be at least 1"),
        (["--n-images", "5"], "--n-images must be at least 28. Got 5."),
        (["--output", images / "0.png"], "0.png"),
    ):
        with pytest.raises(SystemExit):
            run_example("microscopy_without_labels", "--output", tmp_path / "results", *options)
        assert message in capsys.readouterr().err
    assert not (tmp_path / "results").exists()
    (images / "0.png").write_bytes(b"broken")
    with pytest.raises(SystemExit):
        run_example("microscopy_without_labels", "--data", images, "--output", tmp_path / "results")
    assert "0.png' is corrupt or not an image" in capsys.readouterr().err
