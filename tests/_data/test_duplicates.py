"""Rows that are there twice."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from sklssl._data.columns import unwrap_images
from sklssl._data.duplicates import comparable_rows, merge_duplicates


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


def test_pictures_with_other_colours_or_shapes_are_no_duplicates():
    indices = np.zeros((8, 16), np.uint8)
    pictures = []
    for i in range(4):
        picture = Image.fromarray(indices).convert("P")
        picture.putpalette([60 * i] * 768)
        pictures.append(picture)
    pictures += [Image.fromarray(indices), Image.fromarray(indices.T.copy()), pictures[0].copy()]
    rows, weights = merge_duplicates(pictures, np.zeros(7), np.ones(7))
    assert sorted(rows) == [0, 1, 2, 3, 4, 5]
    assert weights[rows.tolist().index(0)] == 2


@pytest.mark.parametrize("column", [False, True])
def test_pictures_in_a_table_are_told_apart_by_position(column):
    pictures = [Image.fromarray(np.full((8, 8), i // 2, np.uint8)) for i in range(8)]
    table = pd.Series(pictures, index=[5, 103, 0, 2, 7, 101, 1, 4])
    given = unwrap_images(table.to_frame() if column else table, stack=False)
    rows, _ = merge_duplicates(comparable_rows(given, "me"), np.zeros(8), np.ones(8))
    assert sorted(rows) == [0, 2, 4, 6]


def test_a_moved_folder_is_the_same_data():
    names = [f"{label}/{i}.png" for label in "ab" for i in range(10)]
    y = np.repeat([0, 1], 10)
    orders = [
        merge_duplicates(np.array([f"{place}/{name}" for name in names]), y, np.ones(20))[0]
        for place in ("/one", "/two/three", "relative")
    ]
    assert_array_equal(orders[0], orders[1])
    assert_array_equal(orders[0], orders[2])
