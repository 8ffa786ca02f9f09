"""Features that the tests share."""

import torch

from tests._seed import SEED


def draw(*shape, seed=0, dtype=torch.float64):
    return torch.randn(
        *shape, dtype=dtype, generator=torch.Generator().manual_seed(100 * SEED + seed)
    )


def rotation(d):
    return torch.linalg.qr(draw(d, d, seed=9)).Q
