"""Memory that is kept from step to step, and memory that is not there."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import sys
import threading
from collections.abc import Iterator

import torch

from sklssl.utils._checks import is_out_of_memory

__all__ = ["memory_errors", "retain_freed_memory"]

# Numbers of mallopt's parameters, and what glibc arrives at by itself once large blocks are freed.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_USUAL = {_TRIM_THRESHOLD: 2**26, _MMAP_THRESHOLD: 2**25, _MMAP_MAX: 2**16}
_KEEP = {_TRIM_THRESHOLD: -1, _MMAP_MAX: 0}


_lock = threading.Lock()
_depth = 0


@contextlib.contextmanager
def retain_freed_memory(device: torch.device) -> Iterator[None]:
    """Keep what is freed for the next step within the block, where the processor computes.

    By default glibc gives large blocks back to the system when they are freed, and gets them again,
    page by page and filled with zeros: up to a third of the time of a step. After the block it
    does so again, and what is free by then is given back. Where the user has set how to allocate
    (by MALLOC_ variables), or the C library is another one, nothing happens.
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
    """Count the blocks that are under way, in any thread: the first one sets, the last resets."""
    global _depth
    with _lock:
        _depth += change
        if _depth == max(change, 0):
            for option, value in (_KEEP if change > 0 else _USUAL).items():
                libc.mallopt(option, value)
            if change < 0:
                libc.malloc_trim(0)


@contextlib.contextmanager
def memory_errors(message: str) -> Iterator[None]:
    """Raise a MemoryError with this message where the memory of a device or torch's runs out."""
    try:
        yield
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise MemoryError(message) from error


@functools.cache
def _glibc() -> ctypes.CDLL | None:
    """Give the C library, if it is one whose allocation can be and is to be set."""
    chosen = any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ)
    if chosen or not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    known = all(hasattr(libc, name) for name in ("gnu_get_libc_version", "mallopt", "malloc_trim"))
    return libc if known else None
