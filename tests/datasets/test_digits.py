"""load_digit_images against scikit-learn's digits."""

import numpy as np
from numpy.testing import assert_array_equal
from sklearn.datasets import load_digits

from sklssl.datasets import load_digit_images


def test_values_are_stretched():
    ours, original = load_digit_images(), load_digits()
    assert ours.images.shape == (1797, 8, 8, 1)
    assert ours.images.dtype == np.uint8
    assert_array_equal(np.rint(ours.images[..., 0] / 255 * 16), original.images)
    assert ours.images.min() == 0
    assert ours.images.max() == 255
    assert_array_equal(ours.target, original.target)
    assert_array_equal(ours.target_names, list("0123456789"))
    assert original.DESCR in ours.DESCR


def test_rows_share_the_memory():
    digits = load_digit_images()
    assert digits.data.shape == (1797, 64)
    assert np.shares_memory(digits.data, digits.images)


def test_return_X_y():
    digits = load_digit_images()
    X, y = load_digit_images(return_X_y=True)
    assert_array_equal(X, digits.images)
    assert_array_equal(y, digits.target)
