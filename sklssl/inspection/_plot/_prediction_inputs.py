"""Check what the display of predictions is passed."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils import check_consistent_length, column_or_1d

from sklssl._data.columns import check_file_names, is_path_sequence, unwrap_images
from sklssl.utils._arguments import check_complete
from sklssl.utils._checks import naming_data

__all__ = ["read_images"]


def read_images(
    X: Any, y: Any, names: Sequence[str] | None, owner: str
) -> tuple[Any, np.ndarray | None, list[str]]:
    """Return the images, the labels as an array, and a name for each image."""
    check_file_names(X, owner)
    X = unwrap_images(X)
    with naming_data(owner, "needs images, and one label or number in y for each"):
        n_rows = X.shape[0] if hasattr(X, "shape") else len(X)
        if y is not None:
            y = column_or_1d(check_complete(y, "y", owner))
            check_consistent_length(X, y)
    if names is None:
        paths = is_path_sequence(X)
        return X, y, [os.fsdecode(p) for p in X] if paths else [f"row {i}" for i in range(n_rows)]
    if len(names) != n_rows:
        raise ValueError(
            f"The 'names' argument of {owner} must hold a name for each of the {n_rows} images. "
            f"Got {len(names)} names."
        )
    return X, y, list(map(str, names))
