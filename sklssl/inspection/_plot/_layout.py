"""Which images of a map are drawn."""

from __future__ import annotations

import numpy as np

from sklssl.utils._checks import check_whole

__all__ = ["choose_apart", "sample_rows"]


def sample_rows(n_rows: int, n_images: int, rng: np.random.RandomState, owner: str) -> np.ndarray:
    """Return all rows in order, or a random sample if there are more than `n_images`."""
    check_whole("n_images", n_images, owner)
    if n_rows <= n_images:
        return np.arange(n_rows)
    return np.sort(rng.permutation(n_rows)[:n_images])


def choose_apart(positions: np.ndarray, gap: float) -> np.ndarray:
    """Choose images, the first ones first, that are further apart than `gap` on one of the axes."""
    shown, is_free = [], np.ones(len(positions), dtype=bool)
    for i, position in enumerate(positions):
        if is_free[i]:
            shown.append(i)
            is_free &= (np.abs(positions - position) > gap).any(axis=1)
    return np.array(shown)
