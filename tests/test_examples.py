"""The examples run, at a small setting, and on the user's own images."""

import importlib.util
from pathlib import Path

import cv2
import pytest

from sklssl import RotNetEmbedder

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def quickstart(monkeypatch):
    spec = importlib.util.spec_from_file_location("quickstart", EXAMPLES / "quickstart.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "EMBEDDERS", {"RotNet": RotNetEmbedder("convnet", max_epochs=1)})
    return module


@pytest.fixture
def folder(digits, tmp_path):
    """Ninety digits as files, in a folder for each of three classes."""
    for i, (image, label) in enumerate(zip(digits[0][:90], digits[1][:90], strict=True)):
        place = tmp_path / "mine" / f"class{label % 3}"
        place.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(place / f"{i}.png"), image)
    return tmp_path / "mine"


def test_quickstart(quickstart, tmp_path, capsys):
    quickstart.main(["--output", str(tmp_path / "picture.png")])
    shown = capsys.readouterr().out
    for name in ("raw pixels", "untrained network", "RotNet"):
        assert f"\n{name} " in shown
    assert "2 labels" in shown
    assert "50 labels" in shown
    assert "\nTake " in shown
    height, width, _ = cv2.imread(str(tmp_path / "picture.png")).shape
    assert width > height > 300


def test_quickstart_on_a_folder(quickstart, folder, tmp_path, capsys):
    picture = tmp_path / "picture.png"
    quickstart.main(["--data", str(folder), "--image-size", "16", "--output", str(picture)])
    assert "67 training and 23 test images" in capsys.readouterr().out
    assert picture.exists()


def test_quickstart_says_what_is_wrong(quickstart, folder, tmp_path, capsys):
    def complaint(data):
        with pytest.raises(SystemExit):
            quickstart.main(["--data", str(data)])
        return capsys.readouterr().err

    assert "error: There is no folder or zip file" in complaint(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "holds no images" in complaint(tmp_path / "empty")
    for name in ("class1", "class2"):
        (folder / name).rename(tmp_path / name)
    assert "needs labels of at least two classes" in complaint(folder)
