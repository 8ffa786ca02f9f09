"""The images with the most similar features."""

import importlib
from numbers import Integral
from types import ModuleType

import numpy as np

from sklssl._data.matrix import iter_blocks
from sklssl.curation._blocks import FeaturesLike, check_features
from sklssl.curation._search import nearest
from sklssl.curation._spaces import METRICS
from sklssl.utils._sklearn_compat import Interval, StrOptions, validate_params

__all__ = ["kneighbors"]

_NAME = "kneighbors"


@validate_params(
    {
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "metric": [StrOptions(set(METRICS))],
        "algorithm": [StrOptions({"brute", "pynndescent"})],
    }
)
def kneighbors(
    Z: FeaturesLike,
    n_neighbors: int = 5,
    *,
    queries: FeaturesLike | None = None,
    metric: str = "whitened",
    algorithm: str = "brute",
) -> tuple[np.ndarray, np.ndarray]:
    """Return the images with the most similar features, and their distances.

    Parameters
    ----------
    Z : array-like of shape (n, d), or iterable of arrays of shape (b, d)
        Features of the images to search: an array, which may be memory-mapped, or blocks of rows
        as from ``embedder.transform_iter(X)``, which are written to a temporary file.

    n_neighbors : int, default=5
        Number of neighbours of each image.

    queries : array-like of shape (m, d), or iterable of arrays of shape (b, d), default=None
        Features of other images, of which the neighbours among `Z` are returned. None returns the
        neighbours of the images in `Z`, none of which is its own neighbour.

    metric : {"whitened", "standardized"}, default="whitened"
        How features are converted before their cosine is computed. "standardized" subtracts the
        mean of `Z` and divides by the standard deviation, as ``knn_score`` does; constant features
        are ignored. "whitened" also removes the correlations between features, of which there may
        be at most 16,384, as ``find_near_duplicates`` does. It is much better at finding copies.

    algorithm : {"brute", "pynndescent"}, default="brute"
        "brute" compares all pairs, block by block, and is exact. "pynndescent" is approximate, and
        faster for a hundred thousand images or more, but compiles for a minute or two before its
        first search in each process. It requires the package pynndescent.

    Returns
    -------
    distances : ndarray of shape (n or m, n_neighbors), float32
        1 - cosine, from 0 to 2, in ascending order.

    indices : ndarray of shape (n or m, n_neighbors), int
        The rows of the neighbours in `Z`.

    Raises
    ------
    ImportError
        If pynndescent is asked for but not installed.
    ValueError
        If features are not finite, or differ in width, or there are not enough images.

    See Also
    --------
    find_near_duplicates : Groups of copies of an image.
    sklssl.metrics.knn_score : Accuracy of the votes of nearest neighbours.

    Notes
    -----
    In addition to `Z`, the converted features are kept, in a temporary file if they exceed 512 MB.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklssl.curation import kneighbors
    >>> Z, y = load_digits(return_X_y=True)
    >>> distances, indices = kneighbors(Z, 3)
    >>> bool((y[indices] == y[:, None]).mean() > 0.9)
    True
    """
    package = _import_pynndescent() if algorithm == "pynndescent" else None
    Z = check_features(_NAME, Z, min_samples=1)
    other = None if queries is None else check_features(_NAME, queries, "queries", min_samples=1)
    _check_sizes(Z, n_neighbors, other)
    space = METRICS[metric](_NAME, Z)
    U = space.convert(Z)
    asked = U if other is None else space.convert(other)
    if package is None:
        return nearest(asked, U, int(n_neighbors), same=other is None)
    return _descend(package, asked, U, int(n_neighbors), same=other is None)


def _import_pynndescent() -> ModuleType:
    try:
        return importlib.import_module("pynndescent")
    except ImportError as error:
        raise ImportError(
            f"{_NAME} with algorithm='pynndescent' needs pynndescent, which cannot be imported "
            f"({error}). Install it with: pip install pynndescent, or use algorithm='brute'."
        ) from error


def _check_sizes(Z: np.ndarray, n_neighbors: int, queries: np.ndarray | None) -> None:
    if queries is not None and queries.shape[1] != Z.shape[1]:
        raise ValueError(
            f"The 'queries' argument of {_NAME} must have as many features as Z: {Z.shape[1]}. "
            f"Got {queries.shape[1]}. Compute both with the same fitted embedder."
        )
    most = len(Z) - (queries is None)
    if n_neighbors > most:
        others = "other images" if queries is None else "images"
        raise ValueError(
            f"The 'n_neighbors' argument of {_NAME} must be at most the number of {others} in Z: "
            f"{most}. Got {n_neighbors}."
        )


def _descend(
    package: ModuleType, queries: np.ndarray, U: np.ndarray, k: int, *, same: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return approximate neighbours, with the distances that an exact search would return."""
    n_found = min(k + same, len(U))
    n_linked = min(max(n_found, 15), len(U))
    index = package.NNDescent(U, metric="euclidean", n_neighbors=n_linked, random_state=0)
    found, _ = index.neighbor_graph if same else index.query(queries, k=n_found)
    found = found[:, : k + same]
    if same:
        is_self = found == np.arange(len(U))[:, None]
        is_self[~is_self.any(axis=1), -1] = True  # crowded out by copies of itself
        found = found[~is_self].reshape(len(U), k)
    distances = np.empty(found.shape, np.float32)
    for part in iter_blocks(len(queries), k * U.shape[1]):
        cosines = np.einsum("nd,nkd->nk", queries[part], U[found[part]])
        distances[part] = np.maximum(1 - cosines, 0)
    order = np.argsort(distances, axis=1, kind="stable")
    found = np.take_along_axis(found.astype(np.intp), order, axis=1)
    return np.take_along_axis(distances, order, axis=1), found
