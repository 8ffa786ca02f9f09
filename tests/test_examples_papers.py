"""The examples after papers run at their small setting, on real images and without any."""

import importlib.util
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(params=["with data", "without data"])
def is_real(request, tmp_path, monkeypatch):
    """Whether the examples find real images; they run at `tmp_path`, where none are."""
    real = request.param == "with data"
    if real:
        request.getfixturevalue("data_home")
    else:
        monkeypatch.setenv("SKLSSL_DATA", str(tmp_path))
    return real


def load_example(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def numbers(line, n_words):
    """Read the numbers in a line of a table after the words that name it."""
    return [float(word) for word in line.split()[n_words:]]


def lines_of(shown, start):
    return [line for line in shown.splitlines() if line.startswith(start)]


def test_fine_tune_a_fifth(is_real, capsys):
    load_example("fine_tune_a_fifth").main("small")
    shown = capsys.readouterr().out
    assert ("cifar10: 60 images of 10" if is_real else "digits: 60 images of 10") in shown
    assert "12 of them with labels" in shown
    assert len(numbers(*lines_of(shown, "raw pixels"), 2)) == 3
    assert len(numbers(*lines_of(shown, "untrained network"), 2)) == 3
    assert len(numbers(*lines_of(shown, "supervised, a fifth"), 3)) == 4 + 1
    for task in ("nce", "nt_xent"):
        assert len(numbers(*lines_of(shown, f"{task}  "), 1)) == 3 + 2
        assert len(numbers(*lines_of(shown, f"{task}, fine-tuned"), 2)) == 4 + 2


def test_limited_information(is_real, capsys):
    # Not all inputs, for the sake of time: one of a single step, and one of two.
    names = ["grey-Harris"] if is_real else ["hybrid", "grey-Harris"]
    load_example("limited_information").main("small", inputs=names)
    shown = capsys.readouterr().out
    assert ("cifar10: 60 images" if is_real else "digits: 60 images") in shown
    for name in names:
        pixels, untrained, rotnet, scalenet = lines_of(shown, name)
        assert len(numbers(pixels, 3)) == 1
        assert len(numbers(untrained, 3)) == 2
        assert len(numbers(rotnet, 2)) == len(numbers(scalenet, 2)) == 3 + 2
    assert "original" not in shown


def test_inputs_lack_what_they_should(digits):
    module = load_example("limited_information")
    X = np.repeat(digits[0][:200], 3, axis=3)
    X[..., 1] //= 2
    found = {name: step.fit_transform(X) for name, step in module.make_inputs(0).items()}
    changed = {name: (images != X).any(axis=(1, 2, 3)).mean() for name, images in found.items()}
    assert changed["original"] == 0
    assert changed["Harris"] == changed["grey"] == changed["grey-Harris"] == 1
    assert 0.3 < changed["hybrid"] < 0.7
    assert (np.ptp(found["grey-Harris"], axis=3) == 0).all()
    assert (np.ptp(found["Harris"], axis=3) > 0).any()


@pytest.mark.parametrize("full", [False, True])
def test_classifiers_see_poorer_images_unless_asked_otherwise(full, digits, monkeypatch, capsys):
    module = load_example("limited_information")
    seen = []

    def watch(X):
        seen.append(X)
        return X.reshape(len(X), -1) / 255

    monkeypatch.setattr(module, "raw_pixels", watch)
    module.main("small", "digits", inputs=["Harris"], full_downstream=full, n_images=30)
    bright = np.mean([(images == 255).mean() for images in seen])
    assert (bright < 0.15) == full


def test_pets(is_real, capsys):
    load_example("pets").main("small")
    shown = capsys.readouterr().out
    assert "every network here starts from random weights" in shown
    expected = ("298 test images of 3 classes", "american_bulldog")
    for text in expected if is_real else ("497 test images of 10 classes", "No pets"):
        assert text in shown
    assert len(numbers(*lines_of(shown, "raw pixels"), 2)) == 1
    for start in ("untrained", "SimCLR  "):
        assert len(numbers(*lines_of(shown, start), 1)) == 3
    assert "macro avg" in shown
    assert "Chosen: {'batch_size': 32, 'learning_rate': 0.0" in shown


def test_pets_in_the_folder_of_torchvision(tmp_path, monkeypatch):
    module = load_example("pets")
    monkeypatch.setenv("SKLSSL_DATA", str(tmp_path))
    folder = tmp_path / "oxford-iiit-pet"
    (folder / "images").mkdir(parents=True)
    (folder / "annotations").mkdir()
    for split, (first, second) in {"trainval": (1, 2), "test": (3, 4)}.items():
        rows = [f"Great_Dane_{first} 2 2 1", f"Abyssinian_{second} 1 1 1"]
        (folder / "annotations" / f"{split}.txt").write_text("\n".join(rows) + "\n")
        for row in rows:
            name = f"{row.split()[0]}.jpg"
            image = np.zeros((20, 30, 3), np.uint8)
            image[..., 2] = 200 if "Dane" in name else 0  # red
            cv2.imwrite(str(folder / "images" / name), image)
    X, y, is_test = module.load("pets", 16)
    assert X.shape == (4, 16, 16, 3)
    assert X.dtype == np.uint8
    np.testing.assert_array_equal(y, ["Great Dane", "Abyssinian"] * 2)
    np.testing.assert_array_equal(is_test, [False, False, True, True])
    assert (X[y == "Great Dane"][..., 0] > 150).all()
    assert (X[y == "Abyssinian"] < 50).all()


def test_weights_that_cannot_be_fetched_are_left_out(monkeypatch, digits, capsys):
    module = load_example("pets")
    real = module.SimCLREmbedder.fit

    def fit(self, X, y=None):
        if self.init_weights is not None:
            raise OSError("no network")
        return real(self, X, y)

    monkeypatch.setattr(module.SimCLREmbedder, "fit", fit)
    setting = {"backbone": "convnet", "image_size": 16, "simclr_epochs": 0}
    starts = module.make_starts(setting, digits[0][:30], "Some_Weights.V1", 0)
    assert list(starts) == ["untrained", "SimCLR"]
    assert "Skipped, because these weights are not available: no network" in capsys.readouterr().out


@pytest.mark.parametrize("root", ["", "tiny-imagenet-200/"])
def test_tiny_imagenet_is_read_with_and_without_its_folder(root, tmp_path, monkeypatch):
    module = load_example("fine_tune_a_fifth")
    monkeypatch.setenv("SKLSSL_DATA", str(tmp_path))
    shades = {
        "train/n02/images/n02_0.JPEG": 200,
        "train/n02/images/n02_1.JPEG": 200,
        "train/n01/images/n01_0.JPEG": 0,
        "val/images/val_0.JPEG": 200,
        "val/images/val_1.JPEG": 0,
        "test/images/test_0.JPEG": 100,
    }
    with zipfile.ZipFile(tmp_path / "tiny-imagenet-200.zip", "w") as archive:
        for name, shade in shades.items():
            image = np.zeros((64, 64, 3), np.uint8)
            image[..., 2] = shade  # red
            archive.writestr(root + name, cv2.imencode(".jpg", image)[1].tobytes())
        rows = "val_0.JPEG\tn02\t0\t0\t9\t9\nval_1.JPEG\tn01\t0\t0\t9\t9\n"
        archive.writestr(f"{root}val/val_annotations.txt", rows)
    data, X, X_test, y, y_test = module.load("tiny-imagenet", {"n_train": None, "n_test": None})
    assert data == "tiny-imagenet"
    assert X.shape == (3, 64, 64, 3)
    assert X_test.shape == (2, 64, 64, 3)
    assert sorted(y) == [0, 1, 1]
    for images, labels in ((X, y), (X_test, y_test)):
        np.testing.assert_array_equal(images[..., 0].mean(axis=(1, 2)) > 150, labels == 1)
        assert (images[..., 1:] < 50).all()
