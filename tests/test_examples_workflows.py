"""The examples of inspection and of a paper's baseline run, quickly, and on the user's images."""

import csv
import json

import cv2
import numpy as np
import pytest

from tests._examples import NO_TEXT, run_example, save_digits


@pytest.fixture
def folder(digits, tmp_path):
    """Digits as files: two classes of 20, and 20 without a label."""
    for i, (image, label) in enumerate(zip(digits[0][:200], digits[1][:200], strict=True)):
        if label < 3:
            place = tmp_path / "mine" / ("unlabelled" if label == 2 else f"class{label}")
            place.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(place / f"{i}.png"), image)
    return tmp_path / "mine"


def read_csv(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def look(path):
    assert cv2.imread(str(path)).std() > 10


def test_inspection(digits, tmp_path, capsys):
    save_digits(tmp_path / "all", *digits, 300)
    options = ("--image-size", 8, "--output", tmp_path / "results")
    run_example("inspection_few_labels", "--data", tmp_path / "all", *options)
    shown = capsys.readouterr().out
    assert "30 labelled photos, 13" in shown
    assert "accuracy on the photos held out: " in shown
    assert "label next: " in shown
    for way in ("not covered", "in doubt", "at random"):
        assert f"with 30 more labels, {way:11}: " in shown
    rows = read_csv(tmp_path / "results" / "predictions.csv")
    assert len(rows) + 30 + 130 <= 300
    margins = [float(row["probability"]) - float(row["second_probability"]) for row in rows]
    assert margins == sorted(margins)
    assert len({row["file"] for row in rows}) == len(rows)
    for name in ("confusion.png", "in_doubt.png"):
        look(tmp_path / "results" / name)


@pytest.mark.filterwarnings("ignore:20 of 60 images have no label:UserWarning")
def test_inspection_of_a_folder(folder, tmp_path, capsys):
    output = tmp_path / "results"
    options = ("--image-size", 8, "--n-labels", 6, "--output", output)
    run_example("inspection_few_labels", "--data", folder, *options)
    assert "6 labelled photos" in capsys.readouterr().out
    files = [row["file"] for row in read_csv(output / "predictions.csv")]
    assert sum(file.startswith("unlabelled/") for file in files) == 20


@pytest.mark.filterwarnings("ignore:20 of 60 images have no label:UserWarning")
def test_inspection_of_folders_whose_names_are_long_or_no_text(folder, tmp_path, capsys):
    (folder / "class0").rename(folder / ("a class with a very long name" * 3))
    (folder / "class1").rename(folder / NO_TEXT)
    output = tmp_path / "results"
    options = ("--image-size", 8, "--n-labels", 6, "--output", output)
    run_example("inspection_few_labels", "--data", folder, *options)
    rows = read_csv(output / "predictions.csv")
    assert {row["prediction"][:7] for row in rows} == {"a class", "b?se"}
    assert any(row["file"].startswith("b?se/") for row in rows)
    for name in ("confusion.png", "in_doubt.png"):
        look(output / name)


def test_inspection_says_what_is_wrong(folder, tmp_path, capsys):
    for options, message in (
        (["--data", tmp_path / "gone"], "no folder"),
        (["--data", folder / "class0"], "At least two cl"),
        (["--n-labels", "0"], "--n-labels must be at least 1. Got 0."),
    ):
        with pytest.raises(SystemExit):
            run_example("inspection_few_labels", *options, "--output", tmp_path / "results")
        assert message in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


@pytest.mark.filterwarnings("ignore:20 of 60 images have no label:UserWarning")
def test_inspection_counts_a_class_that_cannot_be_read(folder, tmp_path, capsys):
    (folder / "class2").mkdir()
    (folder / "class2" / "broken.png").write_bytes(b"broken")
    with pytest.raises(SystemExit), pytest.warns(UserWarning, match="1 of 61 image files cannot"):
        run_example("inspection_few_labels", "--data", folder, "--output", tmp_path / "results")
    assert "Of 3 classes, 1 have fewer" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore:20 of 60 images have no label:UserWarning")
def test_baseline(folder, tmp_path, capsys):
    options = ("--small", "--n-labels", 5, 1, "--image-size", 8, "--output", tmp_path / "results")
    module = run_example("paper_baseline", "--data", folder, *options)
    shown = capsys.readouterr().out
    assert "- Gidaris, Singh, Komodakis. Unsupervised" in shown
    assert "scikit-learn: " in shown
    assert "50 training and 10 test images" in shown
    results = read_csv(tmp_path / "results" / "results.csv")
    assert len(results) == 2 * 4 * 2
    pixels = [
        100 * float(row["accuracy"])
        for row in results
        if row["method"] == "raw pixels" and row["n_labels"] == "5"
    ]
    cell = f"{np.mean(pixels):.1f} ± {np.std(pixels, ddof=1):.1f} |\n"
    table = (tmp_path / "results" / "table.md").read_text(encoding="utf-8")
    assert table.startswith("| labels per class | 1 | 5 |\n| --- | --- | --- |\n| raw pixels | ")
    assert table.splitlines(keepends=True)[2].endswith(cell)
    assert (tmp_path / "results" / "table.tex").read_text(encoding="utf-8") in shown
    assert "\nRotNet\\_\\& & $" in module.to_latex({"RotNet_&": [(50.0, 1.0), (60.0, 2.0)]})
    protocol = json.loads((tmp_path / "results" / "protocol.json").read_text())
    assert len(protocol["test_images"]) == 10
    assert protocol["test_images"][0].startswith("class")
    look(tmp_path / "results" / "labels.png")
    assert list(module.EMBEDDERS)[:3] == ["raw pixels", "untrained network", "patch dictionary"]
    assert any("Coates, Ng" in paper for paper in module.references(module.EMBEDDERS.values()))


def test_baseline_says_what_is_wrong(folder, tmp_path, capsys):
    for options, message in (
        (["--seeds", "1"], "--seeds must be at least 2"),
        (["--data", tmp_path / "gone"], "no folder"),
        (["--n-labels", "500"], "training images, but --n-labels asks for 500"),
        (["--n-labels", "5", "0"], "--n-labels must be at least 1. Got 0."),
        (["--data", folder / "class0"], "At least two classes are needed"),
    ):
        with pytest.raises(SystemExit):
            run_example("paper_baseline", *options, "--output", tmp_path / "results")
        assert message in capsys.readouterr().err
    for file in sorted((folder / "class1").iterdir())[1:]:
        file.unlink()
    with pytest.raises(SystemExit), pytest.warns(UserWarning, match="have no label"):
        run_example("paper_baseline", "--data", folder, "--output", tmp_path / "results")
    assert "There is only one image of the class 'class1'" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()
