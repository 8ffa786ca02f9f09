"""NT-Xent: two vectors of one image attract each other, those of other images repel."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from sklssl.losses._checks import check_temperature, full_precision, shapes_error, unit
from sklssl.losses._gather import gather_images

__all__ = ["contrastive_accuracy", "nt_xent", "nt_xent_to_mean"]


def nt_xent(z1: Tensor, z2: Tensor, temperature: float = 0.5) -> Tensor:
    """Normalised temperature-scaled cross-entropy of two views of each image.

    Each of the 2b vectors is an anchor. Among the 2b - 1 others, by cosine similarity, it has to
    find its partner: the other view of its image. The loss is the mean over the anchors.

    Parameters
    ----------
    z1, z2 : tensors of shape (b, d)
        Projections of the two views, of any length.

    temperature : float, default=0.5
        What similarities are divided by. The lower, the more the most similar negatives count.

    Returns
    -------
    loss : tensor of shape ()
        In float32, also under autocast or of lower precision; float64 stays.

    Raises
    ------
    ValueError
        If the temperature is not above 0, the shapes are not equal, or there is but one image.

    Notes
    -----
    In a distributed training the anchors are this process' own, the candidates those of all
    processes, and gradients flow to all: averaged over the processes, as
    DistributedDataParallel does, loss and gradients are those of one process with all the images.
    All processes must call this, and its backward, together, with batches of one shape (compared
    at each call: a small exchange, which waits for the device).

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
    check_temperature("nt_xent", temperature)
    with full_precision(z1):
        views = torch.stack([unit(z1), unit(z2)])
        everywhere, offset = gather_images(views, "nt_xent")
        _check_negatives("nt_xent", everywhere)
        scores, own = _scores(views / temperature, everywhere.flip(0), everywhere, offset)
        return F.cross_entropy(scores.flatten(0, 1), own.repeat(2))


def nt_xent_to_mean(z_views: Tensor, z_mean: Tensor, temperature: float = 0.5) -> Tensor:
    """NT-Xent between each view's vector and that of the image's mean feature.

    The anchor is view y of image i, its partner the vector of the mean feature of image i. The
    candidates are the 2b vectors of the pair (`z_views[y]`, `z_mean`) but for the anchor: other
    views are neither attracted nor repelled. Summed over the k views, averaged over the b images.

    Parameters
    ----------
    z_views : tensor of shape (k, b, d)
        Projections of k views (rotations) of each image, of any length.

    z_mean : tensor of shape (b, d)
        Projections of the features' mean over the views, of any length.

    temperature : float, default=0.5
        What similarities are divided by.

    Returns
    -------
    loss : tensor of shape ()
        In float32, also under autocast or of lower precision; float64 stays.

    Raises
    ------
    ValueError
        If the temperature is not above 0, the shapes do not fit, or there is but one image.

    Notes
    -----
    One direction, as the paper writes it: the means are no anchors. With the means as anchors
    too, it is ``sum(nt_xent(z, z_mean) for z in z_views)``. Distributed as in :func:`nt_xent`.

    References
    ----------
    Feng, Sangam: Improving Self-Supervised Representation Learning by Rotation Feature Decoupling
    & NT-Xent Loss, section 2.

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
    check_temperature(name, temperature)
    with full_precision(z_views):
        views, mean = unit(z_views), unit(z_mean)
        everywhere, offset = gather_images(torch.cat([views, mean[None]]), name)
        _check_negatives(name, everywhere)
        scores, own = _scores(views / temperature, everywhere[-1:], everywhere[:-1], offset)
        n_views = len(views)
        return n_views * F.cross_entropy(scores.flatten(0, 1), own.repeat(n_views))


@torch.no_grad()
def contrastive_accuracy(z1: Tensor, z2: Tensor) -> Tensor:
    """Share of the 2b vectors that are more similar to their partner than to any other.

    A tie with another vector counts as wrong, so that equal vectors score 0. In a distributed
    training the images are this process' own.

    Parameters
    ----------
    z1, z2 : tensors of shape (b, d)
        Projections of the two views, of any length.

    Returns
    -------
    accuracy : tensor of shape ()
        In [0, 1], without a gradient.

    Raises
    ------
    ValueError
        If the shapes are not equal, or there is but one image.

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
        _check_negatives("contrastive_accuracy", views)
        scores, own = _scores(views, views.flip(0), views, 0)
    column = own.expand(2, -1)[..., None]
    partner = scores.gather(2, column).squeeze(2)
    others = scores.scatter(2, column, -torch.inf).amax(2)
    return (partner > others).float().mean()


def _scores(
    anchors: Tensor, partners: Tensor, rivals: Tensor, offset: int
) -> tuple[Tensor, Tensor]:
    """Similarities of anchors with all that they choose from.

    Parameters
    ----------
    anchors : tensor of shape (v, b, d)
        v vectors of each of the images offset, ..., offset + b - 1.

    partners : tensor of shape (v or 1, n, d)
        The vectors of all n images that are partners of the anchors.

    rivals : tensor of shape (v, n, d)
        Those of all n images of the anchors' own kind.

    Returns
    -------
    scores : tensor of shape (v, b, 2n)
        With the partners, then with the rivals; an anchor with itself: minus infinity.

    own : tensor of shape (b,)
        The column of each anchor's partner.
    """
    images = torch.arange(partners.shape[1], device=anchors.device)
    own = images[offset : offset + anchors.shape[1]]
    among_rivals = (anchors @ rivals.mT).masked_fill(own[:, None] == images, -torch.inf)
    return torch.cat([anchors @ partners.mT, among_rivals], dim=2), own


def _check_pair(function: str, z1: Tensor, z2: Tensor) -> None:
    if z1.ndim != 2 or z1.shape != z2.shape:
        raise shapes_error(function, "z1 and z2 of one shape (b, d)", z1=z1, z2=z2)


def _check_negatives(function: str, everywhere: Tensor) -> None:
    n_images = everywhere.shape[1]
    if n_images < 2:
        raise ValueError(
            f"{function}: at least two images are needed, the other ones being the negatives, "
            f"got a batch of {n_images}."
        )
