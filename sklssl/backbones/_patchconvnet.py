"""Trained convolutions on top of dictionaries of patches."""

from __future__ import annotations

from collections.abc import Sequence

from sklssl.backbones._base import Backbone, conv_block
from sklssl.backbones._patchnet import N_LEVELS, check_n_atoms, make_dictionaries

__all__ = ["patchconvnet"]


def patchconvnet(
    in_channels: int = 3,
    image_size: int = 32,
    n_atoms: int | Sequence[int] = (128, 384),
    width: int = 128,
) -> Backbone:
    """Build a network of fixed dictionaries of patches and two trained convolutions.

    An embedder computes the dictionaries from its images before training, like
    :class:`sklssl.PatchDictionaryEmbedder`. They need no backward pass, and their features are part
    of the feature maps of all stages together.

    Parameters
    ----------
    in_channels : int, default=3
        Number of channels of the images.

    image_size : int, default=32
        The shorter side of the images; it determines the size and stride of the patches.

    n_atoms : int or sequence of int, default=(128, 384)
        Number of atoms of each dictionary, for one or two dictionaries.

    width : int, default=128
        Number of channels of the convolutions: one of 1x1, and one of 3x3.

    Returns
    -------
    backbone : Backbone
        The network, with the stages patches1 and patches2 (two channels per atom, and 32 for
        brightness, colour and contrast in the first), block1 and block2.

    Raises
    ------
    ValueError
        If `n_atoms` is not one or two integers of at least 1.
    """
    counts = check_n_atoms(n_atoms)
    stages = make_dictionaries(in_channels, image_size, counts)
    for dictionary in stages.values():
        dictionary.requires_grad_(False)
    n_channels = 2 * counts[-1] + (N_LEVELS if len(counts) == 1 else 0)
    stages["block1"] = conv_block(n_channels, width, kernel_size=1)
    stages["block2"] = conv_block(width, width)
    return Backbone(stages, in_channels, image_size)
