"""Alignment and uniformity of features on the unit sphere, both defined so that higher is better.

Wang, Isola. Understanding Contrastive Representation Learning through Alignment and Uniformity on
the Hypersphere. ICML 2020.
"""

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_random_state

from sklssl._data.matrix import check_feature_matrix, unit_rows
from sklssl.metrics._scorers import embed_views, make_scorer
from sklssl.utils._whole import is_whole

__all__ = ["alignment_score", "alignment_scorer", "uniformity_score", "uniformity_scorer"]

_ROWS_AT_ONCE = 512
_VIEW_NOTES = """
    Notes
    -----
    Two views of each image are drawn by :class:`sklssl.augmentation.RandomViews` with its
    defaults, from a fixed seed: the same views for every estimator. They get the layout, dtype and
    range of `X`.
    For views of your own, such as unmirrored ones of writing, call :func:`alignment_score` on their
    features. Rows fold into images as the embedder, or the first step of the pipeline that takes
    images, has learned; a step before it must keep their layout. Features that are all the same
    align perfectly: read another score beside.
"""


def alignment_score(Z1: npt.ArrayLike, Z2: npt.ArrayLike) -> float:
    """Compute the alignment: how close the features of two views of an image are.

    The score is the negative mean squared distance between the rows of `Z1` and `Z2`, each scaled
    to length 1: the negative loss of the paper with an exponent of 2.

    Parameters
    ----------
    Z1, Z2 : array-like of shape (n, d)
        Features of two views of each image, in the same order.

    Returns
    -------
    score : float
        In [-4, 0], higher is better: 0 if the two views of every image have the same features.

    Raises
    ------
    ValueError
        If an array is not two-dimensional, is empty, or contains NaN or infinity, or shapes differ.

    See Also
    --------
    uniformity_score : Use both together: constant features have perfect alignment.

    Notes
    -----
    Rows of zeros have no direction and are left unchanged.

    References
    ----------
    Wang, Isola. Understanding Contrastive Representation Learning through Alignment and Uniformity
    on the Hypersphere. ICML 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from sklssl.metrics import alignment_score
    >>> Z = np.eye(3)
    >>> alignment_score(Z, 2 * Z), alignment_score(Z, -Z)
    (0.0, -4.0)
    """
    Z1 = check_feature_matrix("alignment_score", Z1, "Z1", min_samples=1)
    Z2 = check_feature_matrix("alignment_score", Z2, "Z2", min_samples=1)
    if Z1.shape != Z2.shape:
        raise ValueError(
            "The 'Z1' and 'Z2' arguments of alignment_score must have the same shape (n, d), one "
            f"row per image. Got {Z1.shape} and {Z2.shape}."
        )
    total = 0.0
    for start in range(0, len(Z1), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        total += float(np.sum((unit_rows(Z1[rows]) - unit_rows(Z2[rows])) ** 2))
    return 0.0 - total / len(Z1)


def uniformity_score(Z: npt.ArrayLike, *, max_samples: int | None = 5000) -> float:
    """Compute the uniformity: how evenly the features are distributed on the unit sphere.

    With u the rows of `Z`, each scaled to length 1, the score is the negative logarithm of the mean
    of ``exp(-2 * |u_i - u_j| ** 2)`` over all pairs of different images: the negative loss of the
    paper with t = 2.

    Parameters
    ----------
    Z : array-like of shape (n, d)
        Features of at least two images.

    max_samples : int or None, default=5000
        If there are more images, this many are drawn with a fixed seed, since the time grows with
        their square. None uses all images.

    Returns
    -------
    score : float
        In [0, 8], higher is better: 0 if all images have the same direction, about 4 if directions
        are uniform in many dimensions. Non-negative features, as after a ReLU, cannot exceed 4.

    Raises
    ------
    ValueError
        If `Z` is not two-dimensional, has fewer than two rows, or contains NaN or infinity, or
        `max_samples` is below 2.

    See Also
    --------
    alignment_score : Use both together: random features have perfect uniformity.

    Notes
    -----
    Rows of zeros have no direction and are left unchanged. Besides the features in float64, memory
    is needed for 512 rows of distances.

    References
    ----------
    Wang, Isola. Understanding Contrastive Representation Learning through Alignment and Uniformity
    on the Hypersphere. ICML 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from sklssl.metrics import uniformity_score
    >>> round(uniformity_score(np.eye(4)), 3), round(uniformity_score(np.ones((4, 4))), 3)
    (4.0, 0.0)
    """
    features = check_feature_matrix("uniformity_score", Z)
    if max_samples is not None and not is_whole(max_samples, 2):
        raise ValueError(
            "The 'max_samples' argument of uniformity_score must be a whole number of at least 2, "
            f"or None for all images. Got {max_samples!r}."
        )
    if max_samples is not None and len(features) > max_samples:
        chosen = check_random_state(0).permutation(len(features))[:max_samples]
        features = features[chosen]
    units = unit_rows(features)
    n = len(units)
    total = sum(_potential(units, start) for start in range(0, n, _ROWS_AT_ONCE))
    # Distances are at most 2, so the mean is at least exp(-8), and at most 1 except for rounding.
    return max(0.0, float(-np.log(total / (n * (n - 1) / 2))))


def _potential(units: np.ndarray, start: int) -> float:
    """Sum the potential over all pairs of a row of the block at `start` and a later row."""
    block, later = units[start : start + _ROWS_AT_ONCE], units[start:]
    squares = np.sum(later**2, axis=1)  # 1, or 0 for rows of zeros
    distances = squares[: len(block), None] + squares - 2 * block @ later.T
    potential = np.exp(-2 * np.maximum(distances, 0.0))
    return float(np.triu(potential, k=1).sum())


alignment_scorer = make_scorer(
    "alignment_scorer",
    alignment_score,
    embed=embed_views,
    summary="how near the features of two random views of an image are",
    notes=_VIEW_NOTES,
    holds="<= 0",
)
uniformity_scorer = make_scorer(
    "uniformity_scorer",
    uniformity_score,
    summary="how evenly the directions of the features are spread",
    holds="> 0",
)
