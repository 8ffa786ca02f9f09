"""Random numbers from an explicit generator, on its device."""

import torch
from torch import Tensor

__all__ = ["draw_uniform"]


def draw_uniform(shape: tuple[int, ...], low: float, high: float, rng: torch.Generator) -> Tensor:
    """Draw uniform numbers from [low, high)."""
    return low + (high - low) * torch.rand(shape, generator=rng, device=rng.device)
