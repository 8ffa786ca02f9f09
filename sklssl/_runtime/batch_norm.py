"""Batch normalisation over the batch of all processes of a distributed run."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode

from sklssl._runtime.gather import stack_over_ranks, sum_over_ranks
from sklssl._runtime.ranks import Ranks

__all__ = ["JointBatchNorm"]


class JointBatchNorm:
    """A context in which the batch norm of a network uses the images of all processes.

    torch's SyncBatchNorm would replace the modules, also those of subclasses that do more than
    normalise, and needs a GPU.

    Parameters
    ----------
    network : nn.Module
        Its modules are changed within the block only.
    ranks : Ranks
        The processes.
    """

    def __init__(self, network: nn.Module, ranks: Ranks) -> None:
        norms = [m for m in network.modules() if isinstance(m, _BatchNorm)]
        runs = [partial(_with_joint_statistics, ranks, norm.forward) for norm in norms]
        self.changed = [
            (norm, torch.compiler.disable(run)) for norm, run in zip(norms, runs, strict=True)
        ]

    def __enter__(self) -> None:
        for norm, run in self.changed:
            norm.forward = run  # type: ignore[method-assign]

    def __exit__(self, *error: object) -> None:
        for norm, _ in self.changed:
            del norm.forward


def _with_joint_statistics(ranks: Ranks, forward: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    with _Replacement(ranks):
        return forward(x)


class _Replacement(TorchFunctionMode):
    """Replaces ``torch.nn.functional.batch_norm``."""

    def __init__(self, ranks: Ranks) -> None:
        self.ranks = ranks

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func is F.batch_norm:
            return _batch_norm(self.ranks, *args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _batch_norm(
    ranks: Ranks,
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise like the function of torch, whose signature it has, over all processes."""
    if not training:
        return F.batch_norm(input, running_mean, running_var, weight, bias, eps=eps)
    mean, var, n_values = _statistics(input.detach().float(), ranks)
    if running_mean is not None and running_var is not None:
        running_mean.lerp_(mean.to(running_mean), momentum)
        running_var.lerp_((var * n_values / (n_values - 1)).to(running_var), momentum)
    normalised: Tensor = _Normalise.apply(input, mean, var, n_values, eps, ranks)
    _, shape = _axes_and_shape(input)
    if weight is not None:
        normalised = normalised * weight.view(shape).to(normalised)
    return normalised if bias is None else normalised + bias.view(shape).to(normalised)


def _statistics(x: Tensor, ranks: Ranks) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean and variance of each channel over all processes, and the number of values."""
    axes, shape = _axes_and_shape(x)
    mean = x.mean(axes)
    squares = (x - mean.view(shape)).square().sum(axes)
    n_here = mean.new_full((1,), x.numel() // x.shape[1])
    # Deviations from the means of the processes, as means of squares would be less exact.
    means, deviations, counts = stack_over_ranks(torch.cat([mean, squares, n_here]), ranks).split(
        [len(mean), len(mean), 1], dim=1
    )
    n_values = counts.sum()
    joint = (counts * means).sum(0) / n_values
    squares = deviations.sum(0) + (counts * (means - joint).square()).sum(0)
    return joint, squares / n_values, n_values


def _axes_and_shape(x: Tensor) -> tuple[list[int], list[int]]:
    """Return the axes that are averaged, and the shape of a value per channel."""
    return [0, *range(2, x.ndim)], [1, -1] + [1] * (x.ndim - 2)


class _Normalise(torch.autograd.Function):
    """Subtract the mean and divide by the deviation, both of which depend on all images."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, mean: Tensor, var: Tensor, n_values: Tensor, eps: float, ranks: Ranks
    ) -> Tensor:
        ctx.save_for_backward(x, mean, var, n_values)
        ctx.eps, ctx.ranks = eps, ranks
        return F.batch_norm(x, mean, var, eps=eps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, var, n_values = ctx.saved_tensors
        axes, shape = _axes_and_shape(x)
        normalised, whole = F.batch_norm(x, mean, var, eps=ctx.eps).float(), grad.float()
        own = torch.stack([whole.sum(axes), (whole * normalised).sum(axes)])
        means = sum_over_ranks(own, ctx.ranks) / n_values
        change = means[0].view(shape) + normalised * means[1].view(shape)
        deviation = (var + ctx.eps).sqrt().view(shape)
        return ((whole - change) / deviation).to(grad.dtype), None, None, None, None, None
