"""A small network for tiny images and for computers without a GPU."""

from __future__ import annotations

from torch import nn

from sklssl.backbones._base import Backbone, conv_block

__all__ = ["convnet"]


def convnet(in_channels: int = 3, image_size: int = 32, width: int = 32) -> Backbone:
    """Four strided convolutions: about 50 times cheaper than `nin`.

    Parameters
    ----------
    in_channels : int, default=3
        Channels of the images.

    image_size : int, default=32
        The shorter side of the images. Below 24 pixels the first two stages keep the size, so
        that the maps of tiny images keep some extent; otherwise each of the first three halves it.

    width : int, default=32
        Channels of the first stage; doubled by each of the next.

    Returns
    -------
    backbone : Backbone
        With the stages block1 to block4.
    """
    strides = (1, 1, 2, 1) if image_size < 24 else (2, 2, 2, 1)
    stages: dict[str, nn.Module] = {}
    n_in = in_channels
    for i, stride in enumerate(strides):
        n_out = width * 2**i
        stages[f"block{i + 1}"] = conv_block(n_in, n_out, 5 if i == 0 else 3, stride)
        n_in = n_out
    return Backbone(stages, in_channels)
