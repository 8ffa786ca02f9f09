"""Losses of assigning images to learned prototypes: SwAV and DINO."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from sklssl._runtime.gather import gather_rows
from sklssl.losses._checks import (
    at_least_float32,
    check_count,
    check_positive,
    full_precision,
    shapes_error,
)

__all__ = ["sinkhorn", "soft_cross_entropy"]


@torch.no_grad()
def sinkhorn(scores: Tensor, epsilon: float = 0.05, n_iterations: int = 3) -> Tensor:
    """Assign images softly to prototypes, so that all prototypes get the same share of images.

    Rows and columns of ``exp(scores / epsilon)`` are scaled in turn until each prototype has the
    same total, and each image has the total 1.

    Parameters
    ----------
    scores : tensor of shape (b, k)
        Similarities of images and prototypes.

    epsilon : float, default=0.05
        Smaller values give assignments closer to a single prototype.

    n_iterations : int, default=3
        Number of times that both are scaled.

    Returns
    -------
    assignments : tensor of shape (b, k)
        Rows that sum to 1, without a gradient, in float32 or float64.

    Raises
    ------
    ValueError
        If `scores` does not have two dimensions, `epsilon` is not positive, or `n_iterations` is
        below 1.

    Notes
    -----
    The totals of the prototypes are those over the images of all processes in distributed training.
    Computed from logarithms: the exponential itself overflows for scores of unnormalised features.

    References
    ----------
    Cuturi. Sinkhorn Distances: Lightspeed Computation of Optimal Transport. NeurIPS 2013.

    Caron et al. Unsupervised Learning of Visual Features by Contrasting Cluster Assignments.
    NeurIPS 2020.

    Examples
    --------
    >>> import torch
    >>> from sklssl.losses import sinkhorn
    >>> scores = torch.tensor([[1.0, 0.9], [1.0, 0.0]])
    >>> sinkhorn(scores).argmax(dim=1)  # both like the first prototype, one has to yield
    tensor([1, 0])
    """
    if scores.ndim != 2:
        raise shapes_error("sinkhorn", "scores (b, k)", scores=scores)
    check_positive("sinkhorn", epsilon=epsilon)
    check_count("sinkhorn", 1, n_iterations=n_iterations)
    with full_precision(scores):
        logs = at_least_float32(scores) / epsilon
        for _ in range(n_iterations):
            logs = logs - _total_of_columns(logs)
            logs = logs - logs.logsumexp(dim=1, keepdim=True)
        return logs.exp()


def _total_of_columns(logs: Tensor) -> Tensor:
    """Return the logarithm of the sum of each column, over the rows of all processes."""
    totals, _ = gather_rows(logs.logsumexp(dim=0, keepdim=True), "sinkhorn")
    return totals.logsumexp(dim=0, keepdim=True)


def soft_cross_entropy(scores: Tensor, targets: Tensor, temperature: float = 0.1) -> Tensor:
    """Compute the cross-entropy between soft targets and a softmax of scores.

    Parameters
    ----------
    scores : tensor of shape (b, k)
        The scores of each image, one per prototype.

    targets : tensor of shape (b, k)
        The share of each prototype; rows sum to 1. No gradient flows into them.

    temperature : float, default=0.1
        Divisor of the scores.

    Returns
    -------
    loss : tensor of shape ()
        In float32 even under autocast; float64 is kept. Equal scores for all prototypes give
        ``log(k)``.

    Raises
    ------
    ValueError
        If the temperature is not positive, or the shapes differ.

    References
    ----------
    Caron et al. Unsupervised Learning of Visual Features by Contrasting Cluster Assignments.
    NeurIPS 2020.

    Caron et al. Emerging Properties in Self-Supervised Vision Transformers. ICCV 2021.

    Examples
    --------
    >>> import torch
    >>> from sklssl.losses import soft_cross_entropy
    >>> soft_cross_entropy(torch.zeros(2, 8), torch.full((2, 8), 1 / 8)).exp()
    tensor(8.0000)
    """
    if scores.ndim != 2 or scores.shape != targets.shape:
        expected = "scores and targets of one shape (b, k)"
        raise shapes_error("soft_cross_entropy", expected, scores=scores, targets=targets)
    check_positive("soft_cross_entropy", temperature=temperature)
    with full_precision(scores):
        logs = F.log_softmax(at_least_float32(scores) / temperature, dim=1)
        return -(at_least_float32(targets.detach()) * logs).sum(dim=1).mean()
