"""Memory-mapped arrays."""

import mmap
from typing import Any

import numpy as np

__all__ = ["check_length", "find_memmap", "release"]


def find_memmap(array: Any) -> Any:
    """Return the memory-mapped array that `array` is a view of, or None."""
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap) and isinstance(array.base, mmap.mmap):
            return array
        array = array.base
    return None


def check_length(array: object, who: str) -> None:
    """Raise an error if the file of a memory-mapped array is too short: reading it would crash.

    Raises
    ------
    ValueError
        If the file is shorter than the array.
    """
    memmap = find_memmap(array)
    if memmap is None:
        return
    there, needed = memmap.base.size(), memmap.offset + memmap.nbytes
    if there < needed:
        raise ValueError(
            f"{who}: X is memory-mapped from {memmap.filename}, which should have {needed} bytes "
            f"but has only {there}. Write the file again."
        )


def release(array: object) -> None:
    """Release the memory of pages read from a file; they can be read again.

    The system would release it only under memory pressure. Until then it counts as used.
    """
    memmap = find_memmap(array)
    # Not for mode "c", whose changes exist only in memory.
    if memmap is not None and memmap.mode != "c" and hasattr(mmap, "MADV_DONTNEED"):
        memmap.base.madvise(mmap.MADV_DONTNEED)
