"""Choose the images to label next, by how well they cover all images."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import pdist
from sklearn.decomposition import PCA
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.utils import check_consistent_length, check_random_state, column_or_1d

from sklssl._data.matrix import ROUNDING, centre_and_size, iter_blocks, unit_rows
from sklssl.curation._blocks import FeaturesLike, check_features
from sklssl.utils._arguments import check_complete
from sklssl.utils._checks import naming_data
from sklssl.utils._markers import check_no_missing, is_unlabelled
from sklssl.utils._whole import is_whole

__all__ = ["select_to_label"]

_NAME = "select_to_label"
_N_COMPONENTS = 64
# Rows that principal components and the coverage are computed from. With fewer, all rows are used.
_N_SAMPLES = 5000
_N_SAMPLES_FOR_WIDTH = 1000
# The squared width of the kernel, as a quantile of the squared distances between images.
_QUANTILE = 0.05
_LAZY_BLOCK = 256


def select_to_label(
    Z: FeaturesLike,
    n: int,
    y: npt.ArrayLike | None = None,
    *,
    random_state: int | np.random.RandomState | None = None,
) -> np.ndarray:
    """Return the rows of the `n` images to label next, the most useful first.

    The chosen images are typical of many others, and differ from each other and from the images
    that have a label. A classifier that is fitted on a handful of them is better than one fitted on
    as many random images.

    Parameters
    ----------
    Z : array-like of shape (n_images, d), or iterable of arrays of shape (b, d)
        Features of all images, those with a label included, as from ``embedder.transform(X)`` or,
        in blocks, from ``embedder.transform_iter(X)``. They need no scaling.

    n : int
        Number of images to choose, at most the number of images without a label.

    y : array-like of shape (n_images,), default=None
        The labels that are known, numbers or strings; -1 (in an array of strings "-1") marks the
        images without one. By default none is known. The choice depends on which images have a
        label, not on the classes.

    random_state : int, RandomState or None, default=None
        Determines the sample of rows that stands for all if there are more than 5,000 images, and
        the start of the solver of the principal components. Use an int for reproducible results.

    Returns
    -------
    rows : ndarray of shape (n,), int
        Row numbers in the order in which to label the images. It is no sample of the images that
        estimates how frequent the classes are, or how accurate a classifier is.

    Raises
    ------
    ValueError
        If `Z` is not two-dimensional or contains NaN or infinity, if `y` does not match `Z` or
        contains NaN or None, or if `n` is less than 1 or more than the number of images without a
        label.

    See Also
    --------
    sklssl.semi_supervised.SemiSupervisedClassifier : Learn from the labels and the other images.
    sklssl.inspection.compare_embedders : Find the embedder whose features need the fewest labels.

    Notes
    -----
    Features are standardised, reduced to 64 principal components and scaled to length 1. An image
    is covered by a chosen or labelled one to the degree ``exp(-distance**2 / width**2)``, where
    ``width**2`` is the 5 % quantile of the squared distances between images. Each step chooses the
    image that raises the mean coverage of all images the most, as in [1]_, where the degree is
    0 or 1, and in [2]_. Duplicates of a chosen image add nothing, so they come last. Memory is
    bounded, since above 5,000 images the mean is taken over a sample of 5,000, or of ``5 * n`` if
    that is more. 100 of 100,000 images with 512 features take about a minute.

    The uncertainty of a classifier is not used. Up to five labels per class, choosing the images of
    the smallest margins was worse than choosing at random, and up to ten, weighting the coverage by
    the margin made no difference that held on all data sets.

    References
    ----------
    .. [1] Yehuda, Dekel, Hacohen, Weinshall. Active Learning Through a Covering Lens. NeurIPS 2022.
    .. [2] Bae, Noh, Sutherland. Generalized Coverage for More Robust Low-Budget Active Learning.
           ECCV 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from sklssl.curation import select_to_label
    >>> Z, classes = load_digits(return_X_y=True)
    >>> rows = select_to_label(Z, 20, random_state=0)
    >>> len(np.unique(classes[rows]))
    10

    With the labels of these, the images to label after them:

    >>> y = np.full(len(Z), -1)
    >>> y[rows] = classes[rows]
    >>> further = select_to_label(Z, 20, y, random_state=0)
    >>> np.intersect1d(rows, further).size
    0
    """
    Z = check_features(_NAME, Z, min_samples=1)
    unlabelled = _check_labels(y, Z)
    n = _check_number(n, int(unlabelled.sum()))
    rng = check_random_state(random_state)
    P = _project(Z, rng)
    references = P[_draw_rows(len(P), max(_N_SAMPLES, 5 * n), rng)]
    gamma = 1 / _find_width(references, rng)
    covered = _cover(references, P[~unlabelled], gamma)
    candidates = np.flatnonzero(unlabelled)
    return candidates[_choose(P[candidates], n, references, covered, gamma)]


def _check_labels(y: Any, Z: np.ndarray) -> np.ndarray:
    """Return a mask of the images without a label."""
    if y is None:
        return np.ones(len(Z), dtype=bool)
    with naming_data(f"The 'y' argument of {_NAME}", "must hold a label or -1 for each row of Z"):
        y = column_or_1d(check_complete(y, "y", _NAME))
        check_consistent_length(Z, y)
    check_no_missing(y, _NAME)
    unlabelled = is_unlabelled(y)
    if not unlabelled.any():
        raise ValueError(
            f"The 'y' argument of {_NAME} must mark the images to choose from by -1, but all "
            f"{len(y)} images have a label."
        )
    return unlabelled


def _check_number(n: Any, n_unlabelled: int) -> int:
    if not is_whole(n, 1, n_unlabelled):
        raise ValueError(
            f"The 'n' argument of {_NAME} must be a whole number from 1 to {n_unlabelled}, the "
            f"number of images without a label. Got {n!r}."
        )
    return int(n)


def _draw_rows(n_rows: int, n_drawn: int, rng: np.random.RandomState) -> np.ndarray:
    """Return all rows, or a sorted sample of them."""
    if n_rows <= n_drawn:
        return np.arange(n_rows)
    return np.sort(rng.choice(n_rows, n_drawn, replace=False))


def _project(Z: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """Return principal components of standardised features, scaled to length 1 (n, 64)."""
    mean, deviation, varying = centre_and_size(Z)
    if not varying.any():
        return np.zeros((len(Z), 1))
    mean, deviation = mean[varying], deviation[varying]
    sample = (Z[_draw_rows(len(Z), _N_SAMPLES, rng)][:, varying] - mean) / deviation
    pca = PCA(min(_N_COMPONENTS, *sample.shape), random_state=rng).set_output(transform="default")
    pca.fit(sample.astype(np.float32))
    blocks = [
        unit_rows(pca.transform((Z[part][:, varying] - mean) / deviation))
        for part in iter_blocks(*Z.shape)
    ]
    return np.concatenate(blocks)


def _find_width(P: np.ndarray, rng: np.random.RandomState) -> float:
    """Return the squared width of the kernel. Where most images are duplicates it is nearly 0."""
    distances = pdist(P[_draw_rows(len(P), _N_SAMPLES_FOR_WIDTH, rng)], "sqeuclidean")
    return max(ROUNDING, float(np.quantile(distances, _QUANTILE))) if len(distances) else 1.0


def _cover(references: np.ndarray, chosen: np.ndarray, gamma: float) -> np.ndarray:
    """Return the degree in [0, 1] to which each reference is covered by its nearest chosen row."""
    covered = np.zeros(len(references))
    for part in iter_blocks(len(chosen), len(references)):
        np.maximum(covered, rbf_kernel(chosen[part], references, gamma).max(axis=0), out=covered)
    return covered


def _gain(P: np.ndarray, references: np.ndarray, covered: np.ndarray, gamma: float) -> np.ndarray:
    """Return the coverage that each row of `P` would add, summed over the references."""
    gains = [
        np.maximum(rbf_kernel(P[part], references, gamma) - covered, 0).sum(axis=1)
        for part in iter_blocks(len(P), len(references))
    ]
    return np.concatenate(gains)


def _choose(
    P: np.ndarray, n: int, references: np.ndarray, covered: np.ndarray, gamma: float
) -> np.ndarray:
    """Return `n` rows of `P`, each of which adds the most coverage to those before it.

    A gain can only fall as the coverage rises, so one that was computed earlier is an upper bound,
    and only the candidates with the highest bounds need to be computed again.
    """
    bounds = _gain(P, references, covered, gamma)
    stale = np.zeros(len(P), dtype=bool)
    chosen = np.empty(n, dtype=np.intp)
    for step in range(n):
        while stale[best := int(bounds.argmax())]:
            rows = _highest(bounds, stale)
            bounds[rows] = _gain(P[rows], references, covered, gamma)
            stale[rows] = False
        chosen[step] = best
        covered = np.maximum(covered, _cover(references, P[[best]], gamma))
        bounds[best] = -np.inf  # chosen once
        stale = np.isfinite(bounds)
    return chosen


def _highest(bounds: np.ndarray, stale: np.ndarray) -> np.ndarray:
    """Return the stale rows with the highest bounds."""
    rows = np.flatnonzero(stale)
    if len(rows) <= _LAZY_BLOCK:
        return rows
    return rows[np.argpartition(-bounds[rows], _LAZY_BLOCK)[:_LAZY_BLOCK]]
