"""A look whether an embedding still tells images apart."""

import warnings

import numpy as np

from sklssl.exceptions import CollapseWarning

__all__ = ["warn_if_collapsed"]

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
