import numpy as np
import pytest
from sklearn import config_context

from sklssl.curation import select_to_label
from sklssl.inspection._image_map.positions import find_neighbors
from sklssl.inspection._positions import reduce_features, to_positions
from tests._seed import SEED


def test_tsne_keeps_neighbours_together(digits):
    X, y = digits[0][:400], digits[1][:400]
    reduced = reduce_features(X.reshape(400, -1).astype(float), SEED)
    assert reduced.shape == (400, 50)
    positions = to_positions(reduced, None, SEED, "f")
    near = find_neighbors(positions, 5)
    assert np.mean(y[near] == y[:, None]) > 0.8


@pytest.mark.parametrize("n_images", [1, 2, 5])
@pytest.mark.parametrize("same", [True, False])
def test_few_images_and_equal_images(n_images, same):
    Z = np.ones((n_images, 3)) if same else np.random.default_rng(0).normal(size=(n_images, 3))
    positions = to_positions(reduce_features(Z, SEED), None, SEED, "f")
    assert positions.shape == (n_images, 2)
    assert np.isfinite(positions).all()


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_containers_set_for_all_transformers(container):
    pytest.importorskip(container)
    Z = np.random.default_rng(0).normal(size=(40, 6))
    expected = reduce_features(Z, 0), to_positions(Z, None, 0, "it"), select_to_label(Z, 4)
    with config_context(transform_output=container):
        found = reduce_features(Z, 0), to_positions(Z, None, 0, "it"), select_to_label(Z, 4)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)
