"""Merge duplicate rows."""

import hashlib
import os
from typing import Any

import numpy as np

from sklssl._data.arrays import check_images
from sklssl._data.columns import is_image_sequence, is_path_sequence, relative_names

__all__ = ["comparable_rows", "merge_duplicates"]


def comparable_rows(X: Any, estimator: object) -> Any:
    """Return what has equal rows where images are equal: pixels, names of files, pictures."""
    if is_path_sequence(X):
        return np.array([os.fsdecode(path) for path in X])
    if is_image_sequence(X):
        return list(X)  # a Series would be indexed by its labels
    return check_images(X, estimator=estimator, min_samples=2)


def merge_duplicates(
    images: Any, y: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Merge rows with the same image and target into one row with the sum of their weights.

    The fit then depends neither on whether a row is repeated or weighted, nor on the order of the
    rows.

    Parameters
    ----------
    images : ndarray of shape (n, ...)
        The images.

    y : ndarray of shape (n, ...)
        The targets.

    weights : ndarray of shape (n,)
        The sample weights. Rows with weight 0 are dropped.

    Returns
    -------
    rows : ndarray of shape (n_kept,)
        The first row of each group of duplicates, in an order that depends only on the contents,
        and for files on their names within their common folder.

    weights : ndarray of shape (n_kept,)
        The sum of the weights of each group.
    """
    first: dict[bytes, np.intp] = {}
    total: dict[bytes, float] = {}
    # A moved folder is the same data.
    content = relative_names(images) if is_path_sequence(images) else images
    for row in np.flatnonzero(weights):
        digest = hashlib.blake2b(y[row].tobytes(), digest_size=16)
        digest.update(_to_bytes(content[row]))
        key = digest.digest()
        first.setdefault(key, row)
        total[key] = total.get(key, 0.0) + weights[row]
    keys = sorted(first)
    return np.array([first[k] for k in keys], dtype=int), np.array([total[k] for k in keys])


def _to_bytes(image: Any) -> bytes:
    """Return bytes that are equal for equal images: pixels of one shape, names or pictures."""
    if isinstance(image, str):
        return os.fsencode(image)
    if isinstance(image, np.ndarray):
        return str(image.shape).encode() * (image.ndim > 1) + image.tobytes()
    if image.mode.startswith("P"):  # whose bytes are indices
        image = image.convert("RGBA")
    return f"{image.mode}{image.size}".encode() + image.tobytes()
