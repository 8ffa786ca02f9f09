"""Checks of what scikit-learn's parameter constraints cannot say."""

import contextlib
import warnings
from types import NoneType

import numpy as np
import torch
from sklearn.exceptions import NotFittedError
from sklearn.utils.multiclass import check_classification_targets

from sklssl.exceptions import ImageFileError, NonFiniteLossError

__all__ = [
    "MAX_SIDE",
    "MIN_SCALED_SIDE",
    "check_callbacks",
    "check_classes",
    "check_features",
    "check_learned",
    "check_network",
    "check_optimizer",
    "check_scaled_sizes",
    "check_square",
    "is_out_of_memory",
    "naming_data",
    "naming_parameter",
    "warn_if_other_range",
]

_NO_MEMORY = "can't allocate memory"

MIN_SCALED_SIDE = 4
# The largest square that is read from a file, too.
MAX_SIDE = 2**13
# Of photographs, more pixels a side take a processor hours.
_LARGE_SIDE = 128

_RANGE_SAMPLE, _FILES_SAMPLE = 1000, 20


def check_learned(name, outputs):
    """Refuse a training after which what the network gives for its images is not finite."""
    if not np.isfinite(outputs).all():
        raise NonFiniteLossError(
            f"{name}: what the network gives for the images in X is infinite or not a number. Try "
            "a tenth of the learning rate, or a smaller weight_decay."
        )


def check_features(estimator, features):
    """Give the features of X, or refuse them if they are not finite."""
    if not np.isfinite(features).all():
        low, high = estimator.value_range_
        raise ValueError(
            f"{type(estimator).__name__} was fitted on images with values from {np.min(low):g} to "
            f"{np.max(high):g}, and those in X are so far from it that their features are infinite "
            "or not a number. Give it images of the range seen in fit."
        )
    return features


def check_callbacks(estimator, callbacks):
    """Refuse callbacks that cannot be called."""
    if not isinstance(callbacks, (list, tuple, NoneType)):
        raise TypeError(
            f"The 'callbacks' parameter of {type(estimator).__name__} must be a list or tuple of "
            f"functions, or None. Got {callbacks!r}."
        )
    for callback in callbacks or ():
        if not callable(callback) or isinstance(callback, type):
            raise ValueError(
                f"The 'callbacks' parameter of {type(estimator).__name__} must hold functions "
                f"callback(embedder, row), called after each epoch. Got {callback!r}; of a class "
                "give an instance, and callbacks of scikit-learn to set_callbacks."
            )


def check_optimizer(estimator):
    """Refuse an optimizer that cannot make a step, before anything is trained."""
    if isinstance(estimator.optimizer, str):
        return
    weight = torch.nn.Parameter(torch.zeros(1))
    weight.grad = torch.zeros(1)
    with naming_parameter(estimator, "optimizer"):
        made = estimator.optimizer([{"params": [weight]}], lr=1e-3, weight_decay=0.0)
        if not isinstance(made, torch.optim.Optimizer):
            raise TypeError(
                "it must be called as optimizer(params, lr=..., weight_decay=...) and give an "
                f"optimizer of torch. Got {estimator.optimizer!r}, which gives {made!r}."
            )
        made.step(lambda: 0.0)


def check_network(estimator, backbone, sizes):
    """Refuse images of any (height, width) of `sizes` that the network cannot take."""
    with naming_parameter(estimator, "backbone"):
        for size in sizes:
            backbone.check_size(size)


def check_square(estimator, size):
    """Refuse images of (height, width) `size` that a task cannot turn."""
    if size[0] != size[1]:
        height, width, _ = estimator.image_shape_  # as they came: small ones are padded
        raise ValueError(
            f"{type(estimator).__name__} turns images and needs them square, but those in X have "
            f"{height}x{width} pixels (height x width). Set image_size, for example "
            f"image_size={min(*size, _LARGE_SIDE)}, to resize them."
        )


def check_classes(y):
    """Refuse a 1-D array `y` that holds no classes, and say who takes numbers."""
    try:
        check_classification_targets(y)
    except ValueError as error:
        raise ValueError(f"{error} sklssl.FineTuneRegressor learns numbers.") from error


