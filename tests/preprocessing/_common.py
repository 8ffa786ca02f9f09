"""The transformers and images that the tests of this folder share."""

import numpy as np

from sklssl.preprocessing import HarrisCornerMasker, ImageResizer, PseudoGrayscaler
from tests._seed import SEED

TRANSFORMERS = [
    HarrisCornerMasker(),
    HarrisCornerMasker(fraction=0.5, random_state=SEED),
    PseudoGrayscaler(),
    ImageResizer(16),
    ImageResizer((5, 20)),
]


def make_images(n=6, shape=(12, 9, 3), dtype=np.uint8, seed=0):
    """Draw coarse random images: blocks of 3x3 pixels of one colour, which have corners."""
    height, width, channels = shape
    blocks = (n, -(-height // 3), -(-width // 3), channels)
    images = np.random.default_rng([SEED, seed]).integers(0, 256, blocks).repeat(3, 1).repeat(3, 2)
    images = images[:, :height, :width]
    return images.astype(dtype) if dtype == np.uint8 else (images / 255).astype(dtype)
