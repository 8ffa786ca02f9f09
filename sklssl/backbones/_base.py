"""The contract of a backbone: ordered, named stages behind one standardisation."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Backbone", "conv_block", "pool_map"]


class Backbone(nn.Module):
    """A network as an ordered set of named stages, each giving a feature map.

    Parameters
    ----------
    stages : mapping of str to nn.Module
        The stages in order; each takes the map (b, D, h, w) of the one before it.

    in_channels : int, default=3
        Channels of the images.

    Raises
    ------
    ValueError
        If there is no stage.

    Notes
    -----
    The images, floats in [0, 1], are standardised here, with a mean and a scale for each channel
    (:meth:`set_standardisation`), so that the weights never travel without them.

    Examples
    --------
    >>> import torch
    >>> from sklssl.backbones import make_backbone
    >>> backbone = make_backbone("convnet")
    >>> backbone.layer_names
    ('block1', 'block2', 'block3', 'block4')
    >>> backbone(torch.zeros(2, 3, 32, 32)).shape == (2, backbone.n_features, 8, 8)
    True
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, stages: Mapping[str, nn.Module], in_channels: int = 3) -> None:
        super().__init__()
        if not stages:
            raise ValueError("A backbone needs at least one named stage, but no stage was given.")
        self.stages = nn.Sequential(OrderedDict(stages))
        self.in_channels = in_channels
        self.register_buffer("mean", torch.zeros(1, in_channels, 1, 1))
        self.register_buffer("scale", torch.ones(1, in_channels, 1, 1))
        self.widths = {name: shape[0] for name, shape in self.map_shapes((32, 32)).items()}

    @property
    def layer_names(self) -> tuple[str, ...]:
        """The names of the stages, from the image to the last map."""
        return tuple(name for name, _ in self.stages.named_children())

    @property
    def n_features(self) -> int:
        """The number of channels of the last map."""
        return self.widths[self.layer_names[-1]]

    def set_standardisation(self, mean: Tensor, scale: Tensor) -> None:
        """Standardise images with this mean and scale, each of shape (C,), from now on."""
        self.mean.copy_(mean.view(1, -1, 1, 1))
        self.scale.copy_(scale.view(1, -1, 1, 1))

    def forward(self, images: Tensor, layer: str | None = None) -> Tensor:
        """Give the map (b, D, h, w) of `layer`, by default of the last one."""
        x = (images - self.mean) / self.scale
        for name, stage in self.stages.named_children():
            x = stage(x)
            if name == layer:
                break
        return x

    def maps(self, images: Tensor) -> dict[str, Tensor]:
        """Give the maps of all stages in one pass."""
        x = (images - self.mean) / self.scale
        maps = {}
        for name, stage in self.stages.named_children():
            maps[name] = x = stage(x)
        return maps

    def map_shapes(self, size: tuple[int, int]) -> dict[str, tuple[int, int, int]]:
        """Give (D, h, w) of every stage's map for images of (height, width) `size`."""
        training = self.training
        self.eval()
        with torch.no_grad():
            maps = self.maps(self.mean.new_zeros(1, self.in_channels, *size))
        self.train(training)
        return {name: (x.shape[1], x.shape[2], x.shape[3]) for name, x in maps.items()}


def pool_map(x: Tensor, pool_size: int = 1) -> Tensor:
    """Average a map (b, D, h, w) to (b, D * p * p); p is `pool_size`, or the map's side if less."""
    if pool_size == 1:
        return x.mean((2, 3))
    size = min(pool_size, x.shape[2]), min(pool_size, x.shape[3])
    return F.adaptive_avg_pool2d(x, size).flatten(1)


def conv_block(n_in: int, n_out: int, kernel_size: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution that keeps the size (but for the stride), batch-norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, kernel_size, stride, kernel_size // 2, bias=False),
        nn.BatchNorm2d(n_out),
        nn.ReLU(inplace=True),
    )
