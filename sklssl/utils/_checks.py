"""Checks that scikit-learn's parameter constraints cannot express."""

import contextlib
import warnings
from collections.abc import Iterable, Iterator
from types import NoneType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_array

from sklssl.exceptions import ImageFileError, NonFiniteLossError
from sklssl.utils._arguments import check_complete
from sklssl.utils._whole import is_whole

__all__ = [
    "MAX_SIDE",
    "MIN_SCALED_SIDE",
    "check_callbacks",
    "check_features",
    "check_learned",
    "check_network",
    "check_optimizer",
    "check_scaled_sizes",
    "check_square",
    "check_target",
    "check_two_images",
    "check_whole",
    "is_out_of_memory",
    "naming_data",
    "naming_parameter",
    "warn_if_other_range",
]

_NO_MEMORY = "can't allocate memory"

MIN_SCALED_SIDE = 4
# Also the largest square image that is read from a file.
MAX_SIDE = 2**13
# Larger photographs take hours on a CPU.
_LARGE_SIDE = 128

_RANGE_SAMPLE, _FILES_SAMPLE = 1000, 20


def check_learned(name: str, outputs: np.ndarray) -> None:
    """Raise an error if the trained network has non-finite outputs for the training images."""
    if not np.isfinite(outputs).all():
        raise NonFiniteLossError(
            f"{name}: the outputs of the trained network for the images in X are infinite or NaN. "
            "Try a tenth of the learning rate, or a smaller weight_decay."
        )


def check_features(estimator: Any, features: np.ndarray) -> np.ndarray:
    """Return the features of X; raise an error if they are not finite."""
    if not np.isfinite(features).all():
        low, high = estimator.value_range_
        raise ValueError(
            f"{type(estimator).__name__} was fitted on images with values from {np.min(low):g} to "
            f"{np.max(high):g}, but the values in X are so far from this range that the features "
            "are infinite or NaN. Pass images of the range seen in fit."
        )
    return features


def check_callbacks(estimator: object, callbacks: Any) -> None:
    """Raise an error for callbacks that cannot be called."""
    if not isinstance(callbacks, (list, tuple, NoneType)):
        raise TypeError(
            f"The 'callbacks' parameter of {type(estimator).__name__} must be a list or tuple of "
            f"functions, or None. Got {callbacks!r}."
        )
    for callback in callbacks or ():
        if not callable(callback) or isinstance(callback, type):
            raise ValueError(
                f"The 'callbacks' parameter of {type(estimator).__name__} must contain functions "
                f"callback(embedder, row), called after each epoch. Got {callback!r}. Pass an "
                "instance instead of a class, and callbacks of scikit-learn to set_callbacks."
            )


def check_optimizer(estimator: Any) -> None:
    """Raise an error, before training, if the optimizer cannot take a step."""
    if isinstance(estimator.optimizer, str):
        return
    weight = torch.nn.Parameter(torch.zeros(1))
    weight.grad = torch.zeros(1)
    with naming_parameter(estimator, "optimizer"):
        _check_leaves_to_parameters(estimator.optimizer)
        made = estimator.optimizer([{"params": [weight]}], lr=1e-3, weight_decay=0.0)
        if not isinstance(made, torch.optim.Optimizer):
            raise TypeError(
                "it must be callable as optimizer(params, lr=..., weight_decay=...) and return an "
                f"optimizer of torch. Got {estimator.optimizer!r}, which returns {made!r}."
            )
        made.step(lambda: 0.0)


def _check_leaves_to_parameters(optimizer: Any) -> None:
    """Raise an error if a partial sets what the estimator has parameters for."""
    given = getattr(optimizer, "keywords", {})
    names = {"lr": "learning_rate", "weight_decay": "weight_decay"}
    instead = [f"{own}={given[name]!r}" for name, own in names.items() if name in given]
    if instead:
        raise ValueError(
            "it must not set lr and weight_decay, which are parameters of the estimator. Got "
            f"{optimizer!r}. Set {' and '.join(instead)} of the estimator instead."
        )


def check_network(estimator: object, backbone: Any, sizes: Iterable[tuple[int, int]]) -> None:
    """Raise an error if the network does not support a (height, width) in `sizes`."""
    with naming_parameter(estimator, "backbone"):
        for size in sizes:
            backbone.check_size(size)


def check_square(estimator: Any, size: tuple[int, int]) -> None:
    """Raise an error if images of (height, width) `size` cannot be rotated by 90 degrees."""
    if size[0] != size[1]:
        height, width, _ = estimator.image_shape_  # the original size: small images are padded
        raise ValueError(
            f"{type(estimator).__name__} rotates images and needs square ones, but those in X have "
            f"{height}x{width} pixels (height x width). Set image_size, for example "
            f"image_size={min(*size, _LARGE_SIDE)}, to resize them."
        )


def check_target(estimator: object, y: npt.ArrayLike | None) -> np.ndarray:
    """Check that `y` is there; return it as an array, which may hold missing values."""
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is None."
        )
    y = check_complete(y, "y", type(estimator).__name__)
    target: np.ndarray = check_array(
        y, ensure_2d=False, dtype=None, ensure_all_finite=False, input_name="y"
    )
    return target


