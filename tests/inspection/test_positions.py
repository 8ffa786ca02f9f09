import numpy as np
import pytest

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
