"""Rotation invariance: rotated views of an image should have the same features."""

from __future__ import annotations

from torch import Tensor

from sklssl.losses._checks import at_least_float32, full_precision, shapes_error

__all__ = ["rotation_invariance"]


def rotation_invariance(features: Tensor) -> Tensor:
    """Compute the mean squared distance of the features of the views to their mean.

    The distance is averaged over views, images and dimensions.

    Parameters
    ----------
    features : tensor of shape (k, b, d)
        Features of k rotated views of each image, without normalisation.

    Returns
    -------
    loss : tensor of shape ()
        The loss, in float32 even under autocast or for inputs of lower precision; float64 is kept.

    Raises
    ------
    ValueError
        If the shape is not (k, b, d) with at least two views.

    Notes
    -----
    The gradient is the same whether or not the mean is treated as a constant, since the deviations
    from it sum to 0.

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
