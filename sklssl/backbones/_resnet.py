"""Residual networks from torchvision, with a stem for small images."""

from __future__ import annotations

from functools import partial

from torch import nn

from sklssl.backbones._base import Backbone

__all__ = ["resnet18", "resnet50"]


def _resnet(name: str, in_channels: int = 3, image_size: int = 32) -> Backbone:
    """Build a residual network with the stages stem, layer1, ..., layer4.

    Parameters
    ----------
    name : str
        torchvision's name of the network.

    in_channels : int, default=3
        Channels of the images.

    image_size : int, default=32
        The shorter side of the images. Below 64 pixels the stem is one 3x3 convolution, from 64
        on the 7x7 convolution and the pooling of the paper.

    Returns
    -------
    backbone : Backbone

    References
    ----------
    He, Zhang, Ren, Sun. Deep Residual Learning for Image Recognition. CVPR 2016.
    """
    from torchvision import models  # slow to import, and most users need no residual network

    net = models.get_model(name, weights=None)
    small = image_size < 64
    stem = [
        nn.Conv2d(in_channels, 64, 3, 1, 1, bias=False)
        if small
        else nn.Conv2d(in_channels, 64, 7, 2, 3, bias=False),
        net.bn1,
        net.relu,
    ]
    # The weights that torchvision's networks start from.
    nn.init.kaiming_normal_(stem[0].weight, mode="fan_out", nonlinearity="relu")
    stages: dict[str, nn.Module] = {"stem": nn.Sequential(*stem, *([] if small else [net.maxpool]))}
    for i in range(1, 5):
        stages[f"layer{i}"] = getattr(net, f"layer{i}")
    return Backbone(stages, in_channels)


resnet18 = partial(_resnet, "resnet18")
resnet50 = partial(_resnet, "resnet50")
