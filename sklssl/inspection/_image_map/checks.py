"""Check the input of a map of images before any work."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklssl._data.arrays import check_images
from sklssl._data.columns import (
    check_file_names,
    is_image_sequence,
    is_path_sequence,
    relative_names,
    to_path_string,
    unwrap_images,
)
from sklssl._data.matrix import check_feature_matrix
from sklssl.inspection._image_map.sheets import pack_thumbnails

__all__ = [
    "OWNER",
    "check_map_features",
    "check_map_images",
    "check_names",
    "check_size",
    "fitted_or_none",
]

OWNER = "write_image_map"
_MAX_IMAGES = 20_000
_MAX_BYTES = 100e6  # opens within seconds in a browser
_FIXED_BYTES = 4.9e6  # plotly.js
_BYTES_PER_IMAGE = 140  # position and neighbours
_N_SAMPLE = 100  # images, to estimate the size of the file


def check_map_images(X: Any) -> Any:
    """Return X, as a list if it holds file names, or images that may differ in size."""
    X = unwrap_images(X)
    check_file_names(X, OWNER)
    if is_path_sequence(X) or is_image_sequence(X):
        X = list(X)
    else:
        check_images(X, estimator=OWNER)  # only checked: an embedder reads X its own way
    if len(X) < 2:
        raise ValueError(f"{OWNER} needs at least two images. Got {len(X)}.")
    if len(X) > _MAX_IMAGES:
        raise ValueError(
            f"{OWNER} draws at most {_MAX_IMAGES:,} images, since a browser becomes slow with "
            f"more. Got {len(X):,}. Draw some of them: rows = numpy.random.default_rng(0).choice("
            f"{len(X)}, {_MAX_IMAGES}, replace=False), and pass Z[rows], X[rows] and y[rows]."
        )
    return X


def fitted_or_none(Z: Any) -> Any:
    """Return Z if it is a fitted transformer, None if it holds features."""
    if not hasattr(Z, "transform") or hasattr(Z, "shape"):  # tables have both
        return None
    check_is_fitted(Z)
    return Z


def check_map_features(Z: Any, n_images: int) -> np.ndarray:
    """Return features (n_images, d) of at least two columns."""
    Z = check_feature_matrix(OWNER, Z)
    if len(Z) != n_images or Z.shape[1] < 2:
        raise ValueError(
            f"The 'Z' argument of {OWNER} must hold one row an image and at least two columns, "
            f"here ({n_images}, d). Got the shape {Z.shape}."
        )
    return Z


def check_names(names: Any, X: Any) -> list[str]:
    """Return the name of each image."""
    if names is None:
        return relative_names(X) if is_path_sequence(X) else list(map(str, range(len(X))))
    if isinstance(names, (str, bytes)) or not hasattr(names, "__len__") or len(names) != len(X):
        got = f"{len(names)} names" if hasattr(names, "__len__") else repr(names)
        raise ValueError(
            f"The 'names' argument of {OWNER} must be a sequence of {len(X)} names, one an image, "
            f"or None. Got {got}."
        )
    return [to_path_string(x) if isinstance(x, (bytes, os.PathLike)) else str(x) for x in names]


def check_size(
    X: Any, names: list[str], draw: Callable[[Any, np.ndarray], list[np.ndarray]]
) -> float:
    """Return the expected bytes of the file, from a few images; raise an error if too many.

    Parameters
    ----------
    X : array-like
        The images.

    names : list of str
        Their names.

    draw : callable
        Makes the thumbnails of some rows of X.
    """
    rows = np.unique(np.linspace(0, len(X) - 1, _N_SAMPLE).astype(int))
    sheets = pack_thumbnails(draw(X, rows), np.arange(len(rows)))
    share = len(X) / len(rows)
    n_bytes = _FIXED_BYTES + _BYTES_PER_IMAGE * len(X) + sum(map(len, names))
    n_bytes += 4 / 3 * share * sum(map(len, sheets.files))
    if n_bytes > _MAX_BYTES:
        raise ValueError(
            f"The file of {OWNER} would have about {n_bytes / 1e6:.0f} MB, but a browser is slow "
            f"to open more than {_MAX_BYTES / 1e6:.0f} MB. Reduce 'thumbnail_size' or draw "
            "fewer images."
        )
    return n_bytes
