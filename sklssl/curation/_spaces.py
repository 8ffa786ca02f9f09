"""The spaces in which distances between features are measured."""

import numpy as np
from scipy.linalg import cholesky, solve_triangular

from sklssl._data.matrix import centre_and_size, iter_blocks, unit_rows
from sklssl.curation._blocks import make_workspace

__all__ = ["METRICS", "Standardized", "Whitened"]

# Of the correlation matrix of so many features, 1 GB in float32.
_MOST_FEATURES = 2**14


class Standardized:
    """Features with a mean of 0 and a standard deviation of 1; constant ones become 0."""

    def __init__(self, function: str, Z: np.ndarray) -> None:
        mean, deviation, varying = centre_and_size(Z)
        self._mean = mean
        self._factor = np.where(varying, 1 / np.where(varying, deviation, 1.0), 0.0)

    def convert_block(self, rows: np.ndarray) -> np.ndarray:
        """Return a few rows, standardised."""
        standard: np.ndarray = ((rows - self._mean) * self._factor).astype(np.float32)
        return standard

    def finish(self, rows: np.ndarray) -> np.ndarray:
        """Return standardised rows in the coordinates of the space."""
        return rows

    def convert(self, Z: np.ndarray) -> np.ndarray:
        """Return rows (n, d) of length 1."""
        units = make_workspace((len(Z), Z.shape[1]))
        for part in iter_blocks(*Z.shape):
            units[part] = unit_rows(self.finish(self.convert_block(Z[part])))
        return units


class Whitened(Standardized):
    """Standardised features without their correlations.

    The correlation matrix is inverted with a ridge of ``max(1, d / n)``: a correlation matrix of n
    images has random eigenvalues of this size, which would be divided by.
    """

    def __init__(self, function: str, Z: np.ndarray) -> None:
        super().__init__(function, Z)
        n, d = Z.shape
        if d > _MOST_FEATURES:
            raise ValueError(
                f"{function} whitens at most {_MOST_FEATURES:,} features an image. Got {d:,}. Set "
                "a smaller pool_size or a single layer of the embedder, or reduce the features "
                "by PCA."
            )
        matrix = np.zeros((d, d), np.float32)
        for part in iter_blocks(n, d):
            rows = self.convert_block(Z[part])
            matrix += rows.T @ (rows / np.float32(n))
        matrix[np.diag_indices(d)] += np.float32(max(1.0, d / n))
        self._root = cholesky(matrix, lower=True, overwrite_a=True, check_finite=False)

    def finish(self, rows: np.ndarray) -> np.ndarray:
        """Return standardised rows in the coordinates of the space."""
        white: np.ndarray = solve_triangular(self._root, rows.T, lower=True, check_finite=False).T
        return white


METRICS: dict[str, type[Standardized]] = {"whitened": Whitened, "standardized": Standardized}
