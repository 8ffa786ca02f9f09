"""Losses for many views of each image: coding rate (EMP-SSL) and Gaussian features (LeJEPA)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sklssl.losses._checks import (
    at_least_float32,
    check_count,
    check_positive,
    full_precision,
    shapes_error,
    unit,
)
from sklssl.losses._gather import gather_images

__all__ = ["coding_rate", "gaussian_distance", "similarity_to_mean"]


def coding_rate(z: Tensor, epsilon: float = 0.2) -> Tensor:
    """Compute the total coding rate of feature vectors: how much room they take up.

    It is ``logdet(I + d / (b * epsilon) * z.T @ z) / 2`` for unit vectors z, the number of nats
    needed to describe them up to the squared error epsilon. It is small if all vectors are alike,
    and largest if they spread evenly over all directions; maximising it prevents collapse.

    Parameters
    ----------
    z : tensor of shape (b, d)
        Vectors, one per image; only their directions matter.

    epsilon : float, default=0.2
        The squared error.

    Returns
    -------
    rate : tensor of shape ()
        In float32 even under autocast; float64 is kept. NaN if a vector is not finite, or `epsilon`
        too small for the precision.

    Raises
    ------
    ValueError
        If `z` does not have two dimensions, or `epsilon` is not positive.

    Notes
    -----
    The smaller of the two determinants, (d, d) or (b, b), is computed; they are equal. In
    distributed training the vectors are those of all processes, with gradients.

    References
    ----------
    Yu, Chan, You, Song, Ma. Learning Diverse and Discriminative Representations via the Principle
    of Maximal Coding Rate Reduction. NeurIPS 2020.

    Tong, Chen, Ma, LeCun. EMP-SSL: Towards Self-Supervised Learning in One Training Epoch. 2023.

    Examples
    --------
    >>> import torch
    >>> from sklssl.losses import coding_rate
    >>> alike, spread = torch.ones(4, 4), torch.eye(4)
    >>> coding_rate(alike) < coding_rate(spread)
    tensor(True)
    """
    if z.ndim != 2:
        raise shapes_error("coding_rate", "z (b, d)", z=z)
    check_positive("coding_rate", epsilon=epsilon)
    with full_precision(z):
        (everywhere,), _ = gather_images(unit(z)[None], "coding_rate")
        n_vectors, width = everywhere.shape
        thin = everywhere if n_vectors < width else everywhere.T
        products = thin @ thin.T
        scaled = products * (width / (n_vectors * epsilon))
        identity = torch.eye(len(products), dtype=products.dtype, device=products.device)
        factor, failed = torch.linalg.cholesky_ex(identity + scaled)  # without an error for NaN
        return factor.diagonal().log().sum().where(failed == 0, math.nan)


def similarity_to_mean(z_views: Tensor) -> Tensor:
    """Compute the mean cosine similarity of the views of an image with their mean.

    Parameters
    ----------
    z_views : tensor of shape (v, b, d)
        The vectors of v views of each image; only their directions matter.

    Returns
    -------
    similarity : tensor of shape ()
        In float32 even under autocast; float64 is kept.

    Raises
    ------
    ValueError
        If `z_views` does not have three dimensions.

    References
    ----------
    Tong, Chen, Ma, LeCun. EMP-SSL: Towards Self-Supervised Learning in One Training Epoch. 2023.

    Examples
    --------
    >>> import torch
    >>> from sklssl.losses import similarity_to_mean
    >>> similarity_to_mean(torch.eye(3).expand(5, 3, 3))
    tensor(1.)
    """
    if z_views.ndim != 3:
        raise shapes_error("similarity_to_mean", "z_views (v, b, d)", z_views=z_views)
    with full_precision(z_views):
        views = unit(z_views)
        return (views * unit(views.mean(dim=0))).sum(dim=-1).mean()


def gaussian_distance(z: Tensor, directions: Tensor, *, n_points: int = 17) -> Tensor:
    """Compute how far vectors are from a standard normal distribution: the SIGReg loss of LeJEPA.

    A vector is standard normal if and only if its component in every direction is. For each
    direction, the Epps-Pulley statistic compares the empirical characteristic function of the
    components with that of a standard normal distribution, ``exp(-t**2 / 2)``: the squared
    difference is integrated over t with the weight ``exp(-t**2 / 2)`` by the trapezoidal rule
    between -5 and 5, and multiplied by the number of vectors.

    Parameters
    ----------
    z : tensor of shape (b, d)
        Vectors, one per image.

    directions : tensor of shape (d, m)
        m random directions; only their directions matter. New ones should be drawn for every step.

    n_points : int, default=17
        Number of points, at least 2, at which the functions are compared.

    Returns
    -------
    distance : tensor of shape ()
        The mean over directions, in float32 even under autocast; float64 is kept. For normal
        vectors its expectation is 1.06, however many there are.

    Raises
    ------
    ValueError
        If the shapes do not match, or `n_points` is below 2.

    Notes
    -----
    In distributed training the vectors are those of all processes, with gradients. The average over
    the processes is that of all their directions, if each has its own.

    References
    ----------
    Balestriero, LeCun. LeJEPA: Provable and Scalable Self-Supervised Learning Without the
    Heuristics. 2025.

    Epps, Pulley. A Test for Normality Based on the Empirical Characteristic Function.
    Biometrika 1983.

    Examples
    --------
    >>> import torch
    >>> from sklssl.losses import gaussian_distance
    >>> rng = torch.Generator().manual_seed(0)
    >>> normal, directions = (torch.randn(256, 8, generator=rng) for _ in range(2))
    >>> near = gaussian_distance(normal, directions.T)
    >>> far = gaussian_distance(0.1 * normal, directions.T)
    >>> 20 * near < far
    tensor(True)
    """
    if z.ndim != 2 or directions.ndim != 2 or z.shape[1] != len(directions):
        expected = "z (b, d) and directions (d, m)"
        raise shapes_error("gaussian_distance", expected, z=z, directions=directions)
    check_count("gaussian_distance", 2, n_points=n_points)
    with full_precision(z):
        (everywhere,), _ = gather_images(at_least_float32(z)[None], "gaussian_distance")
        components = everywhere @ unit(directions.to(everywhere).T).T  # (n, m)
        t = torch.linspace(-5, 5, n_points, dtype=components.dtype, device=components.device)
        normal = torch.exp(-t.square() / 2)
        angles = components[..., None] * t  # (n, m, n_points)
        real, imaginary = angles.cos().mean(dim=0), angles.sin().mean(dim=0)
        difference = (real - normal).square() + imaginary.square()
        return len(everywhere) * torch.trapezoid(difference * normal, t).mean()
