"""Features that the tests share."""

import numpy as np


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def rotation(d):
    return np.linalg.qr(draw(d, d, seed=9))[0]
