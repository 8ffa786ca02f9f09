"""The loss of predicting one view from another: SimSiam and BYOL."""

from __future__ import annotations

from torch import Tensor

from sklssl.losses._checks import full_precision, shapes_error, unit

__all__ = ["negative_cosine"]


def negative_cosine(predicted: Tensor, target: Tensor) -> Tensor:
    """Compute the mean negative cosine similarity of predictions and their targets.

    No gradient flows into the targets: without this, constant vectors would be a solution.

    Parameters
    ----------
    predicted, target : tensors of shape (b, d)
        Predictions, and what they should be; only their directions matter.

    Returns
    -------
    loss : tensor of shape ()
        Between -1 (equal directions) and 1, in float32 even under autocast; float64 is kept.

    Raises
    ------
    ValueError
        If the shapes differ.

    Notes
    -----
    SimSiam minimises the mean of this loss over both directions; BYOL minimises ``2 + 2 * loss``
    with the projections of a teacher as targets. In distributed training the images are those of
    this process.

    References
    ----------
    Grill et al. Bootstrap Your Own Latent: A New Approach to Self-Supervised Learning.
    NeurIPS 2020.

    Chen, He. Exploring Simple Siamese Representation Learning. CVPR 2021.

    Examples
    --------
    >>> import torch
    >>> from sklssl.losses import negative_cosine
    >>> z = torch.eye(3)
    >>> negative_cosine(z, 2 * z), negative_cosine(z, z.roll(1, dims=0))
    (tensor(-1.), tensor(-0.))
    """
    if predicted.ndim != 2 or predicted.shape != target.shape:
        expected = "predicted and target of one shape (b, d)"
        raise shapes_error("negative_cosine", expected, predicted=predicted, target=target)
    with full_precision(predicted):
        return -(unit(predicted) * unit(target.detach())).sum(dim=1).mean()
