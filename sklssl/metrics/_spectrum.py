"""Scores of the spread of features: effective dimensions, and features that do not vary."""

from numbers import Real

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigvalsh

from sklssl._data.matrix import centre_and_size, check_feature_matrix, iter_blocks
from sklssl.metrics._scorers import make_scorer

__all__ = [
    "dead_feature_scorer",
    "dead_feature_share",
    "effective_rank",
    "effective_rank_scorer",
    "rankme_score",
    "rankme_scorer",
]


def rankme_score(Z: npt.ArrayLike) -> float:
    """Compute RankMe, the exponential of the entropy of the singular values of the features.

    With p the singular values of `Z` divided by their sum, the score is ``exp(-sum(p * log(p)))``.
    It ranges from 1, if all features lie along one direction, to min(n, d), if all directions are
    equally strong. As in the paper, the features are not centred: their mean counts as a direction,
    usually the strongest.

    Parameters
    ----------
    Z : array-like of shape (n, d)
        Features of at least two images. The score increases with n until n is several times d:
        compare scores only for equal n.

    Returns
    -------
    score : float
        In [1, min(n, d)], higher is better; 0 if all features are 0.

    Raises
    ------
    ValueError
        If `Z` is not two-dimensional, has fewer than two rows, or contains NaN or infinity.

    See Also
    --------
    effective_rank : The same for the covariance: centred, and strong directions count more.

    Notes
    -----
    The paper adds 1e-7 to each p; here, singular values that are numerically 0, below about 1e-6 of
    the largest, are omitted. Singular values are computed from the smaller Gram matrix, in float64,
    which needs memory for min(n, d) ** 2 values.

    References
    ----------
    Garrido, Balestriero, Najman, LeCun. RankMe: Assessing the Downstream Performance of Pretrained
    Self-Supervised Representations by Their Rank. ICML 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from sklssl.metrics import rankme_score
    >>> round(rankme_score(np.eye(4)), 3)
    4.0
    >>> round(rankme_score(np.ones((4, 4))), 3)
    1.0
    """
    Z = check_feature_matrix("rankme_score", Z)
    return _exp_entropy(np.sqrt(_squared_singular_values(Z, 0.0, _largest(Z))))


def effective_rank(Z: npt.ArrayLike) -> float:
    """Compute the effective rank of the covariance of the features.

    With p the variances along the principal axes divided by their sum, the score is
    ``exp(-sum(p * log(p)))``. It ranges from 1, if all images lie on one line, to min(n - 1, d), if
    the variance is the same along all axes.

    Parameters
    ----------
    Z : array-like of shape (n, d)
        Features of at least two images. Compare scores only for equal n.

    Returns
    -------
    rank : float
        In [1, min(n - 1, d)]; 0 if all images have the same features, up to the rounding of
        float32.

    Raises
    ------
    ValueError
        If `Z` is not two-dimensional, has fewer than two rows, or contains NaN or infinity.

    See Also
    --------
    rankme_score : Not centred, and based on the singular values instead of their squares.

    Notes
    -----
    The paper defines the effective rank of any matrix by its singular values. For the covariance,
    these are the variances: the squares, divided by n, of the singular values of the centred
    features. Therefore weak directions count less than in :func:`rankme_score`, and the mean of the
    features does not count.

    References
    ----------
    Roy, Vetterli. The Effective Rank: A Measure of Effective Dimensionality. EUSIPCO 2007.

    Examples
    --------
    >>> import numpy as np
    >>> from sklssl.metrics import effective_rank
    >>> Z = np.vstack([np.eye(3), -np.eye(3)])
    >>> round(effective_rank(Z), 3), round(effective_rank(Z + 100), 3)
    (3.0, 3.0)
    >>> effective_rank(np.ones((6, 3)))
    0.0
    """
    Z = check_feature_matrix("effective_rank", Z)
    mean, deviation, varying = centre_and_size(Z)
    if not varying.any():
        return 0.0
    Z, mean = Z[:, varying], mean[varying]
    return _exp_entropy(_squared_singular_values(Z, mean, deviation.max()))


def dead_feature_share(Z: npt.ArrayLike, *, tolerance: float = 1e-4) -> float:
    """Compute the share of features that are (almost) constant over all images.

    A feature is dead if its standard deviation is at most `tolerance` times its root mean square,
    for example if it is 0 for every image. Features are not compared with each other: a feature
    with small values that vary is not dead.

    Parameters
    ----------
    Z : array-like of shape (n, d)
        Features of at least two images.

    tolerance : float, default=1e-4
        In [0, 1). Relative variation up to which a feature counts as constant. Embedders use the
        default when they warn about a collapse.

    Returns
    -------
    share : float
        In [0, 1], lower is better: 0 if every feature varies, 1 if none does.

    Raises
    ------
    ValueError
        If `Z` is not two-dimensional, has fewer than two rows, or contains NaN or infinity, or
        `tolerance` is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from sklssl.metrics import dead_feature_share
    >>> dead_feature_share(np.array([[0.0, 5.0, 1.0, 3.0], [0.0, 5.0, 2.0, 4.0]]))
    0.5
    """
    Z = check_feature_matrix("dead_feature_share", Z)
    if not isinstance(tolerance, Real) or not 0 <= tolerance < 1:
        raise ValueError(
            "The 'tolerance' argument of dead_feature_share must be a number in [0, 1). Got "
            f"{tolerance!r}."
        )
    mean, deviation, _ = centre_and_size(Z)
    return float(np.mean(deviation <= tolerance * np.hypot(deviation, mean)))


def _largest(Z: np.ndarray) -> float:
    return max(abs(float(Z.max())), abs(float(Z.min())))


def _squared_singular_values(Z: np.ndarray, mean: npt.ArrayLike, size: float) -> np.ndarray:
    """Return the squared singular values of ``(Z - mean) / size``, without rounding errors.

    They are the eigenvalues of the smaller Gram matrix, summed over blocks of `Z`.
    """
    n, d = Z.shape
    size = size or 1.0
    mean = np.broadcast_to(np.asarray(mean, dtype=np.float64), (d,))
    gram = np.zeros((min(n, d), min(n, d)))
    if d <= n:
        for part in iter_blocks(n, d):
            block = (Z[part] - mean) / size
            gram += block.T @ block
    else:
        for part in iter_blocks(d, n):
            block = (Z[:, part] - mean[part]) / size
            gram += block @ block.T
    values = eigvalsh(gram, overwrite_a=True, check_finite=False)
    return values[values > max(n, d) * np.finfo(np.float64).eps * values[-1]]


def _exp_entropy(values: np.ndarray) -> float:
    """Return the exponential of the entropy of positive `values` divided by their sum."""
    if len(values) == 0:
        return 0.0
    shares = values / values.sum()
    return float(np.exp(-np.sum(shares * np.log(shares))))


rankme_scorer = make_scorer(
    "rankme_scorer", rankme_score, summary="RankMe, how many directions are used", holds="> 1"
)
effective_rank_scorer = make_scorer(
    "effective_rank_scorer",
    effective_rank,
    summary="the effective rank of the features' covariance",
    holds="> 1",
)
dead_feature_scorer = make_scorer(
    "dead_feature_scorer",
    dead_feature_share,
    sign=-1,
    summary="minus the share of the features that do not vary",
    holds="<= 0",
)
