import numpy as np
import pytest

from sklssl import RotNetEmbedder
from sklssl._runtime.ranks import Ranks
from sklssl._training.config import Plan
from sklssl._training.fingerprint import describe_fit
from sklssl._training.same_fit import check_same_fit


class Four(Ranks):
    """Four processes that have the same."""

    def collect(self, value):
        return [value] * 4


def test_batches_need_an_image_for_each_process():
    embedder = RotNetEmbedder(batch_size=4)
    images = np.zeros((10, 8, 8, 1), np.uint8)
    about = describe_fit(embedder, [images], Plan([], embedder))
    message = "RotNetEmbedder: a batch of 3 images cannot be divided among 4 processes"
    with pytest.raises(ValueError, match=message):
        check_same_fit(embedder, [images], about, Four(0, 4))
    check_same_fit(embedder, [images[:8]], about, Four(0, 4))
