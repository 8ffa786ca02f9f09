import math

import numpy as np
import pytest

from sklssl.metrics import knn_score
from tests._seed import SEED

from ._data import draw, rotation


def slow_knn(Z, y, n_neighbors, temperature):
    """The vote as the paper writes it, on standardised features, image by image."""
    Z = (Z - Z.mean(axis=0)) / Z.std(axis=0)
    right = 0
    for i, z in enumerate(Z):
        cosine = {
            j: z @ other / math.sqrt((z @ z) * (other @ other))
            for j, other in enumerate(Z)
            if j != i
        }
        votes = dict.fromkeys(sorted(set(y)), 0.0)
        for j in sorted(cosine, key=cosine.get, reverse=True)[:n_neighbors]:
            votes[y[j]] += math.exp(cosine[j] / temperature)
        right += max(votes, key=votes.get) == y[i]
    return right / len(Z)


@pytest.mark.parametrize("n_neighbors", [1, 5, 59])
@pytest.mark.parametrize("temperature", [0.02, 0.07, 1.0])
def test_knn_against_a_slow_loop(n_neighbors, temperature):
    y = np.random.default_rng(1).integers(3, size=60)
    Z = draw(60, 4) * [1, 2, 3, 4] + y[:, None]
    score = knn_score(Z, y, n_neighbors, temperature=temperature)
    assert 0 < score < 1
    assert score == slow_knn(Z, y, n_neighbors, temperature)


def test_size_and_place_of_features_order_and_names_of_classes_do_not_matter():
    y = np.repeat([0, 1, 2], 30)
    Z = draw(90, 5) + y[:, None]
    expected = knn_score(Z, y)
    assert knn_score(Z * [1e-5, 1, 10, 1e3, 1e5], y) == expected
    assert knn_score(Z + 100, y) == expected
    assert knn_score(Z[::-1], y[::-1]) == expected
    assert knn_score(Z, np.array(["a", "b", "c"])[y]) == expected


def test_rotated_features_of_equal_spread_keep_their_neighbours():
    Z = np.linalg.svd(draw(80, 5) - draw(80, 5).mean(axis=0), full_matrices=False)[0]
    y = (Z[:, 0] > 0).astype(int)
    assert knn_score(Z @ rotation(5), y) == pytest.approx(knn_score(Z, y))


def test_known_values():
    y = np.repeat([0, 1], 25)
    apart = draw(50, 3) + 100 * y[:, None]
    assert knn_score(apart, y) == 1
    assert knn_score(apart, 1 - y) == 1
    random = np.random.default_rng(SEED).permutation(np.repeat([0, 1], 500))
    assert knn_score(draw(1000, 3), random) == pytest.approx(0.5, abs=0.06)


def test_an_image_does_not_vote_for_itself():
    # Pairs of equal images of different classes: the nearest is always wrong.
    Z = np.repeat(draw(20, 3), 2, axis=0)
    assert knn_score(Z, np.tile([0, 1], 20), n_neighbors=1) == 0


def test_a_low_temperature_leaves_the_nearest_its_vote():
    y = np.random.default_rng(1).integers(3, size=60)
    Z = draw(60, 2) + y[:, None]
    assert knn_score(Z, y, temperature=1e-9) == knn_score(Z, y, n_neighbors=1)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e30])
def test_constant_features_are_left_out(value):
    y = np.repeat([0, 1], 25)
    Z = draw(50, 3) + y[:, None]
    padded = np.hstack([Z, np.full((50, 2), value)]).astype(np.float32)
    assert knn_score(padded, y) == knn_score(Z.astype(np.float32), y)
    # All of them: every class has as many votes as it has images among some twenty.
    assert 0 <= knn_score(padded[:, 3:], y) <= 1


@pytest.mark.parametrize(
    ("Z", "match"),
    [
        (np.array([[1.0, np.nan], [1.0, 2.0]]), "contains NaN"),
        (np.ones((1, 3)), "at least 2"),
        (np.ones(3), r"features \(n, d\).*1D array"),
    ],
)
def test_wrong_features(Z, match):
    with pytest.raises(ValueError, match=f"(?s)'Z' argument of knn_score.*{match}"):
        knn_score(Z, np.zeros(len(Z), dtype=int))


@pytest.mark.parametrize(
    ("y", "match"),
    [
        (None, "Got None"),
        (np.zeros(29, dtype=int), "29"),
        (np.zeros((30, 2), dtype=int), r"\(30, 2\)"),
        (np.linspace(0, 1, 30), "continuous"),
        (np.full(30, np.nan), "contains nan"),
        (np.array(["a", 1] * 15, dtype=object), "one type"),
    ],
)
def test_wrong_labels(y, match):
    with pytest.raises(ValueError, match=f"(?s)'y' argument of knn_score.*{match}"):
        knn_score(draw(30, 3), y)


@pytest.mark.parametrize("n_neighbors", [0, 30, 2.0, None])
def test_wrong_n_neighbors(n_neighbors):
    with pytest.raises(ValueError, match="'n_neighbors' argument of knn_score.*for 30 images"):
        knn_score(draw(30, 3), np.zeros(30, dtype=int), n_neighbors)


@pytest.mark.parametrize("temperature", [0, -1.0, math.inf, "low"])
def test_wrong_temperature(temperature):
    with pytest.raises(ValueError, match="'temperature' argument of knn_score"):
        knn_score(draw(30, 3), np.zeros(30, dtype=int), temperature=temperature)
