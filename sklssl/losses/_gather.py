"""Gather the features of all processes in distributed training, with gradients."""

from __future__ import annotations

from torch import Tensor

from sklssl._runtime.gather import gather_rows

__all__ = ["gather_images"]


def gather_images(features: Tensor, function: str) -> tuple[Tensor, int]:
    """Concatenate the features of all ranks along the images.

    Parameters
    ----------
    features : tensor of shape (v, b, d)
        v vectors for each of the b images of this rank; b may differ between ranks.

    function : str
        The name of the caller; used in error messages.

    Returns
    -------
    everywhere : tensor of shape (v, n, d)
        The vectors of the n images of all ranks, in order; `features` in a single process.

    offset : int
        The index of the first image of this rank.
    """
    rows, offset = gather_rows(features.transpose(0, 1), function)
    return rows.transpose(0, 1), offset
