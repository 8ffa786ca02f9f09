"""Whitening of features by how those of different views of an image differ."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from sklearn.utils.extmath import randomized_svd
from torch import Tensor, nn

__all__ = ["Whitening", "WhiteningModule", "find_whitening"]

# More directions cost time in each transform; beyond these, views differ little.
_MOST_DIRECTIONS = 256


class Whitening(NamedTuple):
    """A linear map of features (n, d): standardise, then shrink some directions.

    Parameters
    ----------
    mean, scale : ndarray of shape (d,), float32
        Subtracted, and divided by.
    components : ndarray of shape (k, d), float32
        Orthonormal directions.
    gains : ndarray of shape (k,), float32
        By how much each direction is multiplied.
    """

    mean: np.ndarray
    scale: np.ndarray
    components: np.ndarray
    gains: np.ndarray


class WhiteningModule(nn.Module):
    """The map as a module, computed in float32."""

    def __init__(self, whitening: Whitening) -> None:
        super().__init__()
        for name, value in whitening._asdict().items():
            self.register_buffer(name, torch.from_numpy(np.array(value, dtype=np.float32)))

    mean: Tensor
    scale: Tensor
    components: Tensor
    gains: Tensor

    def forward(self, features: Tensor) -> Tensor:
        kind = features.device.type
        if torch.is_autocast_enabled(kind):  # of half the digits, too few for sums of products
            with torch.autocast(kind, enabled=False):
                return self._map(features.float())
        return self._map(features)

    def _map(self, features: Tensor) -> Tensor:
        standard = (features - self.mean) / self.scale
        shares = standard @ self.components.T
        return standard + (shares * (self.gains - 1)) @ self.components


def find_whitening(
    features: np.ndarray, views: np.ndarray, shrinkage: float, seed: int
) -> Whitening:
    """Find the map that divides by the square root of the covariance of views of one image.

    The covariance is that of standardised features about the mean of the views of each image,
    shrunk towards a multiple of the identity, as in a linear discriminant analysis whose classes
    are the images. Only its largest eigenvalues differ from one another in the map. Afterwards
    features have a variance of 1 on average.

    Parameters
    ----------
    features : ndarray of shape (n, d)
        Those of images.
    views : ndarray of shape (v, n, d)
        Those of v random views of each.
    shrinkage : float in (0, 1]
    seed : int
        Of the randomised decomposition.

    Returns
    -------
    whitening : Whitening
    """
    n_features = features.shape[1]
    mean, scale = features.mean(axis=0, dtype=np.float64), features.std(axis=0, dtype=np.float64)
    # Of constant features std returns rounding errors.
    scale[scale <= 1e-6 * (abs(mean) + 1e-12)] = 1.0
    mean, scale = mean.astype(np.float32), scale.astype(np.float32)
    within = ((views - views.mean(axis=0)) / scale).reshape(-1, n_features)
    k = min(_MOST_DIRECTIONS, n_features, len(within) - 1)
    _, singular, components = randomized_svd(within, k, random_state=seed)
    variances, rest = singular.astype(np.float64) ** 2, 0.0
    total = np.square(within, dtype=np.float64).sum()
    if total > 0:  # in units of the mean over all directions
        variances *= n_features / total
        rest = max(n_features - variances.sum(), 0.0) / max(n_features - k, 1)
    weights = ((1 - shrinkage) * np.append(variances, rest) + shrinkage) ** -0.5
    gains = (weights[:-1] / weights[-1]).astype(np.float32)
    unscaled = Whitening(mean, scale, np.ascontiguousarray(components, np.float32), gains)
    with torch.inference_mode():
        mapped = WhiteningModule(unscaled)(torch.from_numpy(features)).numpy()
    spread = math.sqrt(mapped.var(axis=0, dtype=np.float64).mean())
    return unscaled._replace(scale=scale * np.float32(spread or 1.0))
