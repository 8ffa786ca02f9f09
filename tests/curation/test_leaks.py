import numpy as np
import pytest

from sklssl.curation import _leaks, find_leaks
from tests._seed import SEED
from tests.curation._data import make_features


def test_copies_in_the_other_set_are_found():
    Z = make_features(copies=[(3, 250), (8, 20, 201), (9, 10)], seed=SEED)
    pairs, distances = find_leaks(Z[:200], Z[200:])
    assert sorted(pairs.tolist()) == [[3, 50], [8, 1], [20, 1]]
    assert distances.shape == (3,)
    assert (np.diff(distances) >= 0).all()
    assert distances.max() <= 0.8


def test_identical_images_have_a_distance_of_0():
    Z = make_features(copies=[(0, 1, 250, 251)], noise=0, seed=SEED)
    pairs, distances = find_leaks(Z[:200], iter([Z[200:230], Z[230:]]), threshold=0)
    assert pairs.tolist() == [[0, 50], [0, 51], [1, 50], [1, 51]]
    assert distances.tolist() == [0, 0, 0, 0]


def test_sets_without_leaks():
    Z = make_features(copies=(), seed=SEED)
    pairs, distances = find_leaks(Z[:200], Z[200:])
    assert pairs.shape == (0, 2)
    assert distances.shape == (0,)


def test_one_image_in_each_set():
    Z = np.arange(4.0).reshape(1, 4)
    assert find_leaks(Z, Z)[0].tolist() == [[0, 0]]
    assert len(find_leaks(Z, -Z)[0]) == 0


def test_too_many_pairs(monkeypatch):
    monkeypatch.setattr(_leaks, "_MOST_PAIRS", 99)
    with pytest.raises(ValueError, match="find_leaks found more than 99 pairs. Keep one image"):
        find_leaks(np.ones((10, 4)), np.ones((10, 4)))


def test_features_that_do_not_match():
    Z = make_features()
    with pytest.raises(ValueError, match=r"'Z_test' argument .* as many features as Z_train: 40.*"):
        find_leaks(Z, Z[:, :7])
    with pytest.raises(ValueError, match="'Z_test' argument of find_leaks .*NaN"):
        find_leaks(Z, Z * np.nan)
    with pytest.raises(ValueError, match="'threshold' parameter of find_leaks must be"):
        find_leaks(Z, Z, threshold=2)
