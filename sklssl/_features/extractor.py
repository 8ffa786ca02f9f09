"""Feature extraction from a fitted network."""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from sklssl._data.batches import MIN_SIDE, ToTensor, embed_blocks, embed_in_batches
from sklssl._features.symmetry import average_orientations
from sklssl._runtime.device import current_device, network_precision, plain_torch, resolve_device
from sklssl._runtime.ranks import alone
from sklssl.backbones import Backbone, pool_map, pool_stages
from sklssl.utils._checks import check_network

__all__ = ["FeatureExtractor", "full_size", "make_extractor", "resolve_layer"]

_ROUNDING = 1e-5  # far below features that matter
_MOST_FEATURES = 6000  # with layer="auto"; more would make linear models on thousands of rows slow


@dataclass(frozen=True)
class FeatureExtractor:
    """The network of a fitted embedder, with all settings that affect features.

    Parameters
    ----------
    encoder : Backbone
        The network.
    to_tensor : ToTensor
        Converts images to what the network takes, on its device.
    precision : {"auto", "float32", "bfloat16"}
        The precision of its computations.
    layer : str
        The stage whose feature maps are taken, or "all" of them.
    pool_size : int
        Each map is averaged to `pool_size` x `pool_size` cells.
    symmetry : {"mirror", "all"} or None
        The orientations of an image over which features are averaged.
    head : module or None
        Maps the features to as many others.
    """

    encoder: Backbone
    to_tensor: ToTensor
    precision: str
    layer: str
    pool_size: int
    symmetry: str | None
    head: nn.Module | None = None

    @property
    def shapes(self) -> dict[str, tuple[int, int, int]]:
        """The shape (D, h, w) of the feature map of each stage."""
        return self.encoder.map_shapes(self.to_tensor.size)

    @property
    def map_values(self) -> int:
        """The number of values of the largest feature map of an image."""
        return self.encoder.map_values(self.to_tensor.size)

    @property
    def n_features(self) -> int:
        """The number of features."""
        return count_features(self.shapes, self.layer, self.pool_size)

    def embed(
        self, images: Any, change: Callable[[Tensor], Tensor] = lambda batch: batch
    ) -> np.ndarray:
        """Embed checked images (n, H, W, C), or their views: (n, n_features) in float32.

        A view is the result of a `change` of a batch (b, C, h, w).
        """
        encode = self._encode()
        return self.apply(images, lambda batch: encode(change(batch)), self.n_features)

    def iter_blocks(self, images: Any) -> Iterator[np.ndarray]:
        """Embed checked images, and yield blocks of rows."""
        blocks = embed_blocks(images, self.to_tensor, self._encode(), self.map_values)
        while True:
            # Not while the caller is running: these settings of torch are global.
            with self.evaluating():
                block = next(blocks, None)
            if block is None:
                return
            yield block

    def embed_layers(
        self, images: Any, choices: Sequence[tuple[str, int]]
    ) -> dict[tuple[str, int], np.ndarray]:
        """Embed checked images with several (layer, pool_size) in one pass."""
        shapes = self.shapes
        widths = [count_features(shapes, layer, size) for layer, size in choices]

        def encode(batch: Tensor) -> Tensor:
            maps = self.encoder.maps(batch)
            return torch.cat([pool_map(maps[layer], size) for layer, size in choices], dim=1)

        Z = self.apply(images, _features_of(encode, self.symmetry), sum(widths))
        parts = np.split(Z, np.cumsum(widths)[:-1], axis=1)
        return {
            choice: np.ascontiguousarray(part) for choice, part in zip(choices, parts, strict=True)
        }

    def embed_changed(self, images: Any, change: Callable[[Tensor], Tensor]) -> np.ndarray:
        """Pool the maps of checked images after a `change` of each batch (b, C, h, w)."""
        return self.apply(images, lambda batch: self._pooled(change(batch)), self.n_features)

    def apply(
        self,
        images: Any,
        function: Callable[[Tensor], Tensor],
        n_outputs: int,
        *modules: nn.Module,
    ) -> np.ndarray:
        """Apply a function of batches (b, C, h, w) to checked images: (n, n_outputs) in float32.

        `modules` are the other modules that it uses.
        """
        with self.evaluating(*modules):
            return embed_in_batches(images, self.to_tensor, function, n_outputs, self.map_values)

    @contextlib.contextmanager
    def evaluating(self, *modules: nn.Module) -> Iterator[None]:
        """Set the network and other `modules` to evaluation mode on the device in the block."""
        device = self.to_tensor.device
        with plain_torch(), alone(), current_device(device):
            for module in (self.encoder, self.head, *modules):
                if module is not None:
                    module.to(device).eval()
            with torch.inference_mode(), network_precision(device, self.precision):
                yield

    def module(self) -> nn.Module:
        """Return a copy on the CPU as a module that maps images (n, H, W, C) to features."""
        on_cpu = replace(
            self,
            encoder=copy.deepcopy(self.encoder).cpu(),
            head=copy.deepcopy(self.head).cpu() if self.head is not None else None,
            to_tensor=replace(self.to_tensor, device=torch.device("cpu")),
            precision="float32",
        )
        return _ExtractorModule(on_cpu).eval()

    def _encode(self) -> Callable[[Tensor], Tensor]:
        encode, head = _features_of(self._pooled, self.symmetry), self.head
        return encode if head is None else lambda batch: head(encode(batch))

    def _pooled(self, batch: Tensor) -> Tensor:
        return pool_stages(self.encoder, batch, self.layer, self.pool_size)


