"""PseudoGrayscaler against cv2 and by hand."""

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklssl.preprocessing import PseudoGrayscaler
from tests.preprocessing._common import make_images


def test_against_cv2():
    X = make_images(dtype=np.float32)
    for old, new in zip(X, PseudoGrayscaler().fit_transform(X), strict=True):
        expected = cv2.cvtColor(np.ascontiguousarray(old), cv2.COLOR_RGB2GRAY)
        for channel in range(3):
            assert_allclose(new[..., channel], expected, atol=1e-6)


def test_uint8_is_rounded():
    X = make_images(n=50)
    exact = X @ np.array([0.299, 0.587, 0.114])
    result = PseudoGrayscaler().fit_transform(X)
    assert np.abs(result - exact[..., np.newaxis]).max() <= 0.5 + 1e-9
    assert_array_equal(PseudoGrayscaler().fit_transform(result), result)


@pytest.mark.parametrize("channels", [2, 4, 5])
def test_other_channels_are_averaged(channels):
    X = make_images(shape=(6, 6, channels), dtype=np.float64)
    result = PseudoGrayscaler().fit_transform(X)
    assert_allclose(result, np.broadcast_to(X.mean(axis=-1, keepdims=True), X.shape))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_grey_images_stay(dtype):
    X = make_images(shape=(6, 6, 1), dtype=dtype)
    assert_array_equal(PseudoGrayscaler().fit_transform(X), X)
