"""Where and in which arithmetic to compute."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

__all__ = ["autocast", "forked_rng", "resolve_device"]


def resolve_device(device: str | torch.device, *, owner: object) -> torch.device:
    """Find the torch device, and say which class asked for one that is not there."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
        torch.zeros(1, device=resolved).item()  # which "meta" has no values for
    except Exception as error:  # each kind of device fails in a way of its own
        raise ValueError(
            f"The 'device' parameter of {type(owner).__name__} must be 'auto' or a device of "
            f"torch that this machine has, such as 'cpu'. Got {device!r}: {error}"
        ) from error
    return resolved


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager[Any]:
    """Compute in bfloat16 where that is safe, or all in float32."""
    if precision == "auto":
        precision = "bfloat16" if _computes_in_bfloat16(device) else "float32"
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def _computes_in_bfloat16(device: torch.device) -> bool:
    """Tell whether the hardware has instructions for it: emulated it is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    # Private, since the public form is newer than the oldest torch that is supported.
    return device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()


@contextlib.contextmanager
def forked_rng(device: torch.device, seed: int) -> Iterator[None]:
    """Seed torch's global generators for the block and put back what they were."""
    cuda = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if cuda else []):
        torch.default_generator.manual_seed(seed)
        if cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
