"""What may be done to images without changing what they are: mirrored, turned, both, nothing.

That images of a kind can be told from their mirror images at all is what Lin, Sun, Davis, Snavely
(Visual Chirality. CVPR 2020) learned deep networks for; here a linear model has to.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler
from torch import Tensor

__all__ = ["average_orientations", "find_symmetry", "orient"]

_SAMPLE = 512  # images
_FEWEST = 50  # with which to judge
# The share of mirrored images that may be told: digits 0.95, traffic signs 0.9, photographs at most
# 0.55. Other changes must leave no trace: photographs of animals upside down (0.6) lost 5 points.
_MIRRORED, _OTHERWISE = 0.65, 0.56


def _mirror(images: Tensor) -> Tensor:
    return images.flip(3)


def _upend(images: Tensor) -> Tensor:
    return images.flip(2)


def _transpose(images: Tensor) -> Tensor:
    return images.transpose(2, 3)


def orient(images: Tensor, symmetry: str | None) -> list[Tensor]:
    """Give images (b, C, h, w) in all orientations that `symmetry` makes equal, first as they are.

    "mirror" adds the mirrored ones; "all" mirrors and turns, by quarters if they are square.
    """
    views = [images]
    if symmetry is not None:
        views += [_mirror(x) for x in views]
    if symmetry == "all":
        views += [_upend(x) for x in views]
        if images.shape[2] == images.shape[3]:
            views += [_transpose(x) for x in views]
    return views


def average_orientations(
    encode: Callable[[Tensor], Tensor], symmetry: str | None
) -> Callable[[Tensor], Tensor]:
    """Make of `encode` what averages its features over all orientations of the images."""

    def encode_all(images: Tensor) -> Tensor:
        views = orient(images, symmetry)
        total = encode(images)
        for view in views[1:]:
            total = total + encode(view.contiguous(memory_format=torch.channels_last))
        return total / len(views)

    return encode if symmetry is None else encode_all


def find_symmetry(
    images: np.ndarray,
    embed: Callable[[np.ndarray, Callable[[Tensor], Tensor]], np.ndarray],
    *,
    square: bool,
) -> str | None:
    """Find what changes nothing about the images (n, H, W, C), as far as features tell.

    Parameters
    ----------
    images : ndarray of shape (n, H, W, C)
        Of fewer than 50 nothing is claimed.

    embed : callable
        ``embed(images, change)`` gives the features (n, d) of images that are changed.

    square : bool
        Whether images may be turned by a quarter.

    Returns
    -------
    symmetry : {"mirror", "all"} or None
    """
    if len(images) < _FEWEST:
        return None
    order = np.random.default_rng(0).permutation(len(images))[:_SAMPLE]
    images = images[np.sort(order)]
    halves = np.random.default_rng(1).permutation(len(images))
    features = embed(images, lambda x: x)

    def alike(change: Callable[[Tensor], Tensor], told: float = _OTHERWISE) -> bool:
        differences = (features - embed(images, change))[halves].astype(np.float64)
        return _told_share(*np.array_split(differences, 2)) < told

    if not alike(_mirror, _MIRRORED):
        return None
    return "all" if alike(_upend) and (not square or alike(_transpose)) else "mirror"


def _told_share(first: np.ndarray, second: np.ndarray) -> float:
    """Give the share of images that a linear model tells from what they were changed to.

    It has learned on the other half of them. Both are known by the differences (n, d) of their
    features: the model says which of the two it holds for the image itself. What is done twice must
    do nothing: of quarter turns, a model could tell their sense.
    """
    told = []
    for train, test in ((first, second), (second, first)):
        scaler = StandardScaler(with_mean=False).fit(train)
        model = Ridge(alpha=train.shape[1], fit_intercept=False)
        model.fit(scaler.transform(train), np.ones(len(train)))
        told.append(model.predict(scaler.transform(test)) > 0)
    return float(np.concatenate(told).mean())
