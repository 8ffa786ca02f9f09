"""Residual networks: those for ImageNet, with a stem for small images, and those for CIFAR."""

from __future__ import annotations

from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from sklssl.backbones._base import Backbone

__all__ = ["resnet8", "resnet18", "resnet20", "resnet32", "resnet50"]


def _resnet(name: str, in_channels: int = 3, image_size: int = 32) -> Backbone:
    """Build a residual network with the stages stem, layer1, ..., layer4.

    Parameters
    ----------
    name : str
        The name of the network in torchvision.

    in_channels : int, default=3
        Number of channels of the images.

    image_size : int, default=32
        The shorter side of the images. Below 64 pixels the stem is one 3x3 convolution, from 64
        the 7x7 convolution and pooling of the paper.

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
    # The initialisation of torchvision's networks.
    nn.init.kaiming_normal_(stem[0].weight, mode="fan_out", nonlinearity="relu")
    stages: dict[str, nn.Module] = {"stem": nn.Sequential(*stem, *([] if small else [net.maxpool]))}
    for i in range(1, 5):
        stages[f"layer{i}"] = getattr(net, f"layer{i}")
    return Backbone(stages, in_channels, image_size, {"stem.0.": "conv1.", "stem.1.": "bn1."})


class _Shortcut(nn.Module):
    """Subsample by two and pad the channels with zeros on both sides, without weights."""

    def __init__(self, n_new: int) -> None:
        super().__init__()
        self.n_new = n_new

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.n_new // 2, self.n_new // 2))


def _cifar_resnet(depth: int, in_channels: int = 3, image_size: int = 32) -> Backbone:
    """Build a residual network for small images with the stages stem, layer1, layer2, layer3.

    Parameters
    ----------
    depth : int
        Number of layers with weights, including the classifier: 6 n + 2 for n blocks per stage.

    in_channels : int, default=3
        Number of channels of the images.

    image_size : int, default=32
        The shorter side of the images. It does not affect the network.

    Returns
    -------
    backbone : Backbone
        The network, with 16, 16, 32 and 64 channels; shortcuts have no weights (option A).

    References
    ----------
    He, Zhang, Ren, Sun. Deep Residual Learning for Image Recognition. CVPR 2016, section 4.2.
    """
    from torchvision.models.resnet import BasicBlock  # slow to import

    stem = nn.Sequential(
        nn.Conv2d(in_channels, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True)
    )
    stages: dict[str, nn.Module] = {"stem": stem}
    for i, width in enumerate((16, 32, 64), start=1):
        blocks = [BasicBlock(width, width) for _ in range((depth - 2) // 6)]
        if i > 1:
            blocks[0] = BasicBlock(width // 2, width, 2, _Shortcut(width // 2))
        stages[f"layer{i}"] = nn.Sequential(*blocks)
    backbone = Backbone(stages, in_channels, image_size)
    for module in backbone.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return backbone


resnet8 = partial(_cifar_resnet, 8)
resnet18 = partial(_resnet, "resnet18")
resnet20 = partial(_cifar_resnet, 20)
resnet32 = partial(_cifar_resnet, 32)
resnet50 = partial(_resnet, "resnet50")