def check_scaled_sizes(estimator, full_size, sizes):
    """Refuse a scale that leaves too little of the images; `sizes` gives (h, w) by scale."""
    for scale, size in sizes.items():
        if min(size) < MIN_SCALED_SIDE:
            raise ValueError(
                f"The 'scales' parameter of {type(estimator).__name__}: the scale {scale:g} "
                f"leaves {min(size)} pixels of {min(full_size)}, but at least {MIN_SCALED_SIDE} a "
                "side are needed. Leave it out, or set image_size."
            )


@contextlib.contextmanager
def naming_parameter(estimator, name):
    """Say in the errors of the block which parameter of which class they are about."""
    try:
        yield
    except (MemoryError, NotFittedError, OSError):
        raise
    except Exception as error:  # in the block, functions of the user may be called
        if is_out_of_memory(error):
            raise
        kinds = (TypeError, ImportError)
        kind = next((kind for kind in kinds if isinstance(error, kind)), ValueError)
        raise kind(f"The '{name}' parameter of {type(estimator).__name__}: {error}") from error


def is_out_of_memory(error):
    """Tell whether torch says by `error` that there is no memory left."""
    # Of a processor, its error has no type of its own.
    return isinstance(error, torch.OutOfMemoryError) or _NO_MEMORY in str(error)


@contextlib.contextmanager
def naming_data(who, problem):
    """Say in the errors of the block what `problem` with the data `who` has, if they do not."""
    try:
        # scikit-learn adds all values up to see whether they are finite; that may overflow.
        with np.errstate(over="ignore", invalid="ignore"):
            yield
    except (MemoryError, OSError):
        raise
    except Exception as error:  # data may be of any class, and raise anything
        if who in str(error) and isinstance(error, (TypeError, ValueError)):
            raise
        kind = ValueError if isinstance(error, (ValueError, OverflowError)) else TypeError
        raise kind(f"{who} {problem}: {error}") from error


def warn_if_other_range(estimator, images):
    """Warn of images that can hardly be of the range seen in fit, if one was learned there.

    Parameters
    ----------
    estimator : estimator
        Its ``value_range_`` holds numbers or arrays (C,).

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
    except ImageFileError:  # who reads all of them decides what to do about it
        return
    if _is_far(low, high, least, greatest) or (
        not are_bytes and _is_rescaled(low, high, least, greatest)
    ):
        warnings.warn(
            f"{type(estimator).__name__} was fitted on images with values from {np.min(low):g} to "
            f"{np.max(high):g}, but X has values from {np.min(least):g} to {np.max(greatest):g}. "
            "Give it images of the range seen in fit.",
            UserWarning,
            stacklevel=3,
        )


def _extremes(images, axis):
    """Give the least and the greatest value of a sample: all would have to be read once more."""
    in_memory = isinstance(images, np.ndarray)
    if not in_memory and images.dtype == np.uint8:  # files, which would have to be decoded for it
        return 0.0, 255.0
    n_most = _RANGE_SAMPLE if in_memory else _FILES_SAMPLE
    sample = images[:: -(-len(images) // n_most)]
    return sample.min(axis).astype(np.float64), sample.max(axis).astype(np.float64)


def _is_far(low, high, least, greatest):
    """Tell whether values lie much farther out than any of those seen: 0 to 255 after 0 to 1."""
    span = high - low
    return np.any((greatest > high + 10 * span) | (least < low - 10 * span))


def _is_rescaled(low, high, least, greatest):
    """Tell whether values are 0 to 1 in the place of 0 to 255, or have mean 0 and deviation 1.

    What was never negative is then, and its spread is another one. Resampling makes a few negative
    values too, but near 0 and at the old spread.
    """
    span, spread = high - low, greatest - least
    too_dark = (high == 255) & (greatest > 0) & (greatest <= 1)
    negative = (low >= 0) & (least < -spread / 10)
    other = (spread < span / 10) | (spread > 1.9 * span) | (least < low - 0.9 * span)
    return np.all(too_dark) or np.any(negative & other)
