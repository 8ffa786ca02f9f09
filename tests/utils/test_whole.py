"""Whole numbers: which values are, and that the public functions agree."""

import numpy as np
import pytest
import torch

from sklssl import PatchDictionaryEmbedder
from sklssl.augmentation import gaussian_blur
from sklssl.callbacks import EarlyStopping
from sklssl.losses import sinkhorn
from sklssl.metrics import knn_score, uniformity_score
from sklssl.preprocessing import ImageResizer
from sklssl.utils._whole import is_whole


@pytest.mark.parametrize("value", [1, 7, np.int8(1), np.uint64(2**63)])
def test_whole(value):
    assert is_whole(value)


@pytest.mark.parametrize("value", [0, -1, 1.0, np.float64(2), True, np.True_, "1", None, [1]])
def test_not_whole(value):
    assert not is_whole(value)


def test_bounds_are_included():
    assert is_whole(0, 0)
    assert is_whole(3, 0, 3)
    assert not is_whole(4, 0, 3)


@pytest.mark.parametrize(
    "call",
    [
        lambda: EarlyStopping(patience=True),
        lambda: ImageResizer(image_size=True).fit(np.zeros((2, 8, 8))),
        lambda: gaussian_blur(torch.zeros(1, 1, 8, 8), torch.ones(1), True),
        lambda: knn_score(np.eye(4), [0, 0, 1, 1], n_neighbors=True),
        lambda: PatchDictionaryEmbedder(True).fit(np.zeros((2, 8, 8))),
        lambda: sinkhorn(torch.eye(2), n_iterations=True),
        lambda: uniformity_score(np.eye(4), max_samples=True),
    ],
)
def test_true_is_no_number(call):
    with pytest.raises((TypeError, ValueError), match="True"):
        call()
