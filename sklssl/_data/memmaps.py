"""Arrays that lie in files."""

import mmap

import numpy as np

__all__ = ["check_length", "find_memmap", "release"]


def find_memmap(array):
    """Give the memory-mapped array of which `array` shows a part; None if there is none."""
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap) and isinstance(array.base, mmap.mmap):
            return array
        array = array.base
    return None


def check_length(array, who):
    """Refuse a memory-mapped array whose file has become shorter than it: reading would crash.

    Raises
    ------
    ValueError
        If the file ends before the array does.
    """
    memmap = find_memmap(array)
    if memmap is None:
        return
    there, needed = memmap.base.size(), memmap.offset + memmap.nbytes
    if there < needed:
        raise ValueError(
            f"{who}: X is memory-mapped from {memmap.filename}, which should have {needed} bytes "
            f"but has {there}. Write the file again."
        )


def release(array):
    """Give back the memory of pages that were read from a file; they can be read again.

    The system would do so when memory gets short. Until then they count as this process' own.
    """
    memmap = find_memmap(array)
    # Not of mode "c", whose changes lie in that memory alone.
    if memmap is not None and memmap.mode != "c" and hasattr(mmap, "MADV_DONTNEED"):
        memmap.base.madvise(mmap.MADV_DONTNEED)
