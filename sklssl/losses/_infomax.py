"""Mutual information between the parts of an image and the whole: Deep InfoMax."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from sklssl.losses._checks import at_least_float32, check_negatives, full_precision, shapes_error
from sklssl.losses._gather import gather_images

__all__ = ["local_infomax"]


def local_infomax(local: Tensor, whole: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the loss of telling pairs of (part, whole) of one image from those of two images.

    The score of a pair is the dot product of its vectors. The loss is the Jensen-Shannon estimate
    of the mutual information with its sign changed: the mean of ``softplus(-score)`` over the pairs
    of one image plus the mean of ``softplus(score)`` over all pairs of different images.

    Parameters
    ----------
    local : tensor of shape (b, p, d)
        The vectors of the p places of each image's feature map.

    whole : tensor of shape (b, d)
        The vector of each image as a whole.

    Returns
    -------
    loss : tensor of shape ()
        In float32 even under autocast; float64 is kept. Scores of 0 give ``2 * log(2)``.

    accuracy : tensor of shape ()
        The share of places whose own image has the highest score, without a gradient.

    Raises
    ------
    ValueError
        If the shapes do not match, or there is only one image.

    Notes
    -----
    In distributed training the images as a whole are those of all processes, with gradients; as
    for :func:`nt_xent`, the average over the processes equals a single process with all images.

    References
    ----------
    Hjelm et al. Learning Deep Representations by Mutual Information Estimation and Maximization.
    ICLR 2019.

    Examples
    --------
    >>> import torch
    >>> from sklssl.losses import local_infomax
    >>> loss, _ = local_infomax(torch.zeros(3, 4, 2), torch.zeros(3, 2))
    >>> loss
    tensor(1.3863)
    """
    if local.ndim != 3 or (len(local), *local.shape[2:]) != tuple(whole.shape):
        expected = "local (b, p, d) and whole (b, d)"
        raise shapes_error("local_infomax", expected, local=local, whole=whole)
    with full_precision(local):
        (everywhere,), first = gather_images(at_least_float32(whole)[None], "local_infomax")
        n_images = len(everywhere)
        check_negatives("local_infomax", n_images)
        scores = at_least_float32(local) @ everywhere.T  # (b, p, n)
        columns = torch.arange(n_images, device=scores.device)
        column = columns[first : first + len(local), None, None].expand(-1, scores.shape[1], 1)
        own = column == columns
        positives = scores.gather(2, column).squeeze(2)
        positive = F.softplus(-positives).mean()
        others = F.softplus(scores).masked_fill(own, 0).sum(dim=2) / (n_images - 1)
        best = scores.masked_fill(own, -torch.inf).amax(dim=2)
        accuracy = (best < positives).float().mean()
    return positive + others.mean(), accuracy.detach()
