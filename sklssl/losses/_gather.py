"""Gather features of all processes in distributed training, with gradients."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["gather_images"]


class _Gather(torch.autograd.Function):
    """Stack the tensors of all ranks; the gradient of a rank sums over the losses of all ranks."""

    @staticmethod
    def forward(ctx: Any, features: Tensor) -> Tensor:
        pieces = [torch.empty_like(features) for _ in range(dist.get_world_size())]
        dist.all_gather(pieces, features)
        return torch.stack(pieces)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        total = grad.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total[dist.get_rank()]


def gather_images(features: Tensor, function: str) -> tuple[Tensor, int]:
    """Concatenate the features of all ranks along the images.

    Parameters
    ----------
    features : tensor of shape (v, b, d)
        v vectors for each of the b images of this rank.

    function : str
        The name of the caller; used in error messages.

    Returns
    -------
    everywhere : tensor of shape (v, n, d)
        The vectors of the n images of all ranks, in order; `features` in a single process.

    offset : int
        The index of the first image of this rank.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return features, 0
    _check_equal_shapes(features, function)
    stacked = _Gather.apply(features.contiguous())
    return stacked.transpose(0, 1).flatten(1, 2), dist.get_rank() * features.shape[1]


def _check_equal_shapes(features: Tensor, function: str) -> None:
    """Raise an error if shapes differ between ranks: gathering would hang or corrupt memory."""
    shape = torch.tensor(features.shape, device=features.device)
    pieces = [torch.empty_like(shape) for _ in range(dist.get_world_size())]
    dist.all_gather(pieces, shape)
    shapes = torch.stack(pieces).tolist()
    if any(other != shapes[0] for other in shapes):
        sizes = [(images, width) for _, images, width in shapes]
        raise ValueError(
            f"{function}: every process must pass the same shape (b, d), got {sizes}, rank by "
            "rank; drop the last incomplete batch."
        )
