"""Input checks and statistics of features (n, d), in bounded memory."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_array

from sklssl.utils._arguments import check_complete

__all__ = [
    "ROUNDING",
    "centre_and_size",
    "check_feature_matrix",
    "iter_blocks",
    "standardise",
    "unit_rows",
]

# A relative spread as small as this is explained by rounding in float32.
ROUNDING = 1e-6

_BLOCK = 2**21  # values per block: 16 MB in float64


def check_feature_matrix(
    function: str, Z: npt.ArrayLike, name: str = "Z", *, min_samples: int = 2
) -> np.ndarray:
    """Return `Z` as a float array (n, d); raise an error if it is not a valid feature matrix.

    float32 is kept: sums are computed in float64, block by block, without a copy of the array.
    """
    try:
        return check_array(
            check_complete(Z, name, function),
            dtype=[np.float64, np.float32],
            ensure_min_samples=min_samples,
            estimator=function,
            input_name=name,
        )
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(
            f"The '{name}' argument of {function} must hold finite features (n, d) of at least "
            f"{min_samples} image{'s' * (min_samples > 1)}, such as those from "
            f"embedder.transform(X). {error}"
        ) from error


def iter_blocks(n_items: int, width: int, n_values: int = _BLOCK) -> Iterator[slice]:
    """Yield slices that divide `n_items` rows or columns of `width` values into blocks."""
    step = max(1, n_values // max(1, width))
    for start in range(0, n_items, step):
        yield slice(start, min(start + step, n_items))


def centre_and_size(Z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean, standard deviation and maximum absolute value of each feature.

    The standard deviation is computed in two passes from values scaled to a maximum of 1, which
    avoids both overflow and cancellation.
    """
    low, high = (bound.astype(np.float64) for bound in (Z.min(axis=0), Z.max(axis=0)))
    largest = np.maximum(np.abs(low), np.abs(high))
    size = np.where(largest > 0, largest, 1.0)
    rows = list(iter_blocks(*Z.shape))
    mean = sum((Z[part] / size).sum(axis=0) for part in rows) / len(Z)
    square = sum(((Z[part] / size - mean) ** 2).sum(axis=0) for part in rows) / len(Z)
    # Exactly 0 for constant features, despite rounding of the mean.
    deviation = np.where(low < high, np.sqrt(square), 0.0) * size
    return mean * size, deviation, deviation > ROUNDING * largest


def standardise(Z: np.ndarray) -> np.ndarray:
    """Return features (n, d) with mean 0 and deviation 1, without constant ones.

    If all of them are constant, return a column of zeros.
    """
    mean, deviation, varying = centre_and_size(Z)
    if not varying.any():
        return np.zeros((len(Z), 1))
    return (Z[:, varying] - mean[varying]) / deviation[varying]


def unit_rows(Z: np.ndarray) -> np.ndarray:
    """Scale rows (n, d) to length 1, in float64; rows of zeros are unchanged."""
    Z = Z.astype(np.float64)
    largest = np.abs(Z).max(axis=1, keepdims=True)  # avoids overflow of the squares
    Z /= np.where(largest > 0, largest, 1.0)
    length = np.linalg.norm(Z, axis=1, keepdims=True)
    Z /= np.where(length > 0, length, 1.0)
    return Z
