"""Features of all processes of a distributed training, with their gradients."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["gather_images"]


class _Gather(torch.autograd.Function):
    """Stack the tensors of all ranks; each rank's gradient is the sum over the losses of all."""

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
    """Join the features of all ranks along their images.

    Parameters
    ----------
    features : tensor of shape (v, b, d)
        v vectors for each of this rank's b images.

    function : str
        Whose name errors carry.

    Returns
    -------
    everywhere : tensor of shape (v, n, d)
        Those of the n images of all ranks, rank after rank; `features` in a lone process.

    offset : int
        Where this rank's images begin.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return features, 0
    _check_equal_shapes(features, function)
    stacked = _Gather.apply(features.contiguous())
    return stacked.transpose(0, 1).flatten(1, 2), dist.get_rank() * features.shape[1]


def _check_equal_shapes(features: Tensor, function: str) -> None:
    """Refuse ranks that differ in the shape: gathered, they would hang or mix up memory."""
    shape = torch.tensor(features.shape, device=features.device)
    pieces = [torch.empty_like(shape) for _ in range(dist.get_world_size())]
    dist.all_gather(pieces, shape)
    shapes = torch.stack(pieces).tolist()
    if any(other != shapes[0] for other in shapes):
        sizes = [(images, width) for _, images, width in shapes]
        raise ValueError(
            f"{function}: every process must bring the same shape (b, d), got {sizes}, rank by "
            "rank; drop the last incomplete batch."
        )
