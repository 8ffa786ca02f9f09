"""What the tests of methods with random views share."""

import numpy as np
import torch

from tests._seed import SEED

QUICK = {"backbone": "convnet", "max_epochs": 1, "batch_size": 16, "random_state": SEED}


def draw(pretext, n_images=6, side=8):
    """Views and targets of random images, as a training step would draw them."""
    rng = torch.Generator().manual_seed(SEED)
    images = torch.rand(n_images, 1, side, side, generator=rng)
    return pretext.views(images, rng, torch.arange(n_images))


def unit(z):
    z = np.asarray(z, dtype=float)
    return z / np.linalg.norm(z, axis=-1, keepdims=True)


def weights(module):
    return [p.detach().clone() for p in module.parameters()]
