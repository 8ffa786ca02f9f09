import numpy as np
from numpy.testing import assert_array_equal

from sklssl.inspection._image_map.positions import zoom_order
from tests._seed import SEED


def test_every_level_of_the_order_spreads_over_the_map():
    positions = np.random.default_rng(SEED).uniform(size=(3000, 2))
    order = zoom_order(positions, np.random.RandomState(SEED))
    assert_array_equal(np.sort(order), np.arange(3000))
    start = 0
    for cells in (2, 4, 8):
        first = positions[order[: cells**2]]
        occupied = {tuple(cell) for cell in np.minimum(first * cells, cells - 1).astype(int)}
        assert len(occupied) >= 0.9 * cells**2, cells
        start = cells**2
    rest = positions[order[start * 16 :]]  # close to each other in the order and on the map
    steps = np.linalg.norm(np.diff(rest, axis=0), axis=1)
    assert np.median(steps) < 0.1


def test_equal_positions():
    order = zoom_order(np.zeros((9, 2)), np.random.RandomState(SEED))
    assert_array_equal(np.sort(order), np.arange(9))
