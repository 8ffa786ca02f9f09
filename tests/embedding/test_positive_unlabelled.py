"""Positive-unlabelled weights: images that look upright from every side count less."""

import numpy as np
from numpy.testing import assert_array_equal

from sklssl.embedding._positive_unlabelled import estimate_pu_weights
from tests._seed import SEED


def make_features(n_clear, n_ambiguous, seed=0):
    """Rotations of clear images lie apart; those of ambiguous ones all look upright."""
    rng = np.random.default_rng([SEED, seed])
    clear = rng.normal(size=(n_clear, 4, 5)) + 4 * np.eye(4, 5)
    ambiguous = rng.normal(size=(n_ambiguous, 4, 5)) + 4 * np.eye(4, 5)[0]
    return np.concatenate([clear, ambiguous]).astype(np.float32)


def test_upright_images_count_fully_and_ambiguous_rotations_less():
    weights = estimate_pu_weights(make_features(300, 40))
    assert weights.shape == (4, 340)
    assert weights.dtype == np.float32
    assert_array_equal(weights[0], 1)
    assert weights.min() >= 0
    assert weights.max() <= 1
    assert np.median(weights[1:, :300]) > 0.9
    assert np.median(weights[1:, 300:]) < 0.4


def test_without_any_hint_all_rotations_count_alike():
    same = np.repeat(np.random.default_rng(SEED).normal(size=(100, 1, 3)), 4, axis=1)
    weights = estimate_pu_weights(same)[1:]
    assert weights.max() - weights.min() < 0.05


def test_images_it_did_not_learn_from_are_weighted_too(monkeypatch):
    features = make_features(300, 40)
    monkeypatch.setattr("sklssl.embedding._positive_unlabelled._MAX_IMAGES", 320)
    weights = estimate_pu_weights(features)
    assert weights.shape == (4, 340)
    assert np.median(weights[1:, 320:]) < 0.5


def test_it_learns_from_all_parts_of_sorted_images(monkeypatch):
    """The ambiguous images are the last ones, as in a folder that is sorted by class."""
    monkeypatch.setattr("sklssl.embedding._positive_unlabelled._MAX_IMAGES", 100)
    weights = estimate_pu_weights(make_features(300, 40))
    assert np.median(weights[1:, 300:]) < 0.4