class _ExtractorModule(nn.Module):
    """The complete computation from images (n, H, W, C) to features."""

    def __init__(self, extractor: FeatureExtractor) -> None:
        super().__init__()
        self.encoder = extractor.encoder
        self.head = extractor.head
        self.to_tensor = extractor.to_tensor
        self.encode = extractor._encode()

    def forward(self, images: Tensor) -> Tensor:
        return self.encode(self.to_tensor(images))


def _features_of(
    pool: Callable[[Tensor], Tensor], symmetry: str | None
) -> Callable[[Tensor], Tensor]:
    """Return a function from images to the signed roots of averages over their orientations.

    A few large activations say less about an image than their size suggests. With roots, linear
    classifiers need fewer labels: Perronnin, Sanchez, Mensink. Improving the Fisher Kernel for
    Large-Scale Image Classification. ECCV 2010.
    """
    average = average_orientations(pool, symmetry)

    def encode(images: Tensor) -> Tensor:
        features = average(images)
        # Near 0 the slope of a root is infinite, and would amplify rounding errors.
        return features / (features.abs() + _ROUNDING).sqrt()

    return encode


def make_extractor(embedder: Any) -> FeatureExtractor:
    """Return the extractor of a fitted embedder with its current parameters.

    Raises
    ------
    NotFittedError
        If it is not fitted.
    ValueError
        If a parameter was changed to an invalid value.
    """
    check_is_fitted(embedder)
    embedder._validate_params()
    encoder, size = embedder.pretext_.encoder, full_size(embedder)
    check_network(embedder, encoder, [size])
    device = resolve_device(embedder.device, owner=embedder)
    layer, pool_size = resolve_layer(embedder, encoder), embedder.pool_size
    if embedder.layer == "auto":
        pool_size = _usable_pool_size(encoder.map_shapes(size), layer, pool_size)
    return FeatureExtractor(
        encoder,
        ToTensor(device, embedder.value_range_, size),
        embedder.precision,
        layer,
        pool_size,
        _resolve_symmetry(embedder),
    )


def full_size(embedder: Any) -> tuple[int, int]:
    """Return the input height and width of an embedder's network at full scale."""
    if embedder.image_size is not None:
        return embedder.image_size, embedder.image_size
    height, width = (max(side, MIN_SIDE) for side in embedder.image_shape_[:2])
    return height, width


def resolve_layer(embedder: Any, encoder: Backbone, layer: str | None = None) -> str:
    """Resolve `layer`, by default the parameter, to a stage or "all".

    Raises
    ------
    ValueError
        If the network has no such stage.
    """
    names, layer = encoder.layer_names, layer or embedder.layer
    if layer == "auto":
        return "all"
    if layer not in ("all", *names):
        raise ValueError(
            f"The 'layer' parameter of {type(embedder).__name__} must be 'auto', 'all' or a stage "
            f"of its backbone, {list(names)}. Got {layer!r}."
        )
    return layer


def _resolve_symmetry(embedder: Any) -> str | None:
    if embedder.symmetry != "auto":
        return embedder.symmetry
    if embedder.symmetry_ == "unknown":
        raise ValueError(
            f"The 'symmetry' parameter of {type(embedder).__name__} is 'auto', which is determined "
            "in fit, but had another value then. Set it to 'mirror', 'all' or None, or fit again."
        )
    return embedder.symmetry_


def count_features(shapes: dict[str, tuple[int, int, int]], layer: str, pool_size: int) -> int:
    """Count the features of a layer, given the shapes (D, h, w) of all feature maps."""
    return sum(
        width * math.prod(min(pool_size, side) for side in sides)
        for width, *sides in (shapes.values() if layer == "all" else [shapes[layer]])
    )


def _usable_pool_size(shapes: dict[str, tuple[int, int, int]], layer: str, pool_size: int) -> int:
    """Return the largest pool size, at most `pool_size`, within the limit of features."""
    sizes = range(pool_size, 1, -1)
    return next((s for s in sizes if count_features(shapes, layer, s) <= _MOST_FEATURES), 1)
