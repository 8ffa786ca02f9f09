"""Rows that are there twice."""

import hashlib

import numpy as np

__all__ = ["merge_duplicates"]


def merge_duplicates(images, y, weights):
    """Merge rows of the same image and answer into one that weighs as much as all of them.

    What is learned then depends neither on whether a row is repeated or weighted, nor on the
    order of the rows.

    Parameters
    ----------
    images : ndarray of shape (n, ...)
        The images.

    y : ndarray of shape (n, ...)
        Their answers.

    weights : ndarray of shape (n,)
        Rows of weight 0 are left out.

    Returns
    -------
    rows : ndarray of shape (n_kept,)
        The first row of each kind, in an order that depends on the contents alone.

    weights : ndarray of shape (n_kept,)
        The sum of the weights of each kind.
    """
    first, total = {}, {}
    for row in np.flatnonzero(weights):
        key = hashlib.blake2b(images[row].tobytes() + y[row].tobytes(), digest_size=16).digest()
        first.setdefault(key, row)
        total[key] = total.get(key, 0.0) + weights[row]
    keys = sorted(first)
    return np.array([first[k] for k in keys], dtype=int), np.array([total[k] for k in keys])
