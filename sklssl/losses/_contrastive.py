"""NT-Xent: vectors of the same image attract, vectors of different images repel each other."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from sklssl.losses._checks import (
    check_negatives,
    check_positive,
    full_precision,
    shapes_error,
    unit,
)
from sklssl.losses._gather import gather_images

__all__ = ["contrastive_accuracy", "nt_xent", "nt_xent_to_mean"]


def nt_xent(z1: Tensor, z2: Tensor, temperature: float = 0.5) -> Tensor:
    """Compute the normalised temperature-scaled cross-entropy of two views of each image.

    Each of the 2b vectors is an anchor. Its positive, the other view of the same image, must be
    identified among the 2b - 1 others by cosine similarity. The loss is the mean over the anchors.

    Parameters
    ----------
    z1, z2 : tensors of shape (b, d)
        Projections of the two views, not necessarily normalised.

    temperature : float, default=0.5
        Divisor of similarities. Lower values give more weight to the most similar negatives.

    Returns
    -------
    loss : tensor of shape ()
        The loss, in float32 even under autocast or for inputs of lower precision; float64 is kept.

    Raises
    ------
    ValueError
        If the temperature is not positive, the shapes differ, or there is only one image.

    Notes
    -----
    In distributed training the anchors are those of this process, the candidates those of all
    processes, and gradients flow to all of them. Averaged over the processes, as by
    DistributedDataParallel, loss and gradients equal those of a single process with all images. If
    the numbers of images differ, multiply the loss of each process by its number of images, divided
    by their mean. All processes must call this function, and its backward pass, together. Shapes
    are compared in each call, a small exchange that waits for the device.

    References
    ----------
    Chen, Kornblith, Norouzi, Hinton: A Simple Framework for Contrastive Learning of Visual
    Representations, ICML 2020.

    Examples
    --------
    >>> import torch
    >>> from sklssl.losses import nt_xent
    >>> z = torch.eye(4)
    >>> nt_xent(z, z)
    tensor(0.5944)
    >>> nt_xent(z, z.roll(1, dims=0))
    tensor(2.5944)
    """
    _check_pair("nt_xent", z1, z2)
    check_positive("nt_xent", temperature=temperature)
    with full_precision(z1):
        views = torch.stack([unit(z1), unit(z2)])
        everywhere, offset = gather_images(views, "nt_xent")
        check_negatives("nt_xent", everywhere.shape[1])
        scores, own = _similarities(views / temperature, everywhere.flip(0), everywhere, offset)
        return F.cross_entropy(scores.flatten(0, 1), own.repeat(2))


def nt_xent_to_mean(z_views: Tensor, z_mean: Tensor, temperature: float = 0.5) -> Tensor:
    """Compute NT-Xent between the vector of each view and that of the mean feature of the image.

    The anchor is view y of image i, its positive the vector of the mean feature of image i. The
    candidates are the 2b vectors of the pair (`z_views[y]`, `z_mean`) except for the anchor: other
    views are neither attracted nor repelled. The loss is summed over the k views and averaged over
    the b images.

    Parameters
    ----------
    z_views : tensor of shape (k, b, d)
        Projections of k views (rotations) of each image, not necessarily normalised.

    z_mean : tensor of shape (b, d)
        Projections of the mean feature over the views, not necessarily normalised.

    temperature : float, default=0.5
        Divisor of similarities.

    Returns
    -------
    loss : tensor of shape ()
        The loss, in float32 even under autocast or for inputs of lower precision; float64 is kept.

    Raises
    ------
    ValueError
        If the temperature is not positive, the shapes do not match, or there is only one image.

    Notes
    -----
    As in the paper, only one direction is used: the means are not anchors. With the means as
    anchors too, the loss would be ``sum(nt_xent(z, z_mean) for z in z_views)``. Distributed
    training works as for :func:`nt_xent`.

    References
    ----------
    Sangam, Feng: Improving Self-Supervised Representation Learning by Rotation Feature Decoupling
    & NT-Xent Loss, 2021, section 2.

    Examples
    --------
    >>> import torch
    >>> from sklssl.losses import nt_xent_to_mean
    >>> z = torch.eye(3)
    >>> nt_xent_to_mean(z.expand(4, 3, 3), z)
    tensor(1.7306)
    """
    name = "nt_xent_to_mean"
    if z_views.ndim != 3 or z_mean.shape != z_views.shape[1:]:
        expected = "z_views (k, b, d) and z_mean (b, d)"
        raise shapes_error(name, expected, z_views=z_views, z_mean=z_mean)
    check_positive(name, temperature=temperature)
    with full_precision(z_views):
        views, mean = unit(z_views), unit(z_mean)
        everywhere, offset = gather_images(torch.cat([views, mean[None]]), name)
        check_negatives(name, everywhere.shape[1])
        scores, own = _similarities(views / temperature, everywhere[-1:], everywhere[:-1], offset)
        n_views = len(views)
        return n_views * F.cross_entropy(scores.flatten(0, 1), own.repeat(n_views))


@torch.no_grad()
def contrastive_accuracy(z1: Tensor, z2: Tensor) -> Tensor:
    """Compute the share of the 2b vectors that are closest to their positive.

    A tie with another vector counts as an error, so that equal vectors score 0. In distributed
    training the other vectors are those of all processes.

    Parameters
    ----------
    z1, z2 : tensors of shape (b, d)
        Projections of the two views, not necessarily normalised.

    Returns
    -------
    accuracy : tensor of shape ()
        The accuracy in [0, 1], without a gradient.

    Raises
    ------
    ValueError
        If the shapes differ, or there is only one image.

    References
    ----------
    Chen, Kornblith, Norouzi, Hinton: A Simple Framework for Contrastive Learning of Visual
    Representations, ICML 2020.

    Examples
    --------
    >>> import torch
    >>> from sklssl.losses import contrastive_accuracy
    >>> z = torch.eye(4)
    >>> contrastive_accuracy(z, z), contrastive_accuracy(z, z.roll(1, dims=0))
    (tensor(1.), tensor(0.))
    """
    _check_pair("contrastive_accuracy", z1, z2)
    with full_precision(z1):
        views = torch.stack([unit(z1), unit(z2)])
        everywhere, offset = gather_images(views, "contrastive_accuracy")
        check_negatives("contrastive_accuracy", everywhere.shape[1])
        scores, own = _similarities(views, everywhere.flip(0), everywhere, offset)
    column = own.expand(2, -1)[..., None]
    partner = scores.gather(2, column).squeeze(2)
    others = scores.scatter(2, column, -torch.inf).amax(2)
    return (partner > others).float().mean()


def _similarities(
    anchors: Tensor, positives: Tensor, negatives: Tensor, offset: int
) -> tuple[Tensor, Tensor]:
    """Compute the similarities of anchors with all candidates.

    Parameters
    ----------
    anchors : tensor of shape (v, b, d)
        v vectors of each of the images offset, ..., offset + b - 1.

    positives : tensor of shape (v or 1, n, d)
        The vectors of all n images that are positives of the anchors.

    negatives : tensor of shape (v, n, d)
        The vectors of all n images of the same kind as the anchors.

    Returns
    -------
    scores : tensor of shape (v, b, 2n)
        Similarities with positives, then with negatives; minus infinity for the anchor itself.

    own : tensor of shape (b,)
        The column of the positive of each anchor.
    """
    images = torch.arange(positives.shape[1], device=anchors.device)
    own = images[offset : offset + anchors.shape[1]]
    among_negatives = (anchors @ negatives.mT).masked_fill(own[:, None] == images, -torch.inf)
    return torch.cat([anchors @ positives.mT, among_negatives], dim=2), own


def _check_pair(function: str, z1: Tensor, z2: Tensor) -> None:
    if z1.ndim != 2 or z1.shape != z2.shape:
        raise shapes_error(function, "z1 and z2 of one shape (b, d)", z1=z1, z2=z2)
