"""Pass images through a network in parts, which saves memory in training."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from sklssl._runtime.generators import drawing_from, rng_states
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
        run = partial(
            checkpoint,
            compute,
            use_reentrant=False,
            preserve_rng_state=False,  # which would disturb other threads
            context_fn=lambda: _Passes(network, images.device).contexts(),
        )
    outputs = [run(part) for part in images.tensor_split(n_parts)]
    return {name: torch.cat([maps[name] for maps in outputs]) for name in outputs[0]}


class _Passes:
    """The two passes of a part through a network; the second repeats the first and leaves no trace.

    It starts from the same buffers and draws the same random numbers.
    """

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        self.device, self.states, self.draws = device, rng_states(device), False
        self.buffers = {
            part: {
                name: None if old is None else old.clone() for name, old in part._buffers.items()
            }
            for part in network.modules()
        }

    def contexts(
        self,
    ) -> tuple[contextlib.AbstractContextManager[None], contextlib.AbstractContextManager[None]]:
        """Return the context of each pass."""
        return self._first(), self._second()

    @contextlib.contextmanager
    def _first(self) -> Iterator[None]:
        yield
        now = rng_states(self.device)
        self.draws = not all(torch.equal(now[name], state) for name, state in self.states.items())

    @contextlib.contextmanager
    def _second(self) -> Iterator[None]:
        # Only networks that draw wait for those of other threads.
        draws = drawing_from(self.states, self.device) if self.draws else contextlib.nullcontext()
        # Not by copying values back: autograd may have saved these tensors.
        self._exchange_buffers()
        try:
            with draws:
                yield
        finally:
            self._exchange_buffers()

    def _exchange_buffers(self) -> None:
        for part, others in self.buffers.items():
            self.buffers[part], part._buffers = part._buffers, others
