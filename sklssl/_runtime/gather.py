"""Exchange tensors between the processes of a distributed run."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from sklssl._runtime.ranks import Ranks, current_ranks

__all__ = ["gather_rows", "stack_over_ranks", "sum_over_ranks"]


def gather_rows(rows: Tensor, function: str) -> tuple[Tensor, int]:
    """Concatenate the rows (b, ...) of all processes, whose numbers may differ.

    Parameters
    ----------
    rows : tensor of shape (b, ...)
    function : str
        The name of the caller; used in error messages.

    Returns
    -------
    everywhere : tensor of shape (n, ...)
        The rows in the order of the ranks. The gradient of the rows of a process sums over what
        all processes compute from them.
    offset : int
        The index of the first row of this process.
    """
    ranks = current_ranks()
    if ranks.size == 1:
        return rows, 0
    counts = _count_rows(rows, ranks, function)
    missing = max(counts) - len(rows)
    padded = F.pad(rows, (0, 0) * (rows.ndim - 1) + (0, missing)) if missing else rows
    stacked = _Gather.apply(padded.contiguous(), ranks)
    everywhere = torch.cat([piece[:n] for piece, n in zip(stacked, counts, strict=True)])
    return everywhere, sum(counts[: ranks.rank])


def _count_rows(rows: Tensor, ranks: Ranks, function: str) -> list[int]:
    """Return the number of rows of each process.

    Raises
    ------
    ValueError
        If their other dimensions differ, with which an exchange would hang or corrupt memory.
    """
    shapes = stack_over_ranks(torch.tensor(rows.shape, device=rows.device), ranks).tolist()
    if any(shape[1:] != shapes[0][1:] for shape in shapes):
        raise ValueError(
            f"{function}: every process must pass the same number of features, got tensors of "
            f"shapes {[tuple(shape) for shape in shapes]}, rank by rank."
        )
    return [shape[0] for shape in shapes]


def sum_over_ranks(values: Tensor, ranks: Ranks) -> Tensor:
    """Return the sum of tensors of one shape over all processes, without a gradient."""
    if ranks.size > 1:
        values = values.detach().clone(memory_format=torch.contiguous_format)
        dist.all_reduce(values)
    return values


def stack_over_ranks(tensor: Tensor, ranks: Ranks) -> Tensor:
    """Stack tensors of one shape of all processes, without a gradient."""
    pieces = [torch.empty_like(tensor) for _ in range(ranks.size)]
    dist.all_gather(pieces, tensor)
    return torch.stack(pieces)


class _Gather(torch.autograd.Function):
    """Stack the tensors of all processes; a gradient sums over the losses of all processes."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, ranks: Ranks) -> Tensor:
        ctx.ranks = ranks
        return stack_over_ranks(tensor, ranks)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return sum_over_ranks(grad, ctx.ranks)[ctx.ranks.rank], None
