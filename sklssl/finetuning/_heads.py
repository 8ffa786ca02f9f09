"""Heads: the layers that compute predictions from the feature map of a stage."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn

from sklssl._runtime.device import network_autocast, whole_maps
from sklssl.backbones._base import conv_block

__all__ = ["HEADS", "Head", "make_head"]

HEADS = ("linear", "mlp", "conv")
_UNITS = 200
_CONV_WIDTH = 192
_CONV_SIZE = 3


class Head(nn.Module):
    """Layers on top of a feature map that is first averaged over a few cells.

    Parameters
    ----------
    layers : nn.Module
        Returns features (b, d).

    n_features, n_outputs : int
        Number of features and outputs.

    pool_size : (int, int) or None
        The cells over which a feature map is averaged; None leaves it unchanged.
    """

    def __init__(
        self,
        layers: nn.Module,
        n_features: int,
        n_outputs: int,
        pool_size: tuple[int, int] | None,
    ) -> None:
        super().__init__()
        self.layers = layers
        self.output = nn.Linear(n_features, n_outputs)
        self.n_outputs = n_outputs
        self.pool_size = pool_size

    def reduce(self, maps: Tensor) -> Tensor:
        """Average feature maps (b, D, h, w) over the cells of the head; idempotent."""
        if self.pool_size is None:
            return maps
        return F.adaptive_avg_pool2d(maps, self.pool_size)

    def forward(self, maps: Tensor) -> Tensor:
        """Return the outputs (b, n_outputs) for feature maps (b, D, h, w)."""
        features = self.layers(self.reduce(maps))
        outputs: Tensor = self.output(features)
        return outputs


class _Convolutions(nn.Sequential):
    """Layers that compute in the precision of the network, as they may take as long as it does."""

    def forward(self, x: Tensor) -> Tensor:
        with network_autocast(x.device):
            return whole_maps(super().forward(x))


def make_head(
    kind: str, shape: tuple[int, int, int], n_outputs: int, pool_size: int, *, keep_places: bool
) -> Head:
    """Build a head with fresh random weights (from torch's global generator).

    Parameters
    ----------
    kind : {"linear", "mlp", "conv"}
        "mlp" has two layers of 200 units with batch-norm, "conv" a NIN block of 192 channels.

    shape : tuple of (D, h, w)
        The shape of a feature map.

    n_outputs : int
        Number of outputs.

    pool_size : int
        Feature maps are averaged over at most `pool_size` x `pool_size` cells.

    keep_places : bool
        Whether "conv" preserves positions and ends in the layers of "mlp", as for regression;
        otherwise it averages its whole feature map.

    Raises
    ------
    ValueError
        If the feature maps are too small for the convolutions of "conv".
    """
    width, height, side = shape
    cells = min(pool_size, height), min(pool_size, side)
    if kind == "conv":
        if min(height, side) < _CONV_SIZE:
            raise ValueError(
                f"'conv' requires feature maps of at least {_CONV_SIZE}x{_CONV_SIZE}, but those of "
                f"the layer have {height}x{side}. Use an earlier layer, larger images (image_size "
                "of the embedder), or 'mlp'."
            )
        block = _Convolutions(
            conv_block(width, _CONV_WIDTH, _CONV_SIZE),
            conv_block(_CONV_WIDTH, _CONV_WIDTH, 1),
            conv_block(_CONV_WIDTH, _CONV_WIDTH, 1),
            nn.AdaptiveAvgPool2d(cells if keep_places else 1),
            nn.Flatten(),
        )
        if not keep_places:
            return Head(block, _CONV_WIDTH, n_outputs, None)
        layers = nn.Sequential(block, _mlp(_CONV_WIDTH * math.prod(cells)))
        return Head(layers, _UNITS, n_outputs, None)
    n_features = width * math.prod(cells)
    if kind == "mlp":
        return Head(nn.Sequential(nn.Flatten(), _mlp(n_features)), _UNITS, n_outputs, cells)
    # With standardised features, one learning rate suits all networks. The head remains linear.
    scaler = nn.BatchNorm1d(n_features, affine=False)
    return Head(nn.Sequential(nn.Flatten(), scaler), n_features, n_outputs, cells)


def _mlp(n_features: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for n_in in (n_features, _UNITS):
        layers += [nn.Linear(n_in, _UNITS, bias=False), nn.BatchNorm1d(_UNITS), nn.ReLU()]
    return nn.Sequential(*layers)
