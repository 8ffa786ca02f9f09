"""Index rows of any kind of X."""

from typing import Any

import numpy as np

__all__ = ["take_rows"]


def take_rows(X: Any, rows: np.ndarray) -> Any:
    """Return the rows with indices `rows` of an array, sparse matrix, data frame or list."""
    if hasattr(X, "iloc"):
        return X.iloc[rows]
    if hasattr(X, "tocsr"):  # not every sparse format supports indexing
        return X.tocsr()[rows]
    if isinstance(X, (list, tuple)):  # may hold PIL images, so no np.asarray
        return [X[row] for row in rows]
    return X[rows] if hasattr(X, "shape") else np.asarray(X)[rows]
