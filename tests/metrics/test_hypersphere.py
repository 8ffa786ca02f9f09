import math

import numpy as np
import pytest

from sklssl.metrics import _hypersphere, alignment_score, uniformity_score

from ._data import draw, rotation


def unit(z):
    return z / math.sqrt(sum(z**2))


def slow_alignment(Z1, Z2):
    return -sum(sum((unit(a) - unit(b)) ** 2) for a, b in zip(Z1, Z2, strict=True)) / len(Z1)


def slow_uniformity(Z):
    pairs = [(i, j) for i in range(len(Z)) for j in range(i)]
    total = sum(math.exp(-2 * sum((unit(Z[i]) - unit(Z[j])) ** 2)) for i, j in pairs)
    return -math.log(total / len(pairs))


@pytest.mark.parametrize("rows", [512, 4, 1])
@pytest.mark.parametrize("n", [2, 11])
def test_scores_against_slow_loops(rows, n, monkeypatch):
    monkeypatch.setattr(_hypersphere, "_ROWS_AT_ONCE", rows)
    Z1, Z2 = draw(n, 3), draw(n, 3, seed=1)
    assert alignment_score(Z1, Z2) == pytest.approx(slow_alignment(Z1, Z2))
    assert uniformity_score(Z1) == pytest.approx(slow_uniformity(Z1))


def test_scores_do_not_depend_on_rotation_length_or_order():
    Z1, Z2, Q = draw(20, 5), draw(20, 5, seed=1), rotation(5)
    lengths = np.logspace(-100, 100, 20)[:, None]
    for expected, changed in [
        (alignment_score(Z1, Z2), alignment_score(Z1 @ Q, lengths * Z2 @ Q)),
        (alignment_score(Z1, Z2), alignment_score(Z2[::-1], Z1[::-1])),
        (uniformity_score(Z1), uniformity_score((lengths * Z1 @ Q)[::-1])),
    ]:
        assert changed == pytest.approx(expected)


def test_known_values():
    Z = draw(20, 5)
    assert alignment_score(Z, 3 * Z) == pytest.approx(0, abs=1e-12)
    assert alignment_score(Z, -Z) == pytest.approx(-4)
    assert uniformity_score(np.eye(6)) == pytest.approx(4)
    assert uniformity_score(np.array([[1.0], [-1.0]])) == pytest.approx(8)
    # Collapsed: perfect alignment, no uniformity.
    ones = np.full((20, 5), 0.1)
    assert alignment_score(ones, ones) == 0
    assert uniformity_score(ones) == pytest.approx(0, abs=1e-12)
    assert uniformity_score(draw(500, 200)) == pytest.approx(4, abs=0.1)


def test_alignment_and_uniformity_grow_with_what_they_measure():
    Z = draw(100, 8)
    noise = draw(100, 8, seed=1)
    assert alignment_score(Z, Z + 0.1 * noise) > alignment_score(Z, Z + noise)
    assert uniformity_score(Z) > uniformity_score(Z + 1) > uniformity_score(Z + 10) >= 0


def test_rows_of_zeros_have_no_direction():
    Z = np.array([[0.0, 0.0], [1.0, 0.0]])
    assert alignment_score(Z, Z) == 0
    assert alignment_score(Z, np.ones((2, 2))) < 0
    assert uniformity_score(Z) == pytest.approx(2)
    assert uniformity_score(np.zeros((4, 3))) == 0


def test_many_images_are_drawn_from():
    Z = draw(300, 4)
    everything = uniformity_score(Z, max_samples=None)
    assert uniformity_score(Z) == everything
    some = uniformity_score(Z, max_samples=100)
    assert some == uniformity_score(Z, max_samples=100) != everything
    assert some == pytest.approx(everything, abs=0.1)


BAD = [
    (np.array([[1.0, np.nan], [1.0, 2.0]]), "contains NaN"),
    (np.ones(3), r"features \(n, d\).*1D array"),
    (np.ones((0, 3)), "0 sample"),
]


@pytest.mark.parametrize(("Z", "match"), [*BAD, (np.ones((1, 3)), "at least 2")])
def test_wrong_features_of_uniformity(Z, match):
    with pytest.raises(ValueError, match=f"(?s)'Z' argument of uniformity_score.*{match}"):
        uniformity_score(Z)


@pytest.mark.parametrize(("Z", "match"), BAD)
def test_wrong_features_of_alignment(Z, match):
    with pytest.raises(ValueError, match=f"(?s)'Z1' argument of alignment_score.*{match}"):
        alignment_score(Z, np.ones((2, 3)))
    with pytest.raises(ValueError, match=f"(?s)'Z2' argument of alignment_score.*{match}"):
        alignment_score(np.ones((2, 3)), Z)


def test_different_shapes():
    with pytest.raises(ValueError, match=r"'Z1' and 'Z2'.*Got \(3, 2\) and \(4, 2\)"):
        alignment_score(np.ones((3, 2)), np.ones((4, 2)))


@pytest.mark.parametrize("max_samples", [1, 2.5, "all"])
def test_wrong_max_samples(max_samples):
    with pytest.raises(ValueError, match="'max_samples' argument of uniformity_score"):
        uniformity_score(np.eye(3), max_samples=max_samples)
