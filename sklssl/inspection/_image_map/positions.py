"""Where the images lie on the map, which are near each other, and which are drawn first."""

from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors

from sklssl.metrics._checks import ROUNDING, centre_and_size

__all__ = ["find_neighbors", "reduce_features", "scale_positions", "to_positions", "zoom_order"]

_MAX_COMPONENTS = 50  # as in the paper on t-SNE; more take longer and add noise
_PERPLEXITY = 30
_LEVELS = 12  # of zoom: cells of a 4096th of the map


def reduce_features(Z: np.ndarray, *, random_state: Any) -> np.ndarray:
    """Return standardised features (n, d) as at most 50 principal components.

    Constant features are dropped. If all are, one column of zeros remains.
    """
    mean, deviation, largest = centre_and_size(Z)
    varying = deviation > ROUNDING * largest
    if not varying.any():
        return np.zeros((len(Z), 1))
    units = (Z[:, varying] - mean[varying]) / deviation[varying]
    n_components = min(_MAX_COMPONENTS, *units.shape)
    return PCA(n_components, random_state=random_state).fit_transform(units)


def to_positions(reduced: np.ndarray, reducer: Any, *, owner: str, random_state: Any) -> np.ndarray:
    """Return positions (n, 2) by `reducer`, or by t-SNE if it is None."""
    if reducer is None:
        return _tsne(reduced, random_state)
    try:
        positions = np.asarray(reducer.fit_transform(reduced), dtype=np.float64)
    except Exception as error:
        error.add_note(f"Raised in {owner} by its argument 'reducer': {reducer!r}.")
        raise
    if positions.shape != (len(reduced), 2) or not np.isfinite(positions).all():
        raise ValueError(
            f"The 'reducer' argument of {owner} must return finite positions of shape "
            f"({len(reduced)}, 2) from fit_transform, as with n_components=2. Got an array of "
            f"shape {positions.shape}."
        )
    return positions


def _tsne(reduced: np.ndarray, random_state: Any) -> np.ndarray:
    """Run t-SNE from the first two components, as scikit-learn does, but for equal rows too."""
    start = np.zeros((len(reduced), 2), dtype=np.float32)
    start[:, : reduced.shape[1]] = reduced[:, :2]
    spread = start[:, 0].std()
    start *= 1e-4 / spread if spread > 0 else 0
    perplexity = min(_PERPLEXITY, (len(reduced) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, init=start, random_state=random_state)
    return tsne.fit_transform(reduced).astype(np.float64)


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