def check_two_images(name: str, n_images: int, why: str) -> None:
    """Raise an error if there are fewer than two images to learn from."""
    if n_images < 2:
        raise ValueError(f"{name} needs at least two different images, but {n_images} {why}.")


def check_scaled_sizes(
    estimator: object, full_size: tuple[int, int], sizes: dict[float, tuple[int, int]]
) -> None:
    """Raise an error if a scale makes images too small; `sizes` maps scales to (h, w)."""
    for scale, size in sizes.items():
        if min(size) < MIN_SCALED_SIDE:
            raise ValueError(
                f"The 'scales' parameter of {type(estimator).__name__}: the scale {scale:g} "
                f"reduces {min(full_size)} pixels to {min(size)}, but images need at least "
                f"{MIN_SCALED_SIDE} pixels per side. Remove this scale, or set image_size."
            )


def check_whole(name: str, value: object, owner: str) -> None:
    """Raise an error if an argument is not a whole number from 1."""
    if not is_whole(value):
        raise ValueError(
            f"The '{name}' argument of {owner} must be a whole number from 1. Got {value!r}."
        )


@contextlib.contextmanager
def naming_parameter(estimator: object, name: str) -> Iterator[None]:
    """Prefix errors raised in the block with the name of the parameter and class."""
    try:
        yield
    except (MemoryError, NotFittedError, OSError):
        raise
    except Exception as error:  # the block may call functions of the user
        if is_out_of_memory(error):
            raise
        kinds = (TypeError, ImportError)
        kind = next((kind for kind in kinds if isinstance(error, kind)), ValueError)
        raise kind(f"The '{name}' parameter of {type(estimator).__name__}: {error}") from error


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether `error` is an out-of-memory error of torch."""
    # On a CPU, torch has no special error type.
    return isinstance(error, torch.OutOfMemoryError) or _NO_MEMORY in str(error)


@contextlib.contextmanager
def naming_data(who: str, problem: str) -> Iterator[None]:
    """Prefix errors raised in the block with `who` and `problem`, unless they contain `who`."""
    try:
        # scikit-learn sums all values to check that they are finite; this may overflow.
        with np.errstate(over="ignore", invalid="ignore"):
            yield
    except (MemoryError, OSError):
        raise
    except Exception as error:  # data may be of any class, and raise anything
        if who in str(error) and isinstance(error, (TypeError, ValueError)):
            raise
        kind = ValueError if isinstance(error, (ValueError, OverflowError)) else TypeError
        raise kind(f"{who} {problem}: {error}") from error


def warn_if_other_range(estimator: Any, images: Any) -> None:
    """Warn if the values of images differ clearly from the range seen in fit, if there is one.

    Parameters
    ----------
    estimator : estimator
        An estimator. Its ``value_range_``, if any, contains numbers or arrays (C,).

    images : ndarray or ImageFiles of shape (n, H, W, C)
    """
    if not hasattr(estimator, "value_range_"):
        return
    low, high = estimator.value_range_
    are_bytes = images.dtype == np.uint8
    if are_bytes and np.all(np.equal(low, 0)) and np.all(np.equal(high, 255)):
        return
    try:
        least, greatest = _extremes(images, (0, 1, 2) if np.ndim(low) else None)
    except ImageFileError:  # handled later, when all files are read
        return
    deeper = bool(np.any(np.asarray(high) > 255))  # than bytes, as of 12 or 16 bits
    other = deeper if are_bytes else _is_rescaled(low, high, least, greatest)
    if other or _is_far(low, high, least, greatest):
        warnings.warn(
            f"{type(estimator).__name__} was fitted on images with values from {np.min(low):g} to "
            f"{np.max(high):g}, but X has values from {np.min(least):g} to {np.max(greatest):g}. "
            "Pass images of the range seen in fit.",
            UserWarning,
            stacklevel=3,
        )


def _extremes(images: Any, axis: tuple[int, ...] | None) -> tuple[Any, Any]:
    """Return the minimum and maximum of a sample, to avoid reading all images again."""
    in_memory = isinstance(images, np.ndarray)
    if not in_memory and images.dtype == np.uint8:  # files would have to be decoded
        return 0.0, 255.0
    n_most = _RANGE_SAMPLE if in_memory else _FILES_SAMPLE
    sample = images[:: -(-len(images) // n_most)]
    return sample.min(axis).astype(np.float64), sample.max(axis).astype(np.float64)


def _is_far(low: Any, high: Any, least: Any, greatest: Any) -> bool:
    """Return whether values are far outside the range seen in fit, as 0 to 255 after 0 to 1."""
    span = high - low
    return bool(np.any((greatest > high + 10 * span) | (least < low - 10 * span)))


def _is_rescaled(low: Any, high: Any, least: Any, greatest: Any) -> bool:
    """Return whether values seem scaled to 0 to 1 instead of 0 to 255, or standardised.

    Standardised values are negative where there were no negative values, and have another spread.
    Resampling also causes a few negative values, but close to 0 and with the same spread.
    """
    span, spread = high - low, greatest - least
    too_dark = (high == 255) & (greatest > 0) & (greatest <= 1)
    negative = (low >= 0) & (least < -spread / 10)
    other = (spread < span / 10) | (spread > 1.9 * span) | (least < low - 0.9 * span)
    return bool(np.all(too_dark) or np.any(negative & other))
