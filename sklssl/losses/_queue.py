"""Contrast with a queue of earlier images: MoCo."""

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

__all__ = ["info_nce"]


def info_nce(
    query: Tensor, key: Tensor, queue: Tensor | None, temperature: float = 0.2
) -> tuple[Tensor, Tensor]:
    """Compute the contrastive loss of queries with their keys and a queue of other keys.

    Each query must be more similar to its own key than to the keys in the queue. No gradient flows
    into the keys.

    Parameters
    ----------
    query : tensor of shape (b, d)
        Projections of one view.

    key : tensor of shape (b, d)
        Projections of the other view by the teacher.

    queue : tensor of shape (n, d), or None
        Keys of earlier images; rows of zeros are empty places and are left out. None means the keys
        of the other images of the batch instead.

    temperature : float, default=0.2
        Divisor of the similarities.

    Returns
    -------
    loss : tensor of shape ()
        In float32 even under autocast; float64 is kept.

    accuracy : tensor of shape ()
        The share of queries that are closest to their own key.

    Raises
    ------
    ValueError
        If the temperature is not positive, the shapes do not match, or there is only one image
        and no queue.

    Notes
    -----
    In distributed training every process must have the same queue, with the keys of all processes.

    References
    ----------
    He, Fan, Wu, Xie, Girshick. Momentum Contrast for Unsupervised Visual Representation Learning.
    CVPR 2020.

    Examples
    --------
    >>> import torch
    >>> from sklssl.losses import info_nce
    >>> z = torch.eye(4)
    >>> loss, accuracy = info_nce(z[:2], z[:2], z[2:], temperature=1.0)
    >>> loss, accuracy
    (tensor(0.5514), tensor(1.))
    """
    expected = "query and key of one shape (b, d), and queue (n, d)"
    if query.ndim != 2 or query.shape != key.shape:
        raise shapes_error("info_nce", expected, query=query, key=key)
    if queue is not None and queue.shape[1:] != query.shape[1:]:
        raise shapes_error("info_nce", expected, query=query, key=key, queue=queue)
    if queue is None:
        check_negatives("info_nce", len(query))
    check_positive("info_nce", temperature=temperature)
    with full_precision(query):
        query, key = unit(query), unit(key.detach())
        own = (query * key).sum(dim=1, keepdim=True)
        others = _similarities(query, key, queue)
        scores = torch.cat([own, others], dim=1) / temperature
        loss = F.cross_entropy(scores, scores.new_zeros(len(scores), dtype=torch.long))
        accuracy = (own > others).all(dim=1).float().mean()
    return loss, accuracy.detach()


def _similarities(query: Tensor, key: Tensor, queue: Tensor | None) -> Tensor:
    """Return the similarities with the keys of other images; minus infinity where there is none."""
    if queue is None:
        own = torch.eye(len(query), dtype=torch.bool, device=query.device)
        return (query @ key.T).masked_fill(own, -torch.inf)
    queue = unit(queue.detach())
    return (query @ queue.T).masked_fill((queue == 0).all(dim=1), -torch.inf)
