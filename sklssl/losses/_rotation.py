"""Rotated views of one image should have one feature."""

from __future__ import annotations

from torch import Tensor

from sklssl.losses._checks import at_least_float32, full_precision, shapes_error

__all__ = ["rotation_invariance"]


def rotation_invariance(features: Tensor) -> Tensor:
    """Mean squared distance of the views' features to their mean.

    Averaged over views, images and dimensions.

    Parameters
    ----------
    features : tensor of shape (k, b, d)
        Features of k rotated views of each image, as they are: their length counts.

    Returns
    -------
    loss : tensor of shape ()
        In float32, also under autocast or of lower precision; float64 stays.

    Raises
    ------
    ValueError
        If the shape is not (k, b, d) with at least two views.

    Notes
    -----
    The gradient is the same whether or not the mean is taken as a constant, since the deviations
    from it add up to 0.

    References
    ----------
    Feng, Xu, Tao: Self-Supervised Representation Learning by Rotation Feature Decoupling,
    CVPR 2019.

    Examples
    --------
    >>> import torch
    >>> from sklssl.losses import rotation_invariance
    >>> rotation_invariance(torch.tensor([[[0.0, 5.0]], [[4.0, 5.0]]]))
    tensor(2.)
    """
    if features.ndim != 3 or len(features) < 2:
        raise shapes_error("rotation_invariance", "features (k, b, d), k > 1", features=features)
    with full_precision(features):
        features = at_least_float32(features)
        return (features - features.mean(0)).square().mean()
