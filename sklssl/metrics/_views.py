"""Features of two random views of each image, for images in any layout."""

import math
from typing import Any

import numpy as np
import torch

from sklssl._data.arrays import check_images, fold_rows
from sklssl._data.columns import unwrap_images
from sklssl._data.steps import find_reader, list_steps
from sklssl._runtime.device import plain_torch
from sklssl.augmentation import RandomViews
from sklssl.utils._checks import warn_if_other_range
from sklssl.utils._typing import ImagesLike

__all__ = ["embed_two_views"]

_IMAGES_AT_ONCE = 512
_DTYPES = (np.float32, np.float64, np.uint8)


@plain_torch()
def embed_two_views(name: str, estimator: Any, X: ImagesLike) -> tuple[np.ndarray, np.ndarray]:
    """Draw two views of each image of `X` and return the features of both.

    Parameters
    ----------
    name : str
        The name of the caller; used in error messages.

    estimator : fitted embedder or Pipeline
        Embeds the views, which have the layout, dtype, range and column names of `X`.

    X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C)
        Images, also as a column of a table.

    Returns
    -------
    Z1, Z2 : ndarrays of shape (n, d)
    """
    X = unwrap_images(X)
    images = check_images(X, estimator=name, dtype=_DTYPES)
    shape = _image_shape(name, estimator, images)
    first = list_steps(estimator)[0]
    # For the images only: views are clipped to the range seen in fit.
    warn_if_other_range(first, fold_rows(images, shape))
    value_range = _find_value_range(first, images)
    rng = torch.Generator().manual_seed(0)
    features: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for start in range(0, len(images), _IMAGES_AT_ONCE):  # to limit memory
        part = images[start : start + _IMAGES_AT_ONCE]
        for Z in features:
            rows = _draw(fold_rows(part, shape), value_range, rng).reshape(len(part), -1)
            views = rows[:, : math.prod(part.shape[1:])].reshape(part.shape)
            Z.append(np.asarray(estimator.transform(_with_columns_of(X, views))))
    return np.concatenate(features[0]), np.concatenate(features[1])


def _draw(images: np.ndarray, value_range: tuple[Any, Any], rng: torch.Generator) -> np.ndarray:
    """Draw a view of each image (b, H, W, C), with the same dtype and range."""
    low, high = (np.asarray(end, dtype=np.float32) for end in value_range)
    span = np.where(high > low, high - low, np.float32(1.0))
    x = torch.from_numpy((images.astype(np.float32) - low) / span).permute(0, 3, 1, 2)
    views = RandomViews()(x.clamp(0.0, 1.0), rng).permute(0, 2, 3, 1).numpy() * span + low
    return (np.rint(views) if images.dtype == np.uint8 else views).astype(images.dtype)


def _image_shape(name: str, estimator: object, images: np.ndarray) -> tuple[int, int, int]:
    if images.ndim > 2:
        return (*images.shape[1:], 1)[:3]
    learner = find_reader(estimator)
    shape: tuple[int, int, int] | None = getattr(learner, "image_shape_", None)
    if shape is None:
        raise ValueError(
            f"{name} draws views of images, but X holds rows and {type(estimator).__name__} has no "
            "image shape. Pass images (n, height, width) or (n, height, width, "
            "channels), or an embedder, which has an image_shape_."
        )
    padded = getattr(learner, "n_features_in_", None) == images.shape[1]
    if math.prod(shape) != images.shape[1] and not padded:
        raise ValueError(
            f"{name} draws views of images, but X holds rows of {images.shape[1]} values, and "
            f"{type(learner).__name__} was fitted on images of shape {shape}: a step before it "
            "changes the rows. Pass images (n, height, width, channels), or score the embedder "
            "alone."
        )
    return shape


def _find_value_range(first: Any, images: np.ndarray) -> tuple[Any, Any]:
    """Return the values mapped to 0 and 1: of uint8, of the first step, or of `X`."""
    if images.dtype == np.uint8:
        return 0.0, 255.0
    if hasattr(first, "value_range_"):
        return first.value_range_
    return float(images.min()), float(images.max())


def _with_columns_of(X: Any, values: np.ndarray) -> Any:
    """Return `values` with the column names of the data frame `X`; unchanged for arrays."""
    if not hasattr(X, "columns"):
        return values
    # pandas has iloc and the argument columns, polars has schema.
    names = {"columns" if hasattr(X, "iloc") else "schema": list(X.columns)}
    return type(X)(values, **names)
