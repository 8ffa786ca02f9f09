"""torch's global generators: one per device, for all threads."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor

from sklssl._runtime.locks import ForkSafeLock

__all__ = ["RNG_LOCK", "drawing_from", "rng_states", "set_rng_states"]

RNG_LOCK = ForkSafeLock()  # held while the states must be those of one thread


def rng_states(device: torch.device) -> dict[str, Tensor]:
    """Return the states of the generators of the CPU and of the device, by device."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states[str(device)] = torch.cuda.get_rng_state(device)
    return states


def set_rng_states(states: dict[str, Tensor]) -> None:
    """Set the states returned by :func:`rng_states`."""
    for name, state in states.items():
        if name == "cpu":
            torch.set_rng_state(state)
        else:
            torch.cuda.set_rng_state(state, name)


@contextlib.contextmanager
def drawing_from(states: dict[str, Tensor], device: torch.device) -> Iterator[None]:
    """Draw from these states within the block, without interference of threads."""
    with RNG_LOCK.hold():
        before = rng_states(device)
        set_rng_states(states)
        try:
            yield
        finally:
            set_rng_states(before)
