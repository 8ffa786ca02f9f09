"""Rows that are there twice."""

import numpy as np
from numpy.testing import assert_array_equal

from sklssl._data.duplicates import merge_duplicates


def test_repeats_are_merged_and_weights_added():
    images = np.array([[1, 2], [3, 4], [1, 2], [1, 2], [5, 6]], dtype=np.uint8)
    y = np.array([0, 0, 0, 1, 1])
    rows, weights = merge_duplicates(images, y, np.array([1.0, 2.0, 3.0, 4.0, 0.0]))
    found = dict(zip(rows.tolist(), weights, strict=True))
    assert found == {0: 4.0, 1: 2.0, 3: 4.0}


def test_the_order_of_the_rows_does_not_matter():
    rng = np.random.default_rng(0)
    images, y, weights = rng.random((20, 3, 3)), rng.integers(0, 2, 20), rng.random(20)
    order = rng.permutation(20)
    rows, total = merge_duplicates(images, y, weights)
    again, total_again = merge_duplicates(images[order], y[order], weights[order])
    assert_array_equal(order[again], rows)
    assert_array_equal(total_again, total)
    assert len(rows) == 20
