"""The examples of inspection and of a paper's baseline run, quickly, and on the user's images."""

import csv
import importlib.util
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from sklssl import PatchDictionaryEmbedder, RotNetEmbedder

EXAMPLES = Path(__file__).parents[1] / "examples"


def load_example(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def inspection(monkeypatch):
    module = load_example("inspection_few_labels")
    monkeypatch.setattr(module, "EMBEDDER", PatchDictionaryEmbedder(8, random_state=0))
    monkeypatch.setattr(module.fit, "__defaults__", (module.EMBEDDER,))
    return module


@pytest.fixture
def baseline(monkeypatch):
    module = load_example("paper_baseline")

    def make_embedders(epochs):
        return {
            "raw pixels": module.FunctionTransformer(module.flatten),
            "RotNet_&": RotNetEmbedder("convnet", max_epochs=epochs),
        }

    monkeypatch.setattr(module, "make_embedders", make_embedders)
    return module


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


def test_inspection(inspection, digits, tmp_path, capsys, monkeypatch):
    few = digits[0][:300], digits[1][:300], np.arange(10).astype(str), range(300)
    monkeypatch.setattr(inspection, "load", lambda data, image_size: few)
    inspection.main(["--output", str(tmp_path / "results")])
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
def test_inspection_of_a_folder(inspection, folder, tmp_path, capsys):
    output = tmp_path / "results"
    options = ["--image-size", "8", "--n-labels", "6", "--output", str(output)]
    inspection.main(["--data", str(folder), *options])
    assert "6 labelled photos" in capsys.readouterr().out
    files = [row["file"] for row in read_csv(output / "predictions.csv")]
    assert sum(file.startswith("unlabelled/") for file in files) == 20


def test_inspection_says_what_is_wrong(inspection, folder, tmp_path, capsys):
    for data, message in ((tmp_path / "gone", "no folder"), (folder / "class0", "At least two cl")):
        with pytest.raises(SystemExit):
            inspection.main(["--data", str(data), "--output", str(tmp_path / "results")])
        assert message in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore:20 of 60 images have no label:UserWarning")
def test_baseline(baseline, folder, tmp_path, capsys):
    options = ["--seeds", "2", "--epochs", "1", "--n-labels", "5", "1", "--image-size", "8"]
    baseline.main(["--data", str(folder), *options, "--output", str(tmp_path / "results")])
    shown = capsys.readouterr().out
    assert "- Gidaris, Singh, Komodakis. Unsupervised" in shown
    assert "scikit-learn: " in shown
    assert "50 training and 10 test images" in shown
    results = read_csv(tmp_path / "results" / "results.csv")
    assert len(results) == 2 * 2 * 2
    pixels = [
        100 * float(row["accuracy"])
        for row in results
        if row["method"] == "raw pixels" and row["n_labels"] == "5"
    ]
    cell = f"{np.mean(pixels):.1f} ± {np.std(pixels, ddof=1):.1f} |\n"
    table = (tmp_path / "results" / "table.md").read_text(encoding="utf-8")
    assert table.startswith("| labels per class | 1 | 5 |\n| --- | --- | --- |\n| raw pixels | ")
    assert table.splitlines(keepends=True)[2].endswith(cell)
    latex = (tmp_path / "results" / "table.tex").read_text(encoding="utf-8")
    assert "\nRotNet\\_\\& & $" in latex
    protocol = json.loads((tmp_path / "results" / "protocol.json").read_text())
    assert len(protocol["test_images"]) == 10
    assert protocol["test_images"][0].startswith("class")
    look(tmp_path / "results" / "labels.png")


def test_baseline_has_the_baselines():
    module = load_example("paper_baseline")
    embedders = module.make_embedders(7)
    assert list(embedders)[:3] == ["raw pixels", "untrained network", "patch dictionary"]
    assert embedders["RotNet"].max_epochs == 7
    assert any("Coates, Ng" in paper for paper in module.references(embedders))


def test_baseline_says_what_is_wrong(baseline, folder, tmp_path, capsys):
    for options, message in (
        (["--seeds", "1"], "--seeds must be at least 2"),
        (["--data", str(tmp_path / "gone")], "no folder"),
        (["--n-labels", "500"], "training images, but --n-labels asks for 500"),
    ):
        with pytest.raises(SystemExit):
            baseline.main([*options, "--output", str(tmp_path / "results")])
        assert message in capsys.readouterr().err
