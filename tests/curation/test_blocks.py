"""Features as arrays, memory-mapped arrays and blocks of rows."""

import errno
import os

import numpy as np
import pytest

from sklssl.curation import kneighbors
from sklssl.curation._blocks import check_features, make_workspace
from tests.curation._data import make_features


def blocks_of(Z):
    return (Z[start : start + 70] for start in range(0, len(Z), 70))


@pytest.mark.parametrize("kind", [blocks_of, lambda Z: list(blocks_of(Z)), np.ndarray.tolist])
def test_blocks_are_rows(kind):
    Z = make_features()
    np.testing.assert_array_equal(check_features("f", kind(Z)), Z)


def test_precision_is_kept():
    Z = make_features()
    assert check_features("f", blocks_of(Z)).dtype == np.float32
    assert check_features("f", blocks_of(Z.astype(np.float64))).dtype == np.float64


def test_memory_mapped_features(tmp_path):
    Z = make_features()
    np.save(tmp_path / "Z.npy", Z)
    mapped = np.load(tmp_path / "Z.npy", mmap_mode="r")
    np.testing.assert_array_equal(kneighbors(mapped)[1], kneighbors(Z)[1])


def test_large_workspaces_are_in_a_file(monkeypatch):
    Z = make_features()
    expected = kneighbors(Z)[1]
    monkeypatch.setattr("sklssl.curation._blocks._LARGE", 100)
    assert isinstance(make_workspace((10, 10)), np.memmap)
    np.testing.assert_array_equal(kneighbors(Z)[1], expected)


def test_no_space_for_a_workspace(monkeypatch):
    def full(file, offset, size):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("sklssl.curation._blocks._LARGE", 100)
    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(OSError, match=r"No space left on device: .* 0.0 GB is needed. Set TMPDIR"):
        make_workspace((10, 10))


def test_an_iterator_that_is_exhausted():
    blocks = blocks_of(make_features())
    kneighbors(blocks)
    with pytest.raises(ValueError, match="'Z' argument of kneighbors holds no features: .* empty"):
        kneighbors(blocks)


def test_masked_blocks():
    Z = make_features()
    blocks = [Z[:50], np.ma.masked_less(Z[50:], 0)]
    with pytest.raises(ValueError, match="kneighbors needs all values, but block 1 of Z is a mask"):
        kneighbors(blocks)


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([np.ones((4, 3)), np.ones((4, 2))], r"Block 1 must .* \(b, 3\), .* shape \(4, 2\)"),
        (iter([np.ones(3), np.ones(3)]), r"Block 0 must .* \(b, d\), .* has the shape \(3,\)"),
        (iter([np.full((2, 2), "a")]), "Block 0 must .* dtype <U1"),
    ],
)
def test_blocks_that_do_not_fit(blocks, message):
    with pytest.raises(ValueError, match=f"'Z' argument of kneighbors must .* {message}"):
        kneighbors(blocks)


@pytest.mark.parametrize("Z", ["features.npy", np.ones(3), None, {}])
def test_what_holds_no_features(Z):
    with pytest.raises((TypeError, ValueError), match="'Z' argument of kneighbors must hold"):
        kneighbors(Z)
