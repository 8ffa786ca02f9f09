"""Network in Network, as used in the RotNet papers."""

from __future__ import annotations

from torch import nn

from sklssl.backbones._base import Backbone, conv_block

__all__ = ["nin"]


def nin(in_channels: int = 3, image_size: int = 32, n_blocks: int = 4) -> Backbone:
    """Build a Network in Network: blocks of one spatial and two 1x1 convolutions.

    Parameters
    ----------
    in_channels : int, default=3
        Number of channels of the images.

    image_size : int, default=32
        The shorter side of the images. It does not affect the network.

    n_blocks : {3, 4, 5}, default=4
        Number of blocks.

    Returns
    -------
    backbone : Backbone
        The network, with the stages block1 (96 channels), block2, ... (192 channels).

    Raises
    ------
    ValueError
        If `n_blocks` is not 3, 4 or 5.

    References
    ----------
    Gidaris, Singh, Komodakis. Unsupervised Representation Learning by Predicting Image
    Rotations. ICLR 2018.
    """
    if n_blocks not in (3, 4, 5):
        raise ValueError(f"The 'n_blocks' parameter of nin must be 3, 4 or 5. Got {n_blocks!r}.")
    stages = {
        "block1": nn.Sequential(_block(in_channels, (192, 160, 96), 5), nn.MaxPool2d(3, 2, 1)),
        "block2": nn.Sequential(_block(96, (192, 192, 192), 5), nn.AvgPool2d(3, 2, 1)),
    }
    for i in range(3, n_blocks + 1):
        stages[f"block{i}"] = _block(192, (192, 192, 192), 3)
    return Backbone(stages, in_channels, image_size)


def _block(n_in: int, widths: tuple[int, int, int], kernel_size: int) -> nn.Sequential:
    return nn.Sequential(
        conv_block(n_in, widths[0], kernel_size),
        conv_block(widths[0], widths[1], 1),
        conv_block(widths[1], widths[2], 1),
    )
