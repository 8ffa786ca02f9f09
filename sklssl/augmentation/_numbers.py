"""Random numbers for images, from an explicit generator, on its device.

In a distributed run they do not depend on the number of processes.
"""

import torch
from torch import Tensor

from sklssl._runtime.ranks import current_share, per_image

__all__ = ["draw_half", "draw_integers", "draw_uniform"]


def draw_uniform(shape: tuple[int, ...], low: float, high: float, rng: torch.Generator) -> Tensor:
    """Draw uniform numbers from [low, high); the first axis is that of the images."""

    def draw(n: int) -> Tensor:
        return torch.rand((n, *shape[1:]), generator=rng, device=rng.device)

    return low + (high - low) * per_image(draw, shape[0])


def draw_integers(shape: tuple[int, ...], low: int, high: int, rng: torch.Generator) -> Tensor:
    """Draw integers from low to high - 1; the first axis is that of the images."""

    def draw(n: int) -> Tensor:
        return torch.randint(low, high, (n, *shape[1:]), generator=rng, device=rng.device)

    return per_image(draw, shape[0])


def draw_half(n_images: int, rng: torch.Generator) -> Tensor:
    """Draw the indices of half of the images, rounded up."""
    n_all = n_images

    def draw(n: int) -> Tensor:
        nonlocal n_all
        n_all = n
        return torch.randperm(n, generator=rng, device=rng.device)

    places = per_image(draw, n_images)
    if current_share() is None:
        return places.argsort()[: (n_images + 1) // 2]  # unlike a mask, no GPU waits for it
    return (places < (n_all + 1) // 2).nonzero().squeeze(1)
