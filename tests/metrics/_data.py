"""Features that the tests share."""

import numpy as np

from tests._seed import SEED


def draw(*shape, seed=0):
    return np.random.default_rng([SEED, seed]).normal(size=shape)


def rotation(d):
    return np.linalg.qr(draw(d, d, seed=9))[0]
