"""Positions of images on a map."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from sklssl.metrics._checks import standardise

__all__ = ["check_reducer", "choose_apart", "reduce_to_plane", "sample_rows"]

_PCA_COMPONENTS = 50  # before t-SNE, as its authors do
_PERPLEXITY = 30.0


def check_reducer(reducer: Any, owner: str) -> None:
    """Raise an error if `reducer` is neither None nor a transformer."""
    if reducer is not None and (not hasattr(reducer, "fit_transform") or isinstance(reducer, type)):
        raise TypeError(
            f"The 'reducer' argument of {owner} must be a transformer with fit_transform, such as "
            f"PCA(2), or None for t-SNE. Got {reducer!r}."
        )


def sample_rows(n_rows: int, n_images: int, rng: np.random.RandomState, owner: str) -> np.ndarray:
    """Return all rows in order, or a random sample if there are more than `n_images`."""
    if not isinstance(n_images, Integral) or n_images < 1:
        raise ValueError(
            f"The 'n_images' argument of {owner} must be a whole number above 0. Got {n_images!r}."
        )
    if n_rows <= n_images:
        return np.arange(n_rows)
    return np.sort(rng.permutation(n_rows)[:n_images])


def reduce_to_plane(
    Z: np.ndarray, reducer: Any, rng: np.random.RandomState, owner: str
) -> np.ndarray:
    """Return two columns for features (n, d)."""
    if reducer is None and Z.shape[1] == 2:
        return Z
    Z = standardise(Z)
    if reducer is None:
        return _embed_by_tsne(Z, rng)
    positions = np.asarray(clone(reducer, safe=False).fit_transform(Z))
    if positions.shape != (len(Z), 2) or not np.isfinite(positions).all():
        raise ValueError(
            f"The 'reducer' argument of {owner} must return two finite columns, but its "
            f"fit_transform gave an array of shape {positions.shape} for {len(Z)} images. Set its "
            "number of components to 2."
        )
    return positions


def _embed_by_tsne(Z: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """Return the t-SNE positions of standardised features; of very few images, those of PCA."""
    n_components = min(_PCA_COMPONENTS, *Z.shape)
    if Z.any():  # otherwise all images are the same, at the same position
        Z = PCA(n_components, random_state=rng).fit_transform(Z)
    Z = np.pad(Z[:, :n_components], [(0, 0), (0, max(0, 2 - n_components))])
    if len(Z) < 4 or not Z.any():
        return Z[:, :2]
    perplexity = min(_PERPLEXITY, (len(Z) - 1) / 3)
    return TSNE(perplexity=perplexity, random_state=rng).fit_transform(Z)


def choose_apart(positions: np.ndarray, gap: float) -> np.ndarray:
    """Choose images, the first ones first, that are further apart than `gap` on one of the axes."""
    shown, is_free = [], np.ones(len(positions), dtype=bool)
    for i, position in enumerate(positions):
        if is_free[i]:
            shown.append(i)
            is_free &= (np.abs(positions - position) > gap).any(axis=1)
    return np.array(shown)
