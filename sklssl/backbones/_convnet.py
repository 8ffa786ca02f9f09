"""A small network for tiny images, or for training without a GPU."""

from __future__ import annotations

from sklssl.backbones._base import Backbone, conv_block

__all__ = ["convnet"]


def convnet(in_channels: int = 3, image_size: int = 32, width: int = 32) -> Backbone:
    """Build a network of four 3x3 convolutions, about 30 times cheaper than `nin`.

    Parameters
    ----------
    in_channels : int, default=3
        Number of channels of the images.

    image_size : int, default=32
        The shorter side of the images. From 16 pixels, the first stage halves the size; below, it
        keeps the size, so that feature maps of tiny images do not become too small. The third stage
        halves it in either case.

    width : int, default=32
        Number of channels of the first stage; the others have twice as many.

    Returns
    -------
    backbone : Backbone
        The network, with the stages block1 to block4.
    """
    strides = (1 if image_size < 16 else 2, 1, 2, 1)
    widths = (in_channels, width, 2 * width, 2 * width, 2 * width)
    return Backbone(
        {
            f"block{i + 1}": conv_block(widths[i], widths[i + 1], stride=stride)
            for i, stride in enumerate(strides)
        },
        in_channels,
        image_size,
    )
