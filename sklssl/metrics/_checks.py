"""What the scores share: the check of features, means and lengths in bounded memory."""

import numpy as np
from sklearn.utils import check_array

__all__ = ["ROUNDING", "centre_and_size", "check_features", "slices", "unit_rows"]

# A feature whose spread is this small against its values varies by the rounding of float32.
ROUNDING = 1e-6

_BLOCK = 2**21  # values of a block: 16 MB in float64


def check_features(function, Z, name="Z", *, min_samples=2):
    """Return features `Z` as a float array (n, d); say what is wrong with what cannot be any.

    float32 stays: the sums are in float64, block by block, without a copy of the whole.
    """
    try:
        return check_array(
            Z,
            dtype=[np.float64, np.float32],
            ensure_min_samples=min_samples,
            estimator=function,
            input_name=name,
        )
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(
            f"The '{name}' argument of {function} must hold finite features (n, d) of at least "
            f"{min_samples} images, such as embedder.transform(X) gives. {error}"
        ) from error


def slices(n_items, width):
    """Yield slices of `n_items` rows or columns of `width` values each, a block at a time."""
    step = max(1, _BLOCK // width)
    for start in range(0, n_items, step):
        yield slice(start, start + step)


def centre_and_size(Z):
    """Give each feature's mean, standard deviation and greatest absolute value.

    The standard deviation is computed at the size of 1 and in two passes: neither the squares of
    huge values nor the differences of near ones are lost.
    """
    low, high = (bound.astype(np.float64) for bound in (Z.min(axis=0), Z.max(axis=0)))
    largest = np.maximum(np.abs(low), np.abs(high))
    size = np.where(largest > 0, largest, 1.0)
    rows = list(slices(*Z.shape))
    mean = sum((Z[part] / size).sum(axis=0) for part in rows) / len(Z)
    square = sum(((Z[part] / size - mean) ** 2).sum(axis=0) for part in rows) / len(Z)
    deviation = np.where(low < high, np.sqrt(square), 0.0)  # exactly, whatever the mean's rounding
    return mean * size, deviation * size, largest


def unit_rows(Z):
    """Give rows (n, d) the length 1, in float64; rows of zeros stay as they are."""
    Z = Z.astype(np.float64)
    largest = np.abs(Z).max(axis=1, keepdims=True)  # first, so that no square overflows
    Z /= np.where(largest > 0, largest, 1.0)
    length = np.linalg.norm(Z, axis=1, keepdims=True)
    Z /= np.where(length > 0, length, 1.0)
    return Z
