"""load_cifar10: where it looks, in which order, and what it says when it finds nothing."""

import os
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklssl.datasets import load_cifar10
from tests.datasets._common import encode, make_image, write_zip

CLASSES = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
]
FILES = {
    f"{subset}/{name}/0.png": encode(make_image(10 * (subset == "test") + i, (32, 32, 3)))
    for subset in ("train", "test")
    for i, name in enumerate(CLASSES)
}


class FakeCIFAR10:
    """torchvision's data set, with two images."""

    classes = CLASSES

    def __init__(self, root, train, download):
        self.data = np.full((2, 32, 32, 3), 1 if train else 2, np.uint8)
        self.targets = [9, 0]
        self.calls.append((os.fspath(root), train, download))


@pytest.fixture
def torchvision_calls(monkeypatch):
    FakeCIFAR10.calls = []
    datasets = SimpleNamespace(CIFAR10=FakeCIFAR10)
    monkeypatch.setitem(sys.modules, "torchvision", SimpleNamespace(datasets=datasets))
    monkeypatch.setitem(sys.modules, "torchvision.datasets", datasets)
    return FakeCIFAR10.calls


@pytest.fixture(autouse=True)
def no_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("SKLSSL_DATA", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("subset", ["train", "test", "all"])
def test_zip(tmp_path, subset):
    write_zip(tmp_path / "cifar10-small.zip", FILES)
    bunch = load_cifar10(tmp_path, subset=subset)
    seeds = {"train": range(10), "test": range(10, 20), "all": range(20)}[subset]
    assert_array_equal(bunch.images, [make_image(i, (32, 32, 3)) for i in seeds])
    assert_array_equal(bunch.target, [i % 10 for i in seeds])
    assert_array_equal(bunch.target_names, CLASSES)
    assert_array_equal(bunch.subset, ["train" if i < 10 else "test" for i in seeds])
    assert np.shares_memory(bunch.data, bunch.images)
    assert f"{len(seeds)} images" in bunch.DESCR


def test_zip_with_the_official_order(tmp_path):
    order = sorted(FILES)[::-1]
    write_zip(tmp_path / "cifar10.zip", FILES | {"ORDER.txt": "\n".join(order).encode()})
    bunch = load_cifar10(tmp_path, subset="all")
    assert_array_equal(bunch.target, [*range(9, -1, -1)] * 2)
    assert_array_equal(bunch.subset, ["train"] * 10 + ["test"] * 10)
    assert_array_equal(bunch.images[0], make_image(9, (32, 32, 3)))


def test_order_of_other_files_is_ignored(tmp_path):
    write_zip(tmp_path / "cifar10.zip", FILES | {"ORDER.txt": b"train/dog/0.png"})
    assert_array_equal(load_cifar10(tmp_path).target, range(10))


def test_environment_variable_and_home(tmp_path, monkeypatch):
    folder = tmp_path / "home" / "sklssl_data"
    folder.mkdir(parents=True)
    write_zip(folder / "cifar10.zip", FILES)
    X, y = load_cifar10(return_X_y=True)
    assert_array_equal(y, range(10))
    monkeypatch.setenv("SKLSSL_DATA", str(folder))
    monkeypatch.setenv("HOME", "elsewhere")
    assert_array_equal(load_cifar10().images, X)


def test_zip_of_other_classes(tmp_path):
    write_zip(tmp_path / "cifar10.zip", {"train/cat/0.png": FILES["train/cat/0.png"]})
    with pytest.raises(
        ValueError, match=r"must contain the classes .*airplane.* contains \['cat'\]"
    ):
        load_cifar10(tmp_path)


def test_torchvision_comes_first(tmp_path, torchvision_calls):
    write_zip(tmp_path / "cifar10.zip", FILES)
    (tmp_path / "cifar-10-batches-py").mkdir()
    bunch = load_cifar10(tmp_path, subset="all")
    assert torchvision_calls == [(str(tmp_path), True, False), (str(tmp_path), False, False)]
    assert_array_equal(bunch.images[:, 0, 0, 0], [1, 1, 2, 2])
    assert_array_equal(bunch.target, [9, 0, 9, 0])
    assert_array_equal(bunch.subset, ["train", "train", "test", "test"])


def test_download_only_what_is_not_there(tmp_path, torchvision_calls):
    load_cifar10(tmp_path, subset="test", download=True)
    assert torchvision_calls == [(str(tmp_path), False, True)]
    write_zip(tmp_path / "cifar10.zip", FILES)
    assert len(load_cifar10(tmp_path, download=True).images) == 10
    assert len(torchvision_calls) == 1


def test_nothing_found_names_the_remedies(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        load_cifar10(tmp_path)
    for part in (tmp_path, "cifar-10-batches-py", "cifar10*.zip", "data_home", "SKLSSL_DATA"):
        assert str(part) in str(error.value)
    assert "download=True" in str(error.value)


def test_an_incomplete_folder_is_not_used(tmp_path):
    (tmp_path / "cifar-10-batches-py").mkdir()
    with pytest.raises(FileNotFoundError, match="neither a complete 'cifar-10-batches-py' nor"):
        load_cifar10(tmp_path)
    write_zip(tmp_path / "cifar10.zip", FILES)
    assert len(load_cifar10(tmp_path).images) == 10


def test_bad_subset():
    with pytest.raises(ValueError, match=r"'subset' parameter of load_cifar10.*Got 'val'"):
        load_cifar10(subset="val")


REAL_DATA = os.environ.get("SKLSSL_DATA")


@pytest.mark.skipif(not REAL_DATA, reason="needs CIFAR-10 in the folder SKLSSL_DATA")
def test_real_data():
    bunch = load_cifar10(REAL_DATA, subset="test")
    assert bunch.images.shape == (10000, 32, 32, 3)
    assert_array_equal(np.bincount(bunch.target), [1000] * 10)
    # The test set begins with a cat, two ships and an airplane.
    assert_array_equal(bunch.target_names[bunch.target[:4]], ["cat", "ship", "ship", "airplane"])
