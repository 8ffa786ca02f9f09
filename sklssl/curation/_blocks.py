"""Features as one array that need not be in memory, whatever they come as."""

import os
import tempfile
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from sklssl._data.matrix import check_feature_matrix
from sklssl.utils._arguments import check_complete

__all__ = ["FeaturesLike", "check_features", "make_workspace"]

FeaturesLike = npt.ArrayLike | Iterable[npt.ArrayLike]

# Larger arrays than this are kept in a temporary file, of which only the pages in use are loaded.
_LARGE = 2**29


def check_features(
    function: str, Z: FeaturesLike, name: str = "Z", *, min_samples: int = 2
) -> np.ndarray:
    """Return features (n, d) as float32 or float64; raise an error if they are not valid.

    Blocks of rows, as from ``transform_iter``, are written to a temporary file, because they are
    needed more than once. Its space is freed with the array.
    """
    given: Any = _stack(function, Z, name) if _are_blocks(Z) else Z
    return check_feature_matrix(function, given, name, min_samples=min_samples)


def make_workspace(shape: tuple[int, int], dtype: npt.DTypeLike = np.float32) -> np.ndarray:
    """Return an array to be filled, in a temporary file if it is large."""
    size = np.dtype(dtype).itemsize * shape[0] * shape[1]
    if size <= _LARGE:
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile() as file:
        _allocate(file.fileno(), size)
        return np.memmap(file, dtype, "r+", shape=shape)


def _allocate(file: int, size: int) -> None:
    """Reserve the space of a file: if it is missing later, writing to a map kills the process."""
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file, 0, size)
        else:
            os.truncate(file, size)
    except OSError as error:
        raise OSError(
            error.errno,
            f"{error.strerror}: a temporary file of {size / 1e9:.1f} GB is needed. Set TMPDIR to "
            "a folder with so much space, or use fewer features (a smaller pool_size)",
            tempfile.gettempdir(),
        ) from error


def _are_blocks(Z: Any) -> bool:
    """Return whether `Z` consists of blocks of rows, instead of being an array or its rows."""
    if hasattr(Z, "__array__") or hasattr(Z, "tocsr") or not isinstance(Z, Iterable):
        return False
    if isinstance(Z, (list, tuple)):
        return len(Z) > 0 and np.ndim(Z[0]) == 2
    return not isinstance(Z, (str, bytes, dict))


def _stack(function: str, blocks: Any, name: str) -> np.ndarray:
    """Write blocks to a temporary file, and return the rows as one array."""
    dtype: type[np.floating] = np.float32
    n = width = 0
    with tempfile.TemporaryFile() as file:
        for number, block in enumerate(blocks):
            rows = np.asarray(check_complete(block, f"block {number} of {name}", function))
            _check_block(function, name, number, rows, width)
            if number == 0:
                width = rows.shape[1]
                dtype = np.float32 if rows.dtype == np.float32 else np.float64
            file.write(np.ascontiguousarray(rows, dtype).data)
            n += len(rows)
        if n == 0:
            raise ValueError(
                f"The '{name}' argument of {function} holds no features: the iterable of blocks is "
                "empty. An iterator can be used only once: call transform_iter again."
            )
        file.flush()
        return np.memmap(file, dtype, "r", shape=(n, width))


def _check_block(function: str, name: str, number: int, rows: np.ndarray, width: int) -> None:
    if rows.ndim == 2 and rows.dtype.kind in "fiub" and rows.shape[1] == (width or rows.shape[1]):
        return
    expected = f"(b, {width}), as the blocks before it," if width else "(b, d), of numbers,"
    raise ValueError(
        f"The '{name}' argument of {function} must hold features (n, d), or yield blocks of its "
        f"rows such as those from embedder.transform_iter(X). Block {number} must have the shape "
        f"{expected} but has the shape {rows.shape} and dtype {rows.dtype}."
    )
