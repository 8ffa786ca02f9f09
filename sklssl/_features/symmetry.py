"""Find the flips and rotations that leave the distribution of a set of images unchanged.

Whether images can be told from their mirror images is the question of Lin, Sun, Davis, Snavely
(Visual Chirality. CVPR 2020). They train deep networks to answer it; here a linear model is used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from sklssl._data.batches import count_held

__all__ = ["average_orientations", "find_symmetry", "orient"]

_MAX_IMAGES = 512
_MIN_IMAGES = 50
# Highest accuracy at which transformed images still count as indistinguishable. Mirrored images:
# digits 0.95, traffic signs 0.9, photographs at most 0.55. The limit for other transforms is
# stricter: averaging over upside-down photographs of animals (0.6) cost 5 points.
_MIRROR_LIMIT, _OTHER_LIMIT = 0.65, 0.56


def _mirror(images: Tensor) -> Tensor:
    return images.flip(3)


def _flip_vertically(images: Tensor) -> Tensor:
    return images.flip(2)


def _transpose(images: Tensor) -> Tensor:
    return images.transpose(2, 3)


def orient(images: Tensor, symmetry: str | None) -> list[Tensor]:
    """Return images (b, C, h, w) in all orientations that are equivalent under `symmetry`.

    The images themselves come first. "mirror" adds the mirrored images; "all" adds mirrored and
    rotated images, with rotations by 90 degrees if the images are square.
    """
    views = [images]
    if symmetry is not None:
        views += [_mirror(x) for x in views]
    if symmetry == "all":
        views += [_flip_vertically(x) for x in views]
        if images.shape[2] == images.shape[3]:
            views += [_transpose(x) for x in views]
    return views


def average_orientations(
    encode: Callable[[Tensor], Tensor], symmetry: str | None
) -> Callable[[Tensor], Tensor]:
    """Wrap `encode` so that it averages features over all orientations of the images."""

    def encode_all(images: Tensor) -> Tensor:
        views = orient(images, symmetry)
        total = encode(images)
        for view in views[1:]:
            total = total + encode(view.contiguous(memory_format=torch.channels_last))
        return total / len(views)

    return encode if symmetry is None else encode_all


def find_symmetry(
    images: Any,
    embed: Callable[[np.ndarray, Callable[[Tensor], Tensor]], np.ndarray],
    *,
    square: bool,
) -> str | None:
    """Find the symmetry of the images (n, H, W, C), judged by their features.

    Parameters
    ----------
    images : ndarray of shape (n, H, W, C)
        With fewer than 50 images the result is None.

    embed : callable
        ``embed(images, transform)`` returns the features (n, d) of the transformed images.

    square : bool
        Whether images may be rotated by 90 degrees.

    Returns
    -------
    symmetry : {"mirror", "all"} or None
    """
    if len(images) < _MIN_IMAGES:
        return None
    n_images = count_held(images.shape[1:], _MIN_IMAGES, _MAX_IMAGES)
    order = np.random.default_rng(0).permutation(len(images))[:n_images]
    images = images[np.sort(order)]
    halves = np.random.default_rng(1).permutation(len(images))
    features = embed(images, lambda x: x)

    def invariant(transform: Callable[[Tensor], Tensor], limit: float = _OTHER_LIMIT) -> bool:
        differences = (features - embed(images, transform))[halves].astype(np.float64)
        return _discrimination_accuracy(*np.array_split(differences, 2)) < limit

    if not invariant(_mirror, _MIRROR_LIMIT):
        return None
    rotatable = invariant(_flip_vertically) and (not square or invariant(_transpose))
    return "all" if rotatable else "mirror"


def _discrimination_accuracy(first: np.ndarray, second: np.ndarray) -> float:
    """Return the accuracy with which a linear model tells images from transformed images.

    `first` and `second` are two halves of the differences (n, d) between the features of the
    images and of the transformed images; the model is fitted on one half and tested on the other.
    It predicts which of the two is the original. The transform must be its own inverse: for a
    rotation by 90 degrees, a model could detect the direction.
    """
    correct = []
    for train, test in ((first, second), (second, first)):
        scaler = StandardScaler(with_mean=False).set_output(transform="default").fit(train)
        model = Ridge(alpha=train.shape[1], fit_intercept=False)
        model.fit(scaler.transform(train), np.ones(len(train)))
        correct.append(model.predict(scaler.transform(test)) > 0)
    return float(np.concatenate(correct).mean())
