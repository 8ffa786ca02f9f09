import math

import numpy as np
import pytest

from sklssl._data import matrix
from sklssl.metrics import dead_feature_share, effective_rank, rankme_score

from ._data import draw, rotation


def exp_entropy(values):
    shares = [value / sum(values) for value in values]
    return math.exp(-sum(p * math.log(p) for p in shares if p > 0))


def slow_rankme(Z):
    return exp_entropy(np.linalg.svd(Z, compute_uv=False))


def slow_effective_rank(Z):
    """The paper's effective rank of the covariance: by the singular values of that matrix."""
    return exp_entropy(np.linalg.svd(np.cov(Z.T, bias=True), compute_uv=False))


@pytest.mark.parametrize("shape", [(40, 7), (7, 40), (9, 9), (2, 3)])
@pytest.mark.parametrize("block", [2**21, 16])  # at once, or a row or two at a time
def test_ranks_against_the_papers(shape, block, monkeypatch):
    monkeypatch.setattr(matrix, "_BLOCK", block)
    Z = draw(*shape) * np.linspace(0.1, 3, shape[1]) + 1
    assert rankme_score(Z) == pytest.approx(slow_rankme(Z), rel=1e-6)
    assert effective_rank(Z) == pytest.approx(slow_effective_rank(Z), rel=1e-6)


def test_rankme_is_near_that_of_the_paper_with_its_epsilon():
    Z = draw(50, 12) @ draw(12, 30)  # of rank 12
    p = np.linalg.svd(Z, compute_uv=False)
    p = p / p.sum() + 1e-7
    assert rankme_score(Z) == pytest.approx(math.exp(-np.sum(p * np.log(p))), rel=1e-4)


@pytest.mark.parametrize("score", [rankme_score, effective_rank])
def test_ranks_do_not_depend_on_rotation_size_or_order(score):
    Z = draw(60, 6) * [1, 2, 3, 4, 5, 6]
    expected = pytest.approx(score(Z), rel=1e-9)
    assert score(Z @ rotation(6)) == expected
    assert score(1e200 * Z) == expected
    assert score(1e-200 * Z) == expected
    assert score(Z[::-1, ::-1]) == expected


def test_effective_rank_is_centred_and_rankme_is_not():
    Z = draw(60, 6)
    assert effective_rank(Z + 100) == pytest.approx(effective_rank(Z))
    assert rankme_score(Z + 100) < 2 < rankme_score(Z)


def test_known_ranks():
    assert rankme_score(np.eye(5)) == pytest.approx(5)
    assert rankme_score(np.diag([3.0, 1.0])) == pytest.approx(4 / 27**0.25)
    Z = np.vstack([np.eye(5), -np.eye(5)])
    assert effective_rank(Z) == pytest.approx(5)
    # The variances are as 4 to 1.
    assert effective_rank(Z[:, :2] * [2, 1]) == pytest.approx(5 / 4**0.8)
    # Constant features, whatever they are, add nothing.
    assert effective_rank(np.hstack([Z, np.full((10, 3), 1e6)])) == pytest.approx(5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [0.1, 1e-30, 1e30])
def test_ranks_of_collapsed_features(dtype, value):
    Z = np.full((30, 8), value, dtype=dtype)
    assert rankme_score(Z) == pytest.approx(1)
    assert effective_rank(Z) == 0
    assert rankme_score(0 * Z) == 0
    assert effective_rank(0 * Z) == 0
    line = np.arange(1, 31, dtype=dtype)[:, None] * Z
    assert rankme_score(line) == pytest.approx(1, abs=1e-3)
    assert effective_rank(line) == pytest.approx(1, abs=1e-3)


def test_float32_gives_what_float64_gives():
    Z = draw(200, 20).astype(np.float32)
    assert rankme_score(Z) == pytest.approx(rankme_score(Z.astype(float)), rel=1e-12)
    assert effective_rank(Z) == pytest.approx(effective_rank(Z.astype(float)), rel=1e-12)


def slow_dead_share(Z, tolerance):
    dead = 0
    for feature in Z.T:
        dead += feature.std() <= tolerance * math.sqrt(np.mean(feature**2))
    return dead / Z.shape[1]


@pytest.mark.parametrize("tolerance", [0.0, 1e-4, 0.1, 0.9])
def test_dead_feature_share_against_a_slow_loop(tolerance):
    Z = draw(30, 8) * np.logspace(-6, 1, 8) + 1
    assert dead_feature_share(Z, tolerance=tolerance) == slow_dead_share(Z, tolerance)


def test_known_dead_features():
    Z = draw(30, 4)
    assert dead_feature_share(Z) == 0
    assert dead_feature_share(np.zeros((30, 4))) == 1
    assert dead_feature_share(np.full((30, 4), 0.1), tolerance=0.0) == 1
    Z[:, 0], Z[:, 1] = 0, 7
    assert dead_feature_share(Z) == 0.5
    assert dead_feature_share(Z * [1, 1e3, 1e-9, 1e9]) == 0.5  # each compared with itself
    rare = np.zeros((10000, 1))
    rare[3] = 1e-5
    assert dead_feature_share(rare) == 0


@pytest.mark.parametrize("score", [rankme_score, effective_rank, dead_feature_share])
@pytest.mark.parametrize(
    ("Z", "match"),
    [
        (np.array([[1.0, np.nan], [1.0, 2.0]]), "contains NaN"),
        (np.array([[1.0, np.inf], [1.0, 2.0]]), "contains infinity"),
        (np.ones((1, 3)), "1 sample.*at least 2|at least 2.*1 sample"),
        (np.ones(3), r"features \(n, d\).*1D array"),
        (np.ones((2, 3, 4)), r"features \(n, d\)"),
        (np.ones((3, 0)), "0 feature"),
    ],
)
def test_wrong_features(score, Z, match):
    with pytest.raises(ValueError, match=f"(?s)'Z' argument of {score.__name__}.*{match}"):
        score(Z)


@pytest.mark.parametrize("tolerance", [-0.1, 1.0, "small", None, math.nan])
def test_wrong_tolerance(tolerance):
    with pytest.raises(ValueError, match="'tolerance' argument of dead_feature_share"):
        dead_feature_share(np.ones((3, 2)), tolerance=tolerance)
