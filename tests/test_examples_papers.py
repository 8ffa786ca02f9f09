"""The examples after papers run at their small setting, on real images and without any."""

import contextlib
import functools
import io
import os
import zipfile
from unittest import mock

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from sklssl import SimCLREmbedder
from sklssl.datasets import load_cifar10
from tests._examples import run_example

# Not all inputs, for the sake of time: one of a single step, and one of two.
INPUTS = {True: ["grey-Harris"], False: ["hybrid", "grey-Harris"]}


@pytest.fixture(scope="module", params=["with data", "without data"])
def is_real(request, tmp_path_factory):
    """Whether the examples find real images."""
    real = request.param == "with data"
    home = request.getfixturevalue("data_home") if real else tmp_path_factory.mktemp("none")
    load_once = functools.cache(load_cifar10)
    with (
        mock.patch.dict(os.environ, SKLSSL_DATA=str(home)),
        mock.patch("sklssl.datasets.load_cifar10", load_once),
    ):
        yield real


def run(*command):
    """Run an example, which draws something; return what it defines and prints."""
    plt.close("all")
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        module = run_example(*command)
    assert plt.get_fignums()
    plt.close("all")
    return module, shown.getvalue()


@pytest.fixture(scope="module")
def fine_tune(is_real):
    return run("fine_tune_a_fifth", "--small")


@pytest.fixture(scope="module")
def limited(is_real):
    return run("limited_information", "--small", "--inputs", *INPUTS[is_real])


@pytest.fixture(scope="module")
def pets(is_real):
    """Without data there is no network either, from which weights are fetched."""
    if is_real:
        return run("pets", "--small")
    real = SimCLREmbedder.fit

    def fit(self, X, y=None):
        if self.init_weights is not None:
            raise OSError("no network")
        return real(self, X, y)

    with mock.patch.object(SimCLREmbedder, "fit", fit):
        return run("pets", "--small", "--weights", "Some_Weights.V1")


def numbers(line, n_words):
    """Read the numbers in a line of a table after the words that name it."""
    return [float(word) for word in line.split()[n_words:]]


def lines_of(shown, start):
    return [line for line in shown.splitlines() if line.startswith(start)]


def test_fine_tune_a_fifth(is_real, fine_tune):
    _, shown = fine_tune
    assert ("cifar10: 60 images of 10" if is_real else "digits: 60 images of 10") in shown
    assert "12 of them with labels" in shown
    assert len(numbers(*lines_of(shown, "raw pixels"), 2)) == 3
    assert len(numbers(*lines_of(shown, "untrained network"), 2)) == 3
    assert len(numbers(*lines_of(shown, "supervised, a fifth"), 3)) == 4 + 1
    for task in ("nce", "nt_xent"):
        assert len(numbers(*lines_of(shown, f"{task}  "), 1)) == 3 + 2
        assert len(numbers(*lines_of(shown, f"{task}, fine-tuned"), 2)) == 4 + 2


def test_limited_information(is_real, limited):
    _, shown = limited
    assert ("cifar10: 60 images" if is_real else "digits: 60 images") in shown
    for name in INPUTS[is_real]:
        pixels, untrained, rotnet, scalenet = lines_of(shown, name)
        assert len(numbers(pixels, 3)) == 1
        assert len(numbers(untrained, 3)) == 2
        assert len(numbers(rotnet, 2)) == len(numbers(scalenet, 2)) == 3 + 2
    assert "original" not in shown


def test_inputs_lack_what_they_should(limited, digits):
    module, _ = limited
    X = np.repeat(digits[0][:200], 3, axis=3)
    X[..., 1] //= 2
    found = {name: step.fit_transform(X) for name, step in module.steps.items()}
    changed = {name: (images != X).any(axis=(1, 2, 3)).mean() for name, images in found.items()}
    assert changed["original"] == 0
    assert changed["Harris"] == changed["grey"] == changed["grey-Harris"] == 1
    assert 0.3 < changed["hybrid"] < 0.7
    assert (np.ptp(found["grey-Harris"], axis=3) == 0).all()
    assert (np.ptp(found["Harris"], axis=3) > 0).any()


@pytest.mark.parametrize("full", [False, True])
def test_classifiers_see_poorer_images_unless_asked_otherwise(full, monkeypatch):
    seen = []
    real = StandardScaler.fit

    def fit(self, X, y=None, sample_weight=None):
        seen.append(X)
        return real(self, X, y, sample_weight)

    monkeypatch.setattr(StandardScaler, "fit", fit)
    command = ["--small", "--data", "digits", "--inputs", "Harris", "--n-images", "30"]
    run("limited_information", *command, *["--full-downstream"] * full)
    pixels = seen[0]
    assert pixels.shape == (30, 64)
    assert ((pixels == 1).mean() < 0.15) == full


def test_pets(is_real, pets):
    module, shown = pets
    if is_real:
        expected = "298 test images of 3 classes", "american_bulldog", "starts from random weights"
    else:
        missing = "Skipped, because these weights are not available: no network"
        expected = "497 test images of 10 classes", "No pets", missing
    for text in expected:
        assert text in shown
    assert list(module.starts) == ["untrained", "SimCLR"]
    assert len(numbers(*lines_of(shown, "raw pixels"), 2)) == 1
    for start in ("untrained", "SimCLR  "):
        assert len(numbers(*lines_of(shown, start), 1)) == 3
    assert "macro avg" in shown
    assert "Chosen: {'batch_size': 32, 'learning_rate': 0.0" in shown


def test_pets_in_the_folder_of_torchvision(pets, tmp_path, monkeypatch):
    module, _ = pets
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


@pytest.mark.parametrize("root", ["", "tiny-imagenet-200/"])
def test_tiny_imagenet_is_read_with_and_without_its_folder(fine_tune, root, tmp_path, monkeypatch):
    module, _ = fine_tune
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
    data, X, X_test, y, y_test = module.load("tiny-imagenet", None, None)
    assert data == "tiny-imagenet"
    assert X.shape == (3, 64, 64, 3)
    assert X_test.shape == (2, 64, 64, 3)
    assert sorted(y) == [0, 1, 1]
    for images, labels in ((X, y), (X_test, y_test)):
        np.testing.assert_array_equal(images[..., 0].mean(axis=(1, 2)) > 150, labels == 1)
        assert (images[..., 1:] < 50).all()
