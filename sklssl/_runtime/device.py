"""Device and precision of computations."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from sklssl._runtime.generators import RNG_LOCK, rng_states, set_rng_states
from sklssl._runtime.locks import ForkSafeLock
from sklssl._runtime.parts import parts_of

__all__ = [
    "current_device",
    "forked_rng",
    "network_autocast",
    "network_dtype",
    "network_precision",
    "plain_torch",
    "resolve_device",
    "seeded",
    "whole_maps",
]


def resolve_device(device: str | torch.device, *, owner: object) -> torch.device:
    """Return the torch device; raise an error naming the class if it is not available."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        resolved = _of_this_process(torch.device(device))
        torch.zeros(1, device=resolved).item()  # fails for "meta"
    except Exception as error:  # each kind of device raises different errors
        raise ValueError(
            f"The 'device' parameter of {type(owner).__name__} must be 'auto' or a torch device "
            f"that is available on this machine, such as 'cpu'. Got {device!r}: {error}"
        ) from error
    return resolved


def _of_this_process(device: torch.device) -> torch.device:
    """Return the GPU of this process if a launcher started one process for each of them."""
    if device.type != "cuda" or device.index is not None or "LOCAL_RANK" not in os.environ:
        return device
    return torch.device("cuda", int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())


def current_device(device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Make a GPU the current one within the block, or the first one would be used, too."""
    return torch.cuda.device(device) if device.type == "cuda" else contextlib.nullcontext()


@contextlib.contextmanager
def plain_torch() -> Iterator[None]:
    """Use torch's default settings within the block, regardless of the settings of the program.

    New tensors are float32 and on the CPU, gradients are recorded, and autocast is off.
    """
    _survive_forks()
    with contextlib.ExitStack() as stack:
        stack.enter_context(_networks_compute_in(None))
        stack.enter_context(parts_of(None))  # a callback may transform in the middle of training
        stack.enter_context(_float32_by_default())
        # Tensors created in inference mode cannot be trained.
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        yield


@functools.cache
def _survive_forks() -> None:
    """Make processes that are forked from now on compute with one thread.

    The threads of this process do not exist in a forked process, but the threading library would
    wait for them.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_compute_alone)


def _compute_alone() -> None:
    if torch.get_num_threads() > 1:
        torch.set_num_threads(1)


# torch has one default dtype for all threads: the first block sets it, the last restores it.
_dtype_lock = ForkSafeLock()
_dtypes: list[torch.dtype] = []  # one per block, beginning with the original one


@contextlib.contextmanager
def _float32_by_default() -> Iterator[None]:
    with _dtype_lock.hold():
        _dtypes.append(torch.get_default_dtype())
        torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        with _dtype_lock.hold():
            last = _dtypes.pop()
            if not _dtypes:
                torch.set_default_dtype(last)


_networks = threading.local()  # the precision is set per thread


def network_precision(
    device: torch.device, precision: str
) -> contextlib.AbstractContextManager[None]:
    """Set whether backbones compute in bfloat16 or float32 within the block.

    Heads and losses compute in float32 in either case.
    """
    if precision == "auto":
        precision = "bfloat16" if _computes_in_bfloat16(device) else "float32"
    return _networks_compute_in(torch.bfloat16 if precision == "bfloat16" else None)


@contextlib.contextmanager
def _networks_compute_in(dtype: torch.dtype | None) -> Iterator[None]:
    before = network_dtype()
    _networks.dtype = dtype
    try:
        yield
    finally:
        _networks.dtype = before


def network_dtype() -> torch.dtype | None:
    """Return the dtype of the computations of backbones; None for that of their weights."""
    return getattr(_networks, "dtype", None)


def network_autocast(device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Return the autocast context of a backbone; see :func:`network_precision`."""
    dtype = network_dtype()
    if dtype is None:
        return contextlib.nullcontext()
    # All threads share its cache: if one clears it, gradients of another are summed otherwise.
    return torch.autocast(device.type, dtype, cache_enabled=False)


def whole_maps(maps: Tensor) -> Tensor:
    """Return feature maps in float32, if the block lowers the precision of networks."""
    return maps if network_dtype() is None else maps.float()


def _computes_in_bfloat16(device: torch.device) -> bool:
    """Return whether the hardware supports bfloat16: emulated, it is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    # Private: the public function is missing in the oldest supported torch.
    return device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()


_forks: list[dict[str, Tensor]] = []


@contextlib.contextmanager
def forked_rng(device: torch.device, seed: int) -> Iterator[None]:
    """Seed torch's global generators for the block and restore their state afterwards.

    Blocks of several threads may overlap; the state before the first one is restored. The device is
    the current one within the block.
    """
    with RNG_LOCK.hold():
        before = rng_states(device)
        _forks.append(before)
        _seed(device, seed)
    try:
        with current_device(device):
            yield
    finally:
        with RNG_LOCK.hold():
            place = next(i for i, fork in enumerate(_forks) if fork is before)
            if before is _forks[-1]:
                set_rng_states(before)
            else:
                _forks[place + 1].update(before)
            del _forks[place]


@contextlib.contextmanager
def seeded(device: torch.device, seed: int) -> Iterator[None]:
    """Seed the generators for a block without interference of threads, in :func:`forked_rng`."""
    with RNG_LOCK.hold():
        _seed(device, seed)
        yield


def _seed(device: torch.device, seed: int) -> None:
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
