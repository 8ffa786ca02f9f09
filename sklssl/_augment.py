"""Random views: batched, each image with numbers of its own, from an explicit generator."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["draw_shifts", "shift"]


def draw_shifts(n_images: int, size: tuple[int, int], share: float, rng: torch.Generator) -> Tensor:
    """Draw whole-pixel shifts of at most `share` of the height and the width.

    Returns
    -------
    shifts : tensor of shape (n_images, 2)
        Pixels down and to the right; on the device of `rng`.
    """
    drawn = [
        torch.randint(-limit, limit + 1, (n_images,), generator=rng, device=rng.device)
        for limit in (int(share * side) for side in size)
    ]
    return torch.stack(drawn, dim=1)


def shift(images: Tensor, shifts: Tensor) -> Tensor:
    """Shift each image (b, C, H, W) by its own (b, 2) whole pixels; the edge is repeated."""
    height, width = images.shape[2:]
    down, right = shifts[:, :1], shifts[:, 1:]
    rows = (torch.arange(height, device=images.device) - down).clamp(0, height - 1)
    columns = (torch.arange(width, device=images.device) - right).clamp(0, width - 1)
    batch = torch.arange(len(images), device=images.device)
    # Indexed with the channels last, as they lie in memory.
    pixels = images.permute(0, 2, 3, 1)
    shifted = pixels[batch[:, None, None], rows[:, :, None], columns[:, None, :]]
    return shifted.permute(0, 3, 1, 2)
