import os

import numpy as np
import pytest

from sklssl import RotNetEmbedder
from sklssl._data.memmaps import find_memmap, release
from sklssl.utils import check_images


@pytest.fixture
def file(tmp_path):
    return tmp_path / "images.npy"


@pytest.fixture
def mapped(file, X):
    np.save(file, X)
    return np.load(file, mmap_mode="r")


def test_any_view_of_a_file_is_found(mapped):
    assert find_memmap(mapped) is mapped
    assert find_memmap(np.asarray(mapped[3:]).reshape(-1, 64)) is mapped
    assert find_memmap(mapped.copy()) is None
    assert find_memmap(mapped[np.array([1, 2])]) is None
    assert find_memmap([1, 2]) is None


def test_images_in_a_file_are_not_copied(mapped):
    assert np.shares_memory(check_images(mapped), mapped)


def test_images_in_a_file_give_what_those_in_memory_give(mapped, X):
    in_memory = RotNetEmbedder("convnet", max_epochs=1, random_state=0).fit(X)
    in_file = RotNetEmbedder("convnet", max_epochs=1, random_state=0).fit(mapped)
    np.testing.assert_array_equal(in_file.transform(mapped), in_memory.transform(X))


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_released_pages_can_be_read_again(file, mapped, X, mode):
    """Also what was written to them: in "c" it is nowhere else."""
    images = np.load(file, mmap_mode=mode)
    if mode != "r":
        images[0] = 7
    release(images)
    np.testing.assert_array_equal(images[1:], X[1:])
    assert (images[0] == (X[0] if mode == "r" else 7)).all()


def test_a_file_shorter_than_its_array_is_refused(file, mapped):
    """To read it would end the process."""
    os.truncate(file, 1000)
    with pytest.raises(ValueError, match=r"RotNetEmbedder: X is memory-mapped from .*images.npy"):
        RotNetEmbedder("convnet", max_epochs=1).fit(mapped[5:])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_in_a_file_is_found_in_any_piece(file, monkeypatch, bad):
    monkeypatch.setattr("sklssl._data.arrays._PIECE", 1000)
    images = np.zeros((40, 8, 8), dtype=np.float32)
    images[33, 2, 2] = bad
    np.save(file, images)
    with pytest.raises(ValueError, match=r"X contains (NaN|infinity)"):
        check_images(np.load(file, mmap_mode="r"))
