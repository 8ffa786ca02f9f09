"""Nearest rows among rows of length 1, block by block, so that memory is bounded."""

from collections.abc import Iterator

import numpy as np

from sklssl._data.matrix import iter_blocks

__all__ = ["chords", "nearest", "row_blocks"]

_BLOCK = 2**24  # values per block: 64 MB in float32, and 128 MB for their indices


def row_blocks(n_rows: int, n_columns: int) -> Iterator[slice]:
    """Yield slices of rows, for blocks of distances to all columns."""
    return iter_blocks(n_rows, n_columns, _BLOCK)


def chords(U: np.ndarray, V: np.ndarray) -> np.ndarray:
    """Return the Euclidean distances between rows of length 1."""
    distances = U @ V.T
    distances *= -2
    distances += 2
    np.maximum(distances, 0, out=distances)  # rounding
    return np.sqrt(distances, out=distances)


def nearest(
    queries: np.ndarray, U: np.ndarray, k: int, *, same: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return cosine distances and indices (n_queries, k) of the nearest rows of `U`, nearest first.

    If the queries are the `same` rows, none is its own neighbour.
    """
    distances = np.empty((len(queries), k), np.float32)
    indices = np.empty((len(queries), k), np.intp)
    for part in row_blocks(len(queries), len(U)):
        block = queries[part] @ U.T
        if same:
            block[np.arange(len(block)), np.arange(part.start, part.stop)] = -np.inf
        np.subtract(1, block, out=block)
        found = np.sort(np.argpartition(block, k - 1, axis=1)[:, :k], axis=1)
        values = np.take_along_axis(block, found, axis=1)
        order = np.argsort(values, axis=1, kind="stable")
        distances[part] = np.maximum(np.take_along_axis(values, order, axis=1), 0)
        indices[part] = np.take_along_axis(found, order, axis=1)
    return distances, indices
