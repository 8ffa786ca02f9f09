"""AlexNet with batch norm, as used in papers on self-supervised learning."""

from __future__ import annotations

from torch import nn

from sklssl.backbones._base import Backbone

__all__ = ["alexnet"]

_WIDTHS = (64, 192, 384, 256, 256)
_POOLED = (True, True, False, False, True)
# Indices of the five convolutions in torchvision's network, which has no batch norm.
_TORCHVISION_NAMES = {
    f"conv{i}.0.": f"features.{place}." for i, place in enumerate((0, 3, 6, 8, 10), start=1)
}


def alexnet(in_channels: int = 3, image_size: int = 224) -> Backbone:
    """Build AlexNet: five convolutions, three of them with pooling, no fully connected layer.

    Parameters
    ----------
    in_channels : int, default=3
        Number of channels of the images.

    image_size : int, default=224
        The shorter side of the images. From 64 pixels, the first convolution is 11x11 with a
        stride of 4 and the second 5x5, as for ImageNet. Below 64, all are 3x3 with a stride of 1,
        and pooling is padded so that no image is too small.

    Returns
    -------
    backbone : Backbone
        The network, with the stages conv1 to conv5 of 64, 192, 384, 256 and 256 channels. Each
        convolution is followed by batch norm and a ReLU. Convolutions have a bias, so that
        torchvision's weights match.

    References
    ----------
    Krizhevsky, Sutskever, Hinton. ImageNet Classification with Deep Convolutional Neural
    Networks. NeurIPS 2012; the widths are those of Krizhevsky. One weird trick for parallelizing
    convolutional neural networks. 2014.

    With batch-norm: Feng, Xu, Tao. Self-Supervised Representation Learning by Rotation Feature
    Decoupling. CVPR 2019.
    """
    small = image_size < 64
    # Kernel, stride and padding.
    convs = [(3, 1, 1)] * 5 if small else [(11, 4, 2), (5, 1, 2)] + [(3, 1, 1)] * 3
    n_in = (in_channels, *_WIDTHS)
    stages = {}
    for i in range(5):
        conv = nn.Conv2d(n_in[i], n_in[i + 1], *convs[i])
        parts = [conv, nn.BatchNorm2d(n_in[i + 1]), nn.ReLU(inplace=True)]
        if _POOLED[i]:
            parts.append(nn.MaxPool2d(3, 2, 1 if small else 0))
        stages[f"conv{i + 1}"] = nn.Sequential(*parts)
    return Backbone(stages, in_channels, image_size, _TORCHVISION_NAMES)
