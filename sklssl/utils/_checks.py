"""Checks of what scikit-learn's parameter constraints cannot say."""

import contextlib
import warnings

import numpy as np

from sklssl.exceptions import CollapseWarning

__all__ = [
    "MIN_SCALED_SIDE",
    "check_callbacks",
    "check_network",
    "check_scaled_sizes",
    "check_square",
    "naming_parameter",
    "warn_if_collapsed",
    "warn_if_other_range",
]

MIN_SCALED_SIDE = 4

_RANGE_SAMPLE = 1000

# Centred features this small against the uncentred ones are rounding, not information.
_TOLERANCE = 1e-4


def warn_if_collapsed(name, features):
    """Warn when the rows of `features` (n, d) are all but equal."""
    spread = np.linalg.norm(features - features.mean(axis=0))
    if spread <= _TOLERANCE * np.linalg.norm(features):
        warnings.warn(
            f"{name}: the embedding collapsed, all images have (almost) the same features. Try a "
            "smaller learning_rate, fewer max_epochs or another layer, and check that the images "
            "in X differ.",
            CollapseWarning,
            stacklevel=2,
        )


def check_callbacks(estimator, callbacks):
    """Refuse callbacks that cannot be called."""
    for callback in callbacks or ():
        if not callable(callback) or isinstance(callback, type):
            raise ValueError(
                f"The 'callbacks' parameter of {type(estimator).__name__} must hold functions "
                f"callback(embedder, row), called after each epoch. Got {callback!r}; of a class "
                "give an instance, and callbacks of scikit-learn to set_callbacks."
            )


def check_network(estimator, backbone, sizes):
    """Refuse images of any (height, width) of `sizes` that the network cannot take."""
    with naming_parameter(estimator, "backbone"):
        for size in sizes:
            backbone.check_size(size)


def check_square(estimator, size):
    """Refuse images of (height, width) `size` that a task cannot turn."""
    height, width = size
    if height != width:
        raise ValueError(
            f"{type(estimator).__name__} turns images and needs them square, but those in X have "
            f"{height}x{width} pixels (height x width). Set image_size, for example "
            f"image_size={min(size)}, to resize them."
        )


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
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"The '{name}' parameter of {type(estimator).__name__}: {error}") from error


def warn_if_other_range(estimator, images):
    """Warn of images that can hardly be of the range seen in fit: 0 to 1 against 0 to 255."""
    low, high = estimator.value_range_
    if images.dtype == np.uint8 and (low, high) == (0, 255):
        return
    span = high - low
    sample = images[:: -(-len(images) // _RANGE_SAMPLE)]  # all would have to be read once more
    least, greatest = float(sample.min()), float(sample.max())
    too_dark = images.dtype != np.uint8 and high == 255 and 0 < greatest <= 1
    if too_dark or greatest > high + 10 * span or least < low - 10 * span:
        warnings.warn(
            f"{type(estimator).__name__} was fitted on images with values from {low:g} to "
            f"{high:g}, but X has values from {least:g} to {greatest:g}. Give it images of the "
            "range seen in fit.",
            UserWarning,
            stacklevel=3,
        )
