"""Convolutions that are trained, on patches that need no training."""

from __future__ import annotations

from collections.abc import Sequence

from sklssl.backbones._base import Backbone, conv_block
from sklssl.backbones._patchnet import check_n_atoms, make_dictionaries

__all__ = ["patchconvnet"]


def patchconvnet(
    in_channels: int = 3,
    image_size: int = 32,
    n_atoms: int | Sequence[int] = (128, 384),
    width: int = 128,
) -> Backbone:
    """Put two convolutions that are trained behind dictionaries of patches that stay as they are.

    An embedder takes the dictionaries from its images before it trains, as
    :class:`sklssl.PatchDictionaryEmbedder` does. They cost no backward pass, and the maps of all
    stages together know at least what they know.

    Parameters
    ----------
    in_channels : int, default=3
        Channels of the images.

    image_size : int, default=32
        The shorter side of the images; it sets the side and the distance of the patches.

    n_atoms : int or sequence of int, default=(128, 384)
        The number of atoms of each dictionary; one or two.

    width : int, default=128
        Channels of the convolutions: one of 1x1, and one of 3x3.

    Returns
    -------
    backbone : Backbone
        With the stages patches1, patches2 (twice as many channels as atoms), block1 and block2.

    Raises
    ------
    ValueError
        If `n_atoms` is not one or two whole numbers from 1.
    """
    counts = check_n_atoms(n_atoms)
    stages = make_dictionaries(in_channels, image_size, counts)
    for dictionary in stages.values():
        dictionary.requires_grad_(False)
    stages["block1"] = conv_block(2 * counts[-1], width, kernel_size=1)
    stages["block2"] = conv_block(width, width)
    return Backbone(stages, in_channels, image_size)
