"""The examples run, at a small setting, and on the user's own images."""

import importlib.util
from pathlib import Path

import cv2
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def quickstart(monkeypatch):
    spec = importlib.util.spec_from_file_location("quickstart", EXAMPLES / "quickstart.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    quick = {
        name: embedder and type(embedder)(max_epochs=min(embedder.max_epochs, 1), random_state=0)
        for name, embedder in module.EMBEDDERS.items()
    }
    monkeypatch.setattr(module, "EMBEDDERS", quick)
    return module


def test_quickstart(quickstart, tmp_path, capsys):
    quickstart.main(output=tmp_path / "picture.png")
    shown = capsys.readouterr().out
    for name in ("raw pixels", "untrained network", "RotNet", "ScaleNet"):
        assert name in shown
    height, width, _ = cv2.imread(str(tmp_path / "picture.png")).shape
    assert width > height > 300


def test_quickstart_on_a_folder(quickstart, digits, tmp_path, capsys):
    for i, (image, label) in enumerate(zip(digits[0][:90], digits[1][:90], strict=True)):
        folder = tmp_path / "mine" / f"class{label % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"{i}.png"), image)
    quickstart.main(tmp_path / "mine", image_size=16, output=tmp_path / "picture.png")
    assert "60 images of 3 classes, 15 labels" in capsys.readouterr().out
    assert (tmp_path / "picture.png").exists()
