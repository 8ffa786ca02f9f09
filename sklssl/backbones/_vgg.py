"""VGG with batch norm from torchvision, divided into stages at its poolings."""

from __future__ import annotations

from torch import nn

from sklssl.backbones._base import Backbone

__all__ = ["vgg11"]


def vgg11(in_channels: int = 3, image_size: int = 224) -> Backbone:
    """Build a VGG with eight 3x3 convolutions with batch norm, and no fully connected layer.

    Parameters
    ----------
    in_channels : int, default=3
        Number of channels of the images.

    image_size : int, default=224
        The shorter side of the images. Below 32 pixels, pooling rounds sizes up, so that no image
        is too small.

    Returns
    -------
    backbone : Backbone
        The network, with the stages block1 to block5 of 64, 128, 256, 512 and 512 channels. Each
        stage ends with a pooling that halves the size.

    References
    ----------
    Simonyan, Zisserman. Very Deep Convolutional Networks for Large-Scale Image Recognition.
    ICLR 2015.
    """
    from torchvision.models.vgg import cfgs, make_layers  # slow to import

    features = make_layers(cfgs["A"], batch_norm=True)
    first = nn.Conv2d(in_channels, 64, 3, padding=1)
    blocks: list[list[nn.Module]] = [[]]
    names = {}
    for i, layer in enumerate([first, *features[1:]]):
        if isinstance(layer, nn.Conv2d) and layer.bias is not None:
            # The initialisation of torchvision's networks.
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        names[f"block{len(blocks)}.{len(blocks[-1])}."] = f"features.{i}."
        blocks[-1].append(layer)
        if isinstance(layer, nn.MaxPool2d):
            layer.ceil_mode = image_size < 32
            blocks.append([])
    stages = {f"block{i}": nn.Sequential(*block) for i, block in enumerate(blocks[:-1], start=1)}
    return Backbone(stages, in_channels, image_size, names)
