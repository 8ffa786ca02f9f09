"""Merge duplicate rows."""

import hashlib

import numpy as np

__all__ = ["merge_duplicates"]


def merge_duplicates(images, y, weights):
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
        The first row of each group of duplicates, in an order that depends only on the contents.

    weights : ndarray of shape (n_kept,)
        The sum of the weights of each group.
    """
    first, total = {}, {}
    for row in np.flatnonzero(weights):
        key = hashlib.blake2b(images[row].tobytes() + y[row].tobytes(), digest_size=16).digest()
        first.setdefault(key, row)
        total[key] = total.get(key, 0.0) + weights[row]
    keys = sorted(first)
    return np.array([first[k] for k in keys], dtype=int), np.array([total[k] for k in keys])
