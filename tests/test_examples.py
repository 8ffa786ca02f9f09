"""The examples run, at a small setting, and on the user's own images."""

import shutil
import warnings

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pytest

from sklssl import RotNetEmbedder
from sklssl.inspection._comparison import Comparison, Result
from tests._examples import NO_TEXT, run_example, save_digits

QUICK = ("--image-size", "16", "--epochs", "1")


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


def test_quickstart(digits, tmp_path, capsys):
    save_digits(tmp_path / "digits", *digits, 300)
    zipped = shutil.make_archive(str(tmp_path / "digits"), "zip", tmp_path, "digits")
    options = ("--image-size", 8, "--epochs", 1, "--output", tmp_path / "picture.png")
    run_example("quickstart", "--data", zipped, *options)
    shown = capsys.readouterr().out
    assert "225 training and 75 test images" in shown
    for name in ("raw pixels", "untrained network", "PatchDictionaryEmbedder", "RotNetEmbedder"):
        assert f"\n{name} " in shown
    assert "2 labels   10 labels" in shown
    assert "\nUse " in shown
    assert "\nWorth it: with 10 labels per class " in shown
    assert "next, try SemiSupervisedClassifier(" in shown
    assert look(tmp_path / "picture.png") == (1100, 1200)


def test_quickstart_on_two_images_of_each_class(folder, tmp_path, capsys):
    for place in folder.iterdir():
        for file in sorted(place.iterdir())[2:]:
            file.unlink()
    picture = tmp_path / "picture.png"
    run_example("quickstart", "--data", folder, *QUICK, "--output", picture)
    assert "with 1 label per class" in capsys.readouterr().out
    look(picture)


@pytest.mark.parametrize("n_labelled_classes", [0, 2])
def test_quickstart_on_images_without_labels(folder, tmp_path, capsys, n_labelled_classes):
    for place in sorted(folder.iterdir())[n_labelled_classes:]:
        for file in place.iterdir():
            file.rename(folder / file.name)
        place.rmdir()
    picture = tmp_path / "picture.png"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that some images have no label
        run_example("quickstart", "--data", folder, *QUICK, "--output", picture)
    shown = capsys.readouterr().out
    assert ("Without labels embedders cannot be compared" in shown) == (n_labelled_classes == 0)
    assert ("raw pixels" in shown) == (n_labelled_classes > 0)
    assert look(picture) == (1100, 1200)


def test_quickstart_names_the_largest_class(folder, tmp_path, capsys):
    for i, file in enumerate(sorted((folder / "class2").iterdir())):
        if i >= 8:
            file.rename(folder / "class1" / file.name)
    for file in (folder / "class0").iterdir():
        file.rename(folder / "class1" / file.name)
    (folder / "class0").rmdir()
    run_example("quickstart", "--data", folder, *QUICK, "--output", tmp_path / "picture.png")
    assert "Answering always 'class1' would reach" in capsys.readouterr().out


def test_quickstart_tells_long_names_apart(folder, tmp_path):
    for place in list(folder.iterdir()):
        place.rename(folder / f"Class {place.name[-1]} with a very long name of a species")
    run_example("quickstart", "--data", folder, *QUICK, "--output", tmp_path / "picture.png")
    matrix = next(ax for ax in plt.gcf().findobj(plt.Axes) if ax.get_xlabel() == "Predicted label")
    assert len({label.get_text() for label in matrix.get_xticklabels()}) == 3


def test_quickstart_names_the_picture_it_wrote(folder, tmp_path, capsys):
    for file in folder.rglob("*.png"):
        file.rename(folder / file.name)
    run_example("quickstart", "--data", folder, *QUICK, "--output", tmp_path / "picture")
    assert f"The picture is in {tmp_path / 'picture.png'}." in capsys.readouterr().out
    look(tmp_path / "picture.png")


def test_quickstart_on_a_folder_whose_name_is_no_text(folder, tmp_path, capsys):
    for name in ("class0", "class2"):
        for file in sorted((folder / name).iterdir())[8:]:
            file.rename(folder / "class1" / file.name)
    (folder / "class1").rename(folder / NO_TEXT)
    run_example("quickstart", "--data", folder, *QUICK, "--output", tmp_path / "picture.png")
    assert "Answering always 'b?se' would reach" in capsys.readouterr().out
    look(tmp_path / "picture.png")


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    """The function of the example that says whether it was worth it."""
    images = tmp_path_factory.mktemp("images")
    for i in range(12):
        cv2.imwrite(str(images / f"{i}.png"), np.full((9, 9), 20 * i, np.uint8))
    picture = images.with_name("picture.png")
    return run_example("quickstart", "--data", images, *QUICK, "--output", picture).judge


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ([[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]], "Not worth it here: with 5 labels per class no"),
        ([[0.5, 0.5], [0.6, 0.6], [0.6, 0.6]], "better than the untrained network, which gets 40"),
        ([[0.5, 0.5], [0.5, 0.5], [0.6, 0.6]], "next, try a network trained on ImageNet"),
        ([[0.5, 0.5], [0.6, 0.6], [0.9, 0.9]], "next, try SemiSupervisedClassifier(Rot"),
    ],
)
def test_quickstart_says_whether_it_was_worth_it(judge, scores, said):
    names = ("raw pixels", "untrained network", "RotNetEmbedder")
    embedder = RotNetEmbedder()
    results = {
        name: Result(np.array([row]), 10, 1.0 + (name == "RotNetEmbedder"), 1.0, embedder)
        for name, row in zip(names, scores, strict=True)
    }
    assert said in judge(Comparison(results, [5], n_images=(10, 10)))


@pytest.mark.parametrize(
    ("score", "advice"), [(1.0, "there is nothing left to gain"), (0.5, "check that the images")]
)
def test_quickstart_adds_nothing_to_the_advice_on_raw_pixels(judge, score, advice):
    result = Result(np.full((1, 2), score), 10, 1.0, 1.0, RotNetEmbedder())
    comparison = Comparison(
        dict.fromkeys(("raw pixels", "untrained network"), result), [5], n_images=(10, 10)
    )
    assert advice in comparison.advice
    assert "try" not in judge(comparison)


def test_quickstart_says_what_is_wrong(folder, tmp_path, capsys):
    def complaint(data, *others):
        with pytest.raises(SystemExit):
            run_example("quickstart", "--data", data, *others)
        return capsys.readouterr().err

    assert "error: There is no folder or zip file" in complaint(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "contains no images" in complaint(tmp_path / "empty")
    assert "'a.xyz' has an unknown format. End" in complaint(folder, "--output", "a.xyz")
    assert "The folder of the picture" in complaint(folder, "--output", tmp_path / "no" / "a.png")
    (folder / "class1").rename(folder / "-1")
    assert "named like the label of unlabelled images" in complaint(folder)
    (folder / "-1").rename(folder / "class1")
    for n_readable, number in ((1, "1 image"), (0, "0 images")):
        for file in sorted((folder / "class2").iterdir())[n_readable:]:
            file.write_bytes(b"broken")
        with pytest.warns(UserWarning, match="cannot be read"):
            shown = complaint(folder)
        assert f"The class 'class2' has {number} that can be read" in shown
    for name in ("class1", "class2"):
        (folder / name).rename(tmp_path / name)
    assert "All labels are of one class, 'class0'" in complaint(folder)
    for file in sorted((folder / "class0").iterdir())[3:]:
        file.unlink()
    assert "At least 4 images are needed, but there are 3" in complaint(folder)
