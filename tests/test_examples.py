"""The examples run, at a small setting, and on the user's own images."""

import importlib.util
import shutil
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest

from sklssl import PatchDictionaryEmbedder, RotNetEmbedder
from sklssl.inspection._comparison import Comparison, Result

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


def look(path):
    """Give the height and width of a picture, which is not empty."""
    picture = cv2.imread(str(path))
    assert picture.std() > 10
    return picture.shape[:2]


def test_quickstart(quickstart, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(quickstart, "EMBEDDERS", {"Patches": PatchDictionaryEmbedder((64, 128))})
    quickstart.main(["--output", str(tmp_path / "picture.png")])
    shown = capsys.readouterr().out
    for name in ("raw pixels", "untrained network", "Patches"):
        assert f"\n{name} " in shown
    assert "10 labels   50 labels" in shown
    assert "\nUse Patches" in shown
    assert "\nWorth it: with 50 labels per class Patches gets " in shown
    assert "next, try SemiSupervisedClassifier(PatchDictionaryEmbedder())" in shown
    assert look(tmp_path / "picture.png") == (1100, 1200)


@pytest.mark.parametrize("zipped", [False, True])
def test_quickstart_on_a_folder(quickstart, folder, tmp_path, capsys, zipped):
    picture = tmp_path / "picture.png"
    data = shutil.make_archive(str(folder), "zip", folder) if zipped else folder
    quickstart.main(["--data", str(data), "--image-size", "16", "--output", str(picture)])
    assert "67 training and 23 test images" in capsys.readouterr().out
    assert look(picture) == (1100, 1200)


def test_quickstart_on_two_images_of_each_class(quickstart, folder, tmp_path, capsys):
    for place in folder.iterdir():
        for file in sorted(place.iterdir())[2:]:
            file.unlink()
    picture = tmp_path / "picture.png"
    quickstart.main(["--data", str(folder), "--image-size", "16", "--output", str(picture)])
    assert "with 1 label per class" in capsys.readouterr().out
    look(picture)


@pytest.mark.parametrize("n_labelled_classes", [0, 2])
def test_quickstart_on_images_without_labels(
    quickstart, folder, tmp_path, capsys, n_labelled_classes
):
    for place in sorted(folder.iterdir())[n_labelled_classes:]:
        for file in place.iterdir():
            file.rename(folder / file.name)
        place.rmdir()
    picture = tmp_path / "picture.png"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that some images have no label
        quickstart.main(["--data", str(folder), "--image-size", "16", "--output", str(picture)])
    shown = capsys.readouterr().out
    assert ("Without labels embedders cannot be compared" in shown) == (n_labelled_classes == 0)
    assert ("raw pixels" in shown) == (n_labelled_classes > 0)
    assert look(picture) == (1100, 1200)


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ([[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]], "Not worth it here: with 5 labels per class no"),
        ([[0.5, 0.5], [0.6, 0.6], [0.6, 0.6]], "better than the untrained network, which gets 40"),
        ([[0.5, 0.5], [0.5, 0.5], [0.6, 0.6]], "next, try a network trained on ImageNet"),
        ([[0.5, 0.5], [0.6, 0.6], [0.9, 0.9]], "next, try SemiSupervisedClassifier(Rot"),
    ],
)
def test_quickstart_says_whether_it_was_worth_it(quickstart, scores, said):
    names = ("raw pixels", "untrained network", "RotNet")
    embedder = RotNetEmbedder()
    results = {
        name: Result(np.array([row]), 10, 1.0 + (name == "RotNet"), 1.0, embedder)
        for name, row in zip(names, scores, strict=True)
    }
    assert said in quickstart.judge(Comparison(results, [5], n_images=(10, 10)))


def test_quickstart_says_what_is_wrong(quickstart, folder, tmp_path, capsys):
    def complaint(data, *others):
        with pytest.raises(SystemExit):
            quickstart.main(["--data", str(data), *others])
        return capsys.readouterr().err

    assert "error: There is no folder or zip file" in complaint(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "contains no images" in complaint(tmp_path / "empty")
    assert "The folder of the picture" in complaint(
        folder, "--output", str(tmp_path / "no" / "a.png")
    )
    for file in sorted((folder / "class2").iterdir())[1:]:
        file.unlink()
    assert "There is only one image of the class 'class2'" in complaint(folder)
    for name in ("class1", "class2"):
        (folder / name).rename(tmp_path / name)
    assert "All labels are of one class, 'class0'" in complaint(folder)
    for file in sorted((folder / "class0").iterdir())[3:]:
        file.unlink()
    assert "At least 4 images are needed, but there are 3" in complaint(folder)
