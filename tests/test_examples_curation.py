"""The example without labels runs, and finds what was hidden in the images."""

import importlib.util
from pathlib import Path

import cv2
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def microscopy():
    spec = importlib.util.spec_from_file_location(
        "micro", EXAMPLES / "microscopy_without_labels.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_microscopy_without_labels(microscopy, tmp_path, capsys):
    microscopy.main(["--n-images", "200", "--output", str(tmp_path / "results")])
    shown = capsys.readouterr().out.splitlines()
    odd = next(line for line in shown if line.startswith("Do not belong"))
    assert odd.count("blurred") + odd.count("empty") == 8
    doubles = next(line for line in shown if line.startswith("More than once"))
    assert doubles.count("again") >= 2  # of 4: exposure and noise differ
    agreement = next(line for line in shown if line.startswith("Agreement")).split()
    assert float(agreement[5]) > 0.9
    assert {path.name for path in (tmp_path / "results").iterdir()} == {
        "map.png",
        "map.html",
        "outliers.png",
    }


def test_microscopy_on_a_folder(microscopy, tmp_path, digits, capsys):
    for i, image in enumerate(digits[0][:60]):
        cv2.imwrite(str(tmp_path / f"{i}.png"), image)
    results = tmp_path / "results"
    microscopy.main(["--data", str(tmp_path), "--image-size", "16", "--output", str(results)])
    assert "Do not belong: " in capsys.readouterr().out
    assert (results / "map.html").stat().st_size > 10_000
