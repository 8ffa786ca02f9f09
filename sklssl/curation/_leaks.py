"""Near-duplicates between two sets."""

from numbers import Real

import numpy as np

from sklssl._data.matrix import iter_blocks
from sklssl.curation._blocks import FeaturesLike, check_features, make_workspace
from sklssl.curation._groups import connect
from sklssl.curation._rule import NearRule
from sklssl.curation._search import row_blocks
from sklssl.utils._sklearn_compat import Interval, StrOptions, validate_params

__all__ = ["find_leaks"]

_NAME = "find_leaks"
_MOST_PAIRS = 10_000_000


@validate_params(
    {"threshold": [Interval(Real, 0, 1, closed="left"), StrOptions({"auto"})]},
)
def find_leaks(
    Z_train: FeaturesLike, Z_test: FeaturesLike, *, threshold: float | str = "auto"
) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs of a training and a test image that are copies of each other, or nearly so.

    Parameters
    ----------
    Z_train, Z_test : array-like of shape (n, d), or iterable of arrays of shape (b, d)
        Features of the images, computed with the same fitted embedder: arrays, which may be
        memory-mapped, or blocks of rows as from ``embedder.transform_iter(X)``.

    threshold : float or "auto", default="auto"
        Largest distance of a pair, from 0 (identical) to below 1, as in ``find_near_duplicates``.

    Returns
    -------
    pairs : ndarray of shape (n_pairs, 2), int
        Rows of `Z_train` and of `Z_test`, nearest pairs first.

    distances : ndarray of shape (n_pairs,), float32
        The distances that are compared with the threshold.

    Raises
    ------
    ValueError
        If features are not finite, differ in width or exceed 16,384, if the threshold is out of
        range, or there are more than ten million pairs.

    See Also
    --------
    find_near_duplicates : The same within one set, in groups.

    Notes
    -----
    The rule is that of ``find_near_duplicates`` for both sets together, whose features are copied,
    to a temporary file if they exceed 512 MB.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from sklssl.curation import find_leaks
    >>> Z, _ = load_digits(return_X_y=True)
    >>> Z_test = np.concatenate([Z[500:600], 1.05 * Z[7:8]])
    >>> pairs, distances = find_leaks(Z[:500], Z_test, threshold=0.2)
    >>> pairs
    array([[  7, 100]])
    """
    train = check_features(_NAME, Z_train, "Z_train", min_samples=1)
    test = check_features(_NAME, Z_test, "Z_test", min_samples=1)
    if train.shape[1] != test.shape[1]:
        raise ValueError(
            f"The 'Z_test' argument of {_NAME} must have as many features as Z_train: "
            f"{train.shape[1]}. Got {test.shape[1]}. Compute both with the same fitted embedder."
        )
    rule = NearRule(_NAME, _join(train, test))
    pairs, distances = _cross(rule, len(train), rule.choose_threshold(threshold))
    order = np.lexsort((pairs[:, 1], pairs[:, 0], distances))
    return pairs[order], distances[order]


def _join(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Return the rows of both sets, copied block by block."""
    shape = len(train) + len(test), train.shape[1]
    joined = make_workspace(shape, np.result_type(train, test))
    for start, rows in ((0, train), (len(train), test)):
        for part in iter_blocks(*rows.shape):
            block = rows[part]
            joined[start + part.start : start + part.start + len(block)] = block
    return joined


def _cross(rule: NearRule, n_train: int, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs of rows of both sets, and their distances."""
    images, _ = connect(rule, threshold)
    near = np.isin(rule.inverse_, images)
    repeated = np.bincount(rule.inverse_)[rule.inverse_] > 1
    rows = np.flatnonzero(near | repeated)
    train, test = rows[rows < n_train], rows[rows >= n_train]
    pairs, distances, n_pairs = [np.empty((0, 2), np.intp)], [np.empty(0, np.float32)], 0
    for part in row_blocks(len(train), len(test)):
        first, second = rule.inverse_[train[part]], rule.inverse_[test]
        block = rule.relative(first, second)
        block[first[:, np.newaxis] == second] = 0
        found, columns = np.nonzero(block <= threshold)
        pairs.append(np.stack([train[part][found], test[columns] - n_train], axis=1))
        distances.append(block[found, columns])
        n_pairs += len(found)
        if n_pairs > _MOST_PAIRS:
            raise ValueError(
                f"{_NAME} found more than {_MOST_PAIRS:,} pairs. Keep one image of each group of "
                "find_near_duplicates in both sets first, or set a smaller threshold."
            )
    return np.concatenate(pairs), np.concatenate(distances)
