"""Losses on the covariance of features: Barlow Twins and VICReg."""

from __future__ import annotations

import torch
from torch import Tensor

from sklssl.losses._checks import at_least_float32, full_precision, shapes_error
from sklssl.losses._gather import gather_images

__all__ = ["barlow_twins", "vicreg"]

_EPSILON = 1e-5  # added to variances by batch normalisation in the authors' code
_VARIANCE_EPSILON = 1e-4  # of VICReg, in the paper


def barlow_twins(z1: Tensor, z2: Tensor, off_diagonal_weight: float = 5e-3) -> Tensor:
    """Compute the redundancy-reduction loss of Barlow Twins.

    The correlation between each feature of one view and each feature of the other should be 1 for
    the same feature, so that features do not depend on the view, and 0 for different features, so
    that they say different things. The loss is the sum of the squared differences.

    Parameters
    ----------
    z1, z2 : tensors of shape (b, d)
        Projections of the two views.

    off_diagonal_weight : float, default=0.005
        Weight of the correlations between different features.

    Returns
    -------
    loss : tensor of shape ()
        The loss, in float32 even under autocast or for inputs of lower precision; float64 is kept.

    Raises
    ------
    ValueError
        If the shapes differ, or there is only one image.

    Notes
    -----
    In distributed training the correlations are those over the images of all processes, and
    gradients flow to all of them. Averaged over the processes, loss and gradients equal those of a
    single process with all images.

    References
    ----------
    Zbontar, Jing, Misra, LeCun, Deny. Barlow Twins: Self-Supervised Learning via Redundancy
    Reduction. ICML 2021.

    Examples
    --------
    >>> import torch
    >>> from sklssl.losses import barlow_twins
    >>> z = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    >>> barlow_twins(z, z).round(decimals=4)
    tensor(0.)
    >>> barlow_twins(z, -z).round(decimals=2)
    tensor(8.)
    """
    with full_precision(z1):
        views = _gather_pair("barlow_twins", z1, z2)
        deviations = torch.sqrt(views.var(dim=1, unbiased=False, keepdim=True) + _EPSILON)
        first, second = (views - views.mean(dim=1, keepdim=True)) / deviations
        correlations = first.T @ second / views.shape[1]
        same = correlations.diagonal()
        others = correlations.square().sum() - same.square().sum()
        return (same - 1).square().sum() + off_diagonal_weight * others


def vicreg(
    z1: Tensor,
    z2: Tensor,
    *,
    invariance_weight: float = 25.0,
    variance_weight: float = 25.0,
    covariance_weight: float = 1.0,
) -> dict[str, Tensor]:
    """Compute the three terms of VICReg, and their weighted sum.

    The invariance term is the mean squared difference between the two views. The variance term is
    how far the standard deviation of each feature falls below 1, which prevents collapse. The
    covariance term is the sum of the squared covariances between different features, divided by
    the number of features.

    Parameters
    ----------
    z1, z2 : tensors of shape (b, d)
        Projections of the two views.

    invariance_weight, variance_weight, covariance_weight : float
        The weights of the terms: 25, 25 and 1 by default, as in the paper.

    Returns
    -------
    terms : dict of str to tensor of shape ()
        "loss", and the terms "invariance_loss", "variance_loss" and "covariance_loss", without
        their weights. In float32 even under autocast; float64 is kept.

    Raises
    ------
    ValueError
        If the shapes differ, or there is only one image.

    Notes
    -----
    The variance term is the mean over features and views, and the covariance term the sum over
    views, for which the weights of the paper were chosen. Distributed training works as for
    :func:`barlow_twins`.

    References
    ----------
    Bardes, Ponce, LeCun. VICReg: Variance-Invariance-Covariance Regularization for Self-Supervised
    Learning. ICLR 2022.

    Examples
    --------
    >>> import torch
    >>> from sklssl.losses import vicreg
    >>> terms = vicreg(torch.zeros(4, 2), torch.zeros(4, 2))
    >>> terms["invariance_loss"], terms["variance_loss"], terms["covariance_loss"]
    (tensor(0.), tensor(0.9900), tensor(0.))
    """
    with full_precision(z1):
        views = _gather_pair("vicreg", z1, z2)
        n_images, n_features = views.shape[1:]
        centred = views - views.mean(dim=1, keepdim=True)
        covariances = centred.mT @ centred / (n_images - 1)
        variances = covariances.diagonal(dim1=1, dim2=2)
        deviations = torch.sqrt(variances + _VARIANCE_EPSILON)
        squares = covariances.square().sum() - variances.square().sum()
        terms = {
            "invariance_loss": (views[0] - views[1]).square().mean(),
            "variance_loss": (1 - deviations).clamp(min=0).mean(),
            "covariance_loss": squares / n_features,
        }
        weights = invariance_weight, variance_weight, covariance_weight
        total = sum(w * term for w, term in zip(weights, terms.values(), strict=True))
        return {"loss": torch.as_tensor(total), **terms}


def _gather_pair(function: str, z1: Tensor, z2: Tensor) -> Tensor:
    """Return the two views of the images of all processes, (2, n, d)."""
    if z1.ndim != 2 or z1.shape != z2.shape:
        raise shapes_error(function, "z1 and z2 of one shape (b, d)", z1=z1, z2=z2)
    both = torch.stack([at_least_float32(z1), at_least_float32(z2)])
    everywhere, _ = gather_images(both, function)
    if everywhere.shape[1] < 2:
        raise ValueError(
            f"{function}: at least two images are needed to compute how features vary, got a "
            f"batch of {everywhere.shape[1]}."
        )
    return everywhere
