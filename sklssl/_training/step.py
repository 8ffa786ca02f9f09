"""A training step in one process, or in several that share the images of each batch."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from sklssl._runtime.gather import sum_over_ranks
from sklssl._runtime.ranks import Ranks, Share, share_of

__all__ = ["Step"]


class Step:
    """The passes through a task, whose result does not depend on the number of processes.

    Each process computes the loss of its share of a batch. Gradients are those of the mean loss of
    all images, and batch norm uses the statistics of the whole batch.

    Parameters
    ----------
    ranks : Ranks
    """

    def __init__(self, ranks: Ranks) -> None:
        self.ranks = ranks
        self.joint_batch_norm: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
        self.module: nn.Module | None = None

    @contextlib.contextmanager
    def of(self, task: nn.Module, share: Share) -> Iterator[None]:
        """Compute a step of `task` within the block, with this share of the images."""
        if self.module is None:
            self.module = task if self.ranks.size == 1 else self._distribute(task)
        self.weight = share.n_here / share.n_all
        with share_of(share), self.joint_batch_norm:
            yield

    def close(self) -> None:
        """Forget the network, which refers to the connections to other processes."""
        self.module = None

    def forward(self, *made: Any) -> dict[str, Tensor]:
        """Return the terms of the images of this process."""
        assert self.module is not None
        terms: dict[str, Tensor] = self.module(*made)
        return terms

    def backward(self, loss: Tensor) -> None:
        """Compute the gradients of the mean loss of all images."""
        # DistributedDataParallel divides the sum over the processes by their number.
        (loss if self.ranks.size == 1 else loss * (self.weight * self.ranks.size)).backward()

    def means(self, terms: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the mean of each term over the images of all processes, without gradients."""
        if self.ranks.size == 1:
            return {name: term.detach() for name, term in terms.items()}
        own = torch.stack([term.detach().float() for term in terms.values()])
        means = sum_over_ranks(own * self.weight, self.ranks)
        return dict(zip(terms, means.unbind(), strict=True))

    def _distribute(self, task: nn.Module) -> nn.Module:
        # Imported here, as both take a second.
        from torch.nn.parallel import DistributedDataParallel

        from sklssl._runtime.batch_norm import JointBatchNorm

        self.joint_batch_norm = JointBatchNorm(task, self.ranks)
        # All processes compute the same running statistics, and some tasks use only a part of the
        # network.
        options: dict[str, Any] = {"find_unused_parameters": True}
        known = inspect.signature(DistributedDataParallel).parameters
        renamed = "forward_sync_buffers" in known
        options["forward_sync_buffers" if renamed else "broadcast_buffers"] = False
        return DistributedDataParallel(_WithUnusedWeight(task), **options)


class _WithUnusedWeight(nn.Module):
    """A task with a weight that it does not use: torch warns if it looks for one in vain."""

    def __init__(self, task: nn.Module) -> None:
        super().__init__()
        self.task = task
        self.unused = nn.Parameter(next(task.parameters()).new_zeros(1))

    def forward(self, *made: Any) -> dict[str, Tensor]:
        terms: dict[str, Tensor] = self.task(*made)
        return terms
