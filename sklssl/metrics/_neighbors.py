"""Accuracy of nearest neighbours in feature space."""

from numbers import Real

import numpy as np
import numpy.typing as npt
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_consistent_length, column_or_1d

from sklssl._data.matrix import check_feature_matrix, standardise, unit_rows
from sklssl.metrics._scorers import make_scorer
from sklssl.utils._arguments import check_complete
from sklssl.utils._classes import check_classes
from sklssl.utils._markers import warn_if_marker_is_class
from sklssl.utils._whole import is_whole

__all__ = ["knn_score", "knn_scorer"]


def knn_score(
    Z: npt.ArrayLike, y: npt.ArrayLike, n_neighbors: int = 20, *, temperature: float = 0.07
) -> float:
    """Compute the leave-one-out accuracy of weighted nearest neighbours.

    Each image is classified by a vote of its nearest neighbours among the other images, so nothing
    is fitted or held out. Neighbours are found by the cosine similarity of standardised features;
    the vote of a neighbour has the weight ``exp(cosine / temperature)``, as in the paper.

    Parameters
    ----------
    Z : array-like of shape (n, d)
        Features of at least two images.

    y : array-like of shape (n,)
        Labels, numbers or strings.

    n_neighbors : int, default=20
        Number of neighbours, less than n. Use fewer if classes have few images.

    temperature : float, default=0.07
        A lower temperature gives more weight to the nearest neighbours.

    Returns
    -------
    accuracy : float
        In [0, 1], higher is better. Ties, as for constant features, are resolved in favour of the
        class that comes first in sorted order.

    Raises
    ------
    ValueError
        If `Z` is not two-dimensional, has fewer than two rows, or contains NaN or infinity, if `y`
        does not match `Z`, or a parameter is out of range.

    Notes
    -----
    Constant features are ignored. Without standardisation a few features with large values would
    determine the neighbours.

    References
    ----------
    Wu, Xiong, Yu, Lin. Unsupervised Feature Learning via Non-Parametric Instance Discrimination.
    CVPR 2018.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklssl.metrics import knn_score
    >>> Z, y = load_digits(return_X_y=True)
    >>> knn_score(Z, y) > 0.95
    True
    """
    Z = check_feature_matrix("knn_score", Z)
    classes, codes = _encode_classes(Z, y)
    _check_numbers(n_neighbors, temperature, len(Z))
    units = unit_rows(standardise(Z))
    # For unit vectors, nearest means highest cosine, and Euclidean distances are faster.
    search = NearestNeighbors(n_neighbors=n_neighbors, algorithm="brute").fit(units)
    distances, neighbours = search.kneighbors()  # without an argument, no row is its own neighbour
    # The cosine is 1 - distance ** 2 / 2. Relative to the nearest, so that not all weights are 0.
    weights = np.exp((distances[:, :1] ** 2 - distances**2) / (2 * temperature))
    votes = np.zeros((len(Z), len(classes)))
    np.add.at(votes, (np.arange(len(Z))[:, None], codes[neighbours]), weights)
    return float(np.mean(votes.argmax(axis=1) == codes))


def _encode_classes(Z: np.ndarray, y: npt.ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return the classes of `y`, and `y` as indices into them."""
    if y is None:
        raise ValueError(
            "The 'y' argument of knn_score must hold a label for each row of Z. Got None; "
            "rankme_score needs no labels."
        )
    try:
        y = column_or_1d(check_complete(y, "y", "knn_score"))
        check_consistent_length(Z, y)
        classes, codes = np.unique(check_classes(y), return_inverse=True)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "The 'y' argument of knn_score must hold the class of each row of Z, as an array of "
            f"shape ({len(Z)},). {error}"
        ) from error
    warn_if_marker_is_class(classes, "knn_score")
    return classes, codes


def _check_numbers(n_neighbors: object, temperature: object, n: int) -> None:
    if not is_whole(n_neighbors, 1, n - 1):
        raise ValueError(
            "The 'n_neighbors' argument of knn_score must be a whole number from 1 to n - 1, the "
            f"number of other images. Got {n_neighbors!r} for {n} images."
        )
    finite = isinstance(temperature, Real) and 0 < temperature < np.inf  # type: ignore[operator]
    if not finite:
        raise ValueError(
            "The 'temperature' argument of knn_score must be a finite number above 0. Got "
            f"{temperature!r}."
        )


knn_scorer = make_scorer(
    "knn_scorer",
    knn_score,
    labelled=True,
    summary="leave-one-out accuracy of the 20 nearest neighbours",
    holds="> 0.5",
)
