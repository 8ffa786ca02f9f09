"""Positions of images on a map, from their features."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from sklssl._data.matrix import standardise

__all__ = ["check_reducer", "find_positions", "reduce_features", "to_positions"]

_MAX_COMPONENTS = 50  # as in the paper on t-SNE; more take longer and add noise
_PERPLEXITY = 30
_LEAST_IMAGES = 4  # for t-SNE


def check_reducer(reducer: Any, owner: str) -> None:
    """Raise an error if `reducer` is neither None nor a transformer."""
    if reducer is not None and (not hasattr(reducer, "fit_transform") or isinstance(reducer, type)):
        raise TypeError(
            f"The 'reducer' argument of {owner} must be a transformer with fit_transform, such as "
            f"PCA(2), or None for t-SNE. Got {reducer!r}."
        )


def find_positions(
    Z: np.ndarray, reducer: Any, random_state: Any, owner: str
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return positions (n, 2), and the reduced features that they were computed from.

    Two columns are positions already if there is no `reducer`; then there are no reduced features.
    """
    if reducer is None and Z.shape[1] == 2:
        return Z, None
    reduced = reduce_features(Z, random_state)
    return to_positions(reduced, reducer, random_state, owner), reduced


def reduce_features(Z: np.ndarray, random_state: Any) -> np.ndarray:
    """Return standardised features (n, d) as at most 50 principal components.

    Constant features are dropped. If all are, one column of zeros remains.
    """
    units = standardise(Z)
    if not units.any():
        return units[:, :1]
    n_components = min(_MAX_COMPONENTS, *units.shape)
    pca = PCA(n_components, random_state=random_state).set_output(transform="default")
    return pca.fit_transform(units)


def to_positions(reduced: np.ndarray, reducer: Any, random_state: Any, owner: str) -> np.ndarray:
    """Return positions (n, 2) by a copy of `reducer`, or by t-SNE if it is None."""
    if reducer is None:
        return _embed_by_tsne(reduced, random_state)
    try:
        positions = np.asarray(clone(reducer, safe=False).fit_transform(reduced), dtype=np.float64)
    except Exception as error:
        error.add_note(f"Raised in {owner} by its argument 'reducer': {reducer!r}.")
        raise
    if positions.shape != (len(reduced), 2) or not np.isfinite(positions).all():
        raise ValueError(
            f"The 'reducer' argument of {owner} must return two finite columns, but its "
            f"fit_transform gave an array of shape {positions.shape} for {len(reduced)} images. "
            "Set its number of components to 2."
        )
    return positions


def _embed_by_tsne(reduced: np.ndarray, random_state: Any) -> np.ndarray:
    """Run t-SNE from the first two components, as scikit-learn does, but for equal rows too."""
    start = np.zeros((len(reduced), 2), dtype=np.float32)
    start[:, : reduced.shape[1]] = reduced[:, :2]
    spread = start[:, 0].std()
    if len(reduced) < _LEAST_IMAGES or spread == 0:
        return start.astype(np.float64)
    perplexity = min(_PERPLEXITY, (len(reduced) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, init=start * (1e-4 / spread), random_state=random_state)
    return tsne.set_output(transform="default").fit_transform(reduced).astype(np.float64)
