"""Settings of the memory allocator, and errors when memory runs out."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import sys
from collections.abc import Iterator

import torch

from sklssl._runtime.locks import ForkSafeLock
from sklssl.utils._checks import is_out_of_memory

__all__ = ["memory_errors", "retain_freed_memory"]

# Parameters of mallopt, with the variables that set them when a process starts, and the values
# glibc reaches by itself after large blocks are freed.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_USUAL = {
    _TRIM_THRESHOLD: ("MALLOC_TRIM_THRESHOLD_", 2**26),
    _MMAP_THRESHOLD: ("MALLOC_MMAP_THRESHOLD_", 2**25),
    _MMAP_MAX: ("MALLOC_MMAP_MAX_", 2**16),
}
_KEEP = {_TRIM_THRESHOLD: -1, _MMAP_MAX: 0}

_lock = ForkSafeLock()
_depth = 0


@contextlib.contextmanager
def retain_freed_memory(device: torch.device) -> Iterator[None]:
    """Keep freed memory for the next step within the block, if training on the CPU.

    By default glibc returns large blocks to the system when they are freed, and requests them again
    page by page, filled with zeros. This takes up to a third of the time of a step. After the
    block, the default, or what MALLOC_ variables say, is restored and free memory is returned.
    (dask sets such a variable in its workers.) Nothing happens if the user has set the allocator by
    GLIBC_TUNABLES, or the C library is not glibc.
    """
    libc = _glibc() if device.type == "cpu" else None
    if libc is None:
        yield
        return
    _enter(libc, 1)
    try:
        yield
    finally:
        _enter(libc, -1)


def _enter(libc: ctypes.CDLL, change: int) -> None:
    """Count the active blocks of all threads; the first one sets, the last one resets."""
    global _depth
    with _lock.hold():
        _depth += change
        if _depth == max(change, 0):
            for option, value in (_KEEP if change > 0 else _usual()).items():
                libc.mallopt(option, value)
            if change < 0:
                libc.malloc_trim(0)


def _usual() -> dict[int, int]:
    """Return the values of parameters outside all blocks."""
    values = {}
    for option, (variable, default) in _USUAL.items():
        given = os.environ.get(variable, "")
        values[option] = int(given) if given.isdecimal() else default
    return values


@contextlib.contextmanager
def memory_errors(message: str) -> Iterator[None]:
    """Raise a MemoryError with this message if the CPU or the device runs out of memory."""
    try:
        yield
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise MemoryError(message) from error


@functools.cache
def _glibc() -> ctypes.CDLL | None:
    """Return the C library if it is glibc and the user has not set its allocator."""
    chosen = "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", "")
    if chosen or not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    known = all(hasattr(libc, name) for name in ("gnu_get_libc_version", "mallopt", "malloc_trim"))
    return libc if known else None
