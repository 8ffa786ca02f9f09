"""Pass images through a network in parts, which saves memory in training."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from sklssl._runtime.ranks import fewest_and_most

__all__ = ["in_parts", "parts_of"]

_parts = threading.local()  # one thread may train while another one transforms


@contextlib.contextmanager
def parts_of(size: int | None) -> Iterator[None]:
    """Let backbones compute at most `size` images at once within the block; None for all.

    If one image would be left over, a part may have one more.
    """
    before, _parts.run = getattr(_parts, "run", None), None
    if size is not None:
        # With torch.compile, only the network is compiled then. Here, as it imports the compiler.
        _parts.run = partial(torch.compiler.disable(_compute_in_parts, recursive=False), size)
    try:
        yield
    finally:
        _parts.run = before


def in_parts(
    network: nn.Module, compute: Callable[[Tensor], dict[str, Tensor]], images: Tensor
) -> dict[str, Tensor]:
    """Return what `compute` returns for the images, computed in parts; see :func:`parts_of`.

    No part keeps its intermediate results for the backward pass, which computes them again, one
    part after the other. So the memory is that of a part, and the gradients are those of the
    whole batch, for any loss.
    """
    run = getattr(_parts, "run", None)
    return compute(images) if run is None else run(network, compute, images)


def _compute_in_parts(
    size: int,
    network: nn.Module,
    compute: Callable[[Tensor], dict[str, Tensor]],
    images: Tensor,
) -> dict[str, Tensor]:
    # The same number in all processes, which wait for one another.
    fewest, most = fewest_and_most(len(images))
    # At least two images each: batch norm fails for one, if the map has a single pixel.
    n_parts = min(math.ceil(most / size), max(fewest // 2, 1))
    if n_parts == 1:
        return compute(images)
    run: Callable[[Tensor], dict[str, Tensor]] = compute
    if torch.is_grad_enabled():
        contexts = partial(_first_and_second_pass, network)
        run = partial(checkpoint, compute, use_reentrant=False, context_fn=contexts)
    outputs = [run(part) for part in images.tensor_split(n_parts)]
    return {name: torch.cat([maps[name] for maps in outputs]) for name in outputs[0]}


def _first_and_second_pass(
    network: nn.Module,
) -> tuple[contextlib.AbstractContextManager[None], contextlib.AbstractContextManager[None]]:
    return contextlib.nullcontext(), _without_new_statistics(network)


@contextlib.contextmanager
def _without_new_statistics(network: nn.Module) -> Iterator[None]:
    """Keep the running statistics of batch norm, which the first pass has already updated."""
    # Not by track_running_stats: autograd has to save the same tensors in both passes.
    before = [
        (norm, norm.momentum, norm.num_batches_tracked, norm.num_batches_tracked.clone())
        for norm in network.modules()
        if isinstance(norm, _BatchNorm) and norm.num_batches_tracked is not None
    ]
    for norm, *_ in before:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum, count, n_batches in before:
            norm.momentum = momentum
            count.copy_(n_batches)
