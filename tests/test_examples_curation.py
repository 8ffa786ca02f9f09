"""The example without labels runs, and finds what was hidden in the images."""

import cv2

from tests._examples import run_example


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
    for i, image in enumerate(digits[0][:40]):
        cv2.imwrite(str(tmp_path / f"{i}.png"), image)
    results = tmp_path / "results"
    options = ("--image-size", 16, "--output", results)
    run_example("microscopy_without_labels", "--data", tmp_path, *options)
    assert "Do not belong: " in capsys.readouterr().out
    assert (results / "map.html").stat().st_size > 10_000
