"""Where the images lie on the map, which are near each other, and which are drawn first."""

import numpy as np
from sklearn.neighbors import NearestNeighbors

__all__ = ["find_neighbors", "scale_positions", "zoom_order"]

_LEVELS = 12  # of zoom: cells of a 4096th of the map


def scale_positions(positions: np.ndarray) -> np.ndarray:
    """Scale positions (n, 2) to 0 to 1000 along the longer side of the map."""
    largest = np.abs(positions).max()
    scaled = positions.astype(np.float64) / (largest if largest > 0 else 1.0)
    scaled -= scaled.min(axis=0)
    span = scaled.max()
    return scaled * (1000 / span if span > 0 else 0.0)


def find_neighbors(space: np.ndarray, n_neighbors: int) -> np.ndarray:
    """Return the nearest other rows of each row of `space` (n, d), nearest first."""
    n_neighbors = min(n_neighbors, len(space) - 1)
    search = NearestNeighbors(n_neighbors=n_neighbors, algorithm="brute").fit(space)
    neighbors: np.ndarray = search.kneighbors(return_distance=False)
    return neighbors


def zoom_order(positions: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """Return the order in which images appear on the map as it is enlarged.

    The map is divided into ever smaller cells. At each level, an image appears in every cell that
    has none yet. Images of a level are in Morton order, so that neighbours are near in the order.

    Parameters
    ----------
    positions : ndarray of shape (n, 2)

    rng : RandomState
        Chooses the image of a cell.

    Returns
    -------
    order : ndarray of shape (n,), int
    """
    codes = _morton_codes(positions)
    rest = rng.permutation(len(codes))
    chosen = rest[:0]
    for level in range(1, _LEVELS + 1):
        candidates = np.concatenate([chosen, rest])
        # The first image of each cell, which is one already chosen if there is any.
        cells = codes[candidates] >> 2 * (_LEVELS - level)
        first = np.unique(cells, return_index=True)[1]
        new = candidates[first[first >= len(chosen)]]
        rest = rest[~np.isin(rest, new)]
        chosen = np.concatenate([chosen, new[np.argsort(codes[new], kind="stable")]])
    return np.concatenate([chosen, rest[np.argsort(codes[rest], kind="stable")]])


def _morton_codes(positions: np.ndarray) -> np.ndarray:
    """Return the cells of `positions` (n, 2) at the finest level, with interleaved bits."""
    low = positions.min(axis=0)
    span = np.ptp(positions, axis=0).max()
    scaled = (positions - low) * (2**_LEVELS / span if span > 0 else 0)
    cells = np.minimum(scaled.astype(np.int64), 2**_LEVELS - 1)
    codes = np.zeros(len(cells), dtype=np.int64)
    for bit in range(_LEVELS):
        for axis in (0, 1):
            codes |= (cells[:, axis] >> bit & 1) << (2 * bit + axis)
    return codes
