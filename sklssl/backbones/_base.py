"""The interface of backbones: ordered named stages after a standardisation of images."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sklssl._runtime.device import network_autocast, plain_torch, whole_maps
from sklssl._runtime.parts import in_parts

__all__ = ["Backbone", "conv_block", "pool_map", "pool_stages"]

_Shapes = dict[str, tuple[int, int, int]]
# Stored outside the networks, so that pickles and hashes do not depend on it.
_SHAPES: WeakKeyDictionary[nn.Module, dict[tuple[int, int], _Shapes]] = WeakKeyDictionary()
_LARGEST_SIDE = 1024


class Backbone(nn.Module):
    """A network as an ordered set of named stages, each returning a feature map.

    Parameters
    ----------
    stages : mapping of str to nn.Module
        The stages in order. Each gets the feature map (b, D, h, w) of the previous stage.

    in_channels : int, default=3
        Number of channels of the images.

    image_size : int, default=32
        The side of the images that the network is built for.

    torchvision_names : mapping of str to str, default=None
        Translation of weight names to those of torchvision's corresponding network: prefixes here
        and there. Names with other prefixes are the same in both.

    Attributes
    ----------
    only_side : int or None
        The only side of (square) images supported by the network; None if there is no restriction.

    Raises
    ------
    ValueError
        If there are no stages.

    Notes
    -----
    The images, floats in [0, 1], are standardised by the network, with a mean and a scale per
    channel (:meth:`set_standardisation`), which are stored with the weights.

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
    only_side: int | None = None

    def __init__(
        self,
        stages: Mapping[str, nn.Module],
        in_channels: int = 3,
        image_size: int = 32,
        torchvision_names: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        if not stages:
            raise ValueError("A backbone needs at least one named stage, but no stage was given.")
        self.stages = nn.Sequential(OrderedDict(stages))
        self.in_channels = in_channels
        self.image_size = image_size
        self.torchvision_names = dict(torchvision_names or {})
        self.register_buffer("mean", torch.zeros(1, in_channels, 1, 1))
        self.register_buffer("scale", torch.ones(1, in_channels, 1, 1))

    def namings(self) -> list[dict[str, str]]:
        """Return the names that the weights of this network have elsewhere.

        Returns
        -------
        tables : list of dict of str to str
            Prefixes of names here and elsewhere; other names are the same in both.
        """
        return [self.torchvision_names]

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Names of the stages, from the image to the last feature map."""
        return tuple(name for name, _ in self.stages.named_children())

    @property
    def widths(self) -> dict[str, int]:
        """Number of channels of the feature map of each stage."""
        shapes = self.map_shapes((self.image_size, self.image_size))
        return {name: shape[0] for name, shape in shapes.items()}

    @property
    def n_features(self) -> int:
        """Number of channels of the last feature map."""
        return self.widths[self.layer_names[-1]]

    def set_standardisation(self, mean: Tensor, scale: Tensor) -> None:
        """Set the mean and scale, each of shape (C,), for the standardisation of images."""
        self.mean.copy_(mean.view(1, -1, 1, 1))
        self.scale.copy_(scale.view(1, -1, 1, 1))

    @torch.no_grad()
    def learn_from(self, batches: Callable[[], Iterable[Tensor]], n_images: int) -> None:
        """Compute weights that have a closed-form solution from images.

        These are the weights of stages, or of parts of a stage, with a method
        ``learn(batches, n_images)``, where ``batches()`` returns the input feature maps. Other
        weights are unchanged.

        Parameters
        ----------
        batches : callable
            Called without arguments; returns batches of images (b, C, H, W), floats in [0, 1].

        n_images : int
            Number of images in all batches.
        """
        before: list[nn.Module] = []

        def maps() -> Iterator[Tensor]:
            for images in batches():
                x = self.standardise(images)
                for part in before:
                    x = part(x)
                yield x

        for part in self._parts():
            learn: Any = getattr(part, "learn", None)
            if learn is not None:
                learn(maps, n_images)
            before.append(part)

    def learns_from_images(self) -> bool:
        """Return whether :meth:`learn_from` computes any weights."""
        return any(hasattr(part, "learn") for part in self._parts())

    def _parts(self) -> Iterator[nn.Module]:
        """Iterate over the stages, and over the parts of sequential stages."""
        for stage in self.stages:
            yield from stage if isinstance(stage, nn.Sequential) else [stage]

    def standardise(self, images: Tensor) -> Tensor:
        """Subtract the mean of each channel of images (b, C, H, W) and divide by its scale."""
        _, channels, height, width = images.shape
        # As rows of pixels: for channels last, torch takes ten times as long per channel.
        rows = images.permute(0, 2, 3, 1).reshape(-1, width * channels)
        rows = (rows - self.mean.view(-1).repeat(width)) / self.scale.view(-1).repeat(width)
        return rows.view(-1, height, width, channels).permute(0, 3, 1, 2)

    def forward(self, images: Tensor, layer: str | None = None, after: str | None = None) -> Tensor:
        """Return the feature map (b, D, h, w) of `layer`, by default of the last one.

        With `after`, the name of a stage that supports :meth:`can_resume`, `images` are the
        feature maps of that stage, and only the later stages are computed.

        Feature maps are float32 even if the network computes in bfloat16, as in a fit with
        ``precision="bfloat16"``.
        """
        if layer is not None and layer not in self.layer_names:
            raise ValueError(f"No layer {layer!r}; there are {list(self.layer_names)}.")
        if layer == after is not None:
            return images
        last = layer or self.layer_names[-1]
        return self._in_parts(lambda x: {last: self._run_until(last, x, after)}, images)[last]

    def maps(self, images: Tensor) -> dict[str, Tensor]:
        """Return the feature maps of all stages in one pass, in float32 as in :meth:`forward`."""
        return self._in_parts(lambda x: dict(self._walk(x)), images)

    def can_resume(self, layer: str) -> bool:
        """Return whether later stages can be computed from the feature map of `layer` alone."""
        return True

    def weights_until(self, layer: str) -> tuple[str, ...]:
        """Return the names of the modules and weights that compute the feature map of `layer`."""
        names = self.layer_names
        return tuple(f"stages.{name}" for name in names[: names.index(layer) + 1])

    def _in_parts(
        self, compute: Callable[[Tensor], dict[str, Tensor]], x: Tensor
    ) -> dict[str, Tensor]:
        with network_autocast(x.device):
            maps = in_parts(self, compute, x)
        return {name: whole_maps(x) for name, x in maps.items()}

    def _run_until(self, layer: str, images: Tensor, after: str | None) -> Tensor:
        return next(x for name, x in self._walk(images, after) if name == layer)

    def _walk(self, x: Tensor, after: str | None = None) -> Iterator[tuple[str, Tensor]]:
        """Compute stage by stage, as feature maps are requested."""
        for name, output in self._outputs(x, after):
            yield name, self._as_map(name, output)

    def _as_map(self, layer: str, output: Tensor) -> Tensor:
        """Return the output of a stage as a feature map (b, D, h, w)."""
        return output

    def _outputs(self, x: Tensor, after: str | None = None) -> Iterator[tuple[str, Tensor]]:
        """Compute stage by stage; yield what each passes on to the next."""
        first = 0 if after is None else self.layer_names.index(after) + 1
        if after is None:
            x = self.standardise(x)
        for name, stage in list(self.stages.named_children())[first:]:
            x = stage(x)
            yield name, x

    def map_shapes(self, size: tuple[int, int]) -> dict[str, tuple[int, int, int]]:
        """Return (D, h, w) of all feature maps for images of (height, width) `size`."""
        known = _SHAPES.setdefault(self, {})
        if size not in known:
            training = self.training
            self.eval()
            try:
                with plain_torch(), torch.no_grad():
                    images = self.mean.new_zeros(1, self.in_channels, *size)
                    shapes = {name: _map_shape(name, x) for name, x in self._walk(images)}
            finally:
                self.train(training)
            known[size] = shapes
        return dict(known[size])

    def map_values(self, size: tuple[int, int]) -> int:
        """Return the number of values of the largest feature map of an image of this `size`."""
        return max(math.prod(shape) for shape in self.map_shapes(size).values())

    def check_size(self, size: tuple[int, int]) -> None:
        """Check that the network supports images of (height, width) `size`.

        Raises
        ------
        ValueError
            If it does not. The message has the smallest supported side.
        """
        problem = self._problem(size)
        if problem is None:
            return
        side, shown = self.smallest_side(), f"Images of {size[0]}x{size[1]} pixels"
        if side is None:
            raise ValueError(f"{shown} cannot pass through the network: {problem}") from problem
        need = (
            f"do not have the only size that it supports, {side}x{side}"
            if self.only_side
            else f"are too small for it: the smallest square has a side of {side}"
        )
        raise ValueError(f"{shown} {need}.") from problem

    def smallest_side(self) -> int | None:
        """Return the smallest side of square images supported by the network, or None."""
        if self.only_side:
            return self.only_side
        side = 1
        while self._problem((side, side)):
            side *= 2
            if side > _LARGEST_SIDE:
                return None
        too_small = side // 2
        while side - too_small > 1:
            middle = (side + too_small) // 2
            if self._problem((middle, middle)):
                too_small = middle
            else:
                side = middle
        return side

    def _problem(self, size: tuple[int, int]) -> Exception | None:
        """Return the error for images of `size`, if there is one."""
        try:
            self.map_shapes(size)
        except (AssertionError, RuntimeError, ValueError) as error:
            return error
        return None


def _map_shape(name: str, x: Any) -> tuple[int, int, int]:
    """Return (D, h, w) of the feature map of a stage; raise an error if it is not one."""
    if not isinstance(x, Tensor) or x.ndim != 4:
        came = (
            f"a tensor of shape {tuple(x.shape)}"
            if isinstance(x, Tensor)
            else f"a {type(x).__name__}"
        )
        raise TypeError(
            f"the stage {name!r} of the network returns {came}, but each stage must return one "
            "feature map (b, D, h, w). Remove the layers after the last feature map, such as "
            "pooling, nn.Flatten and nn.Linear, and return nothing else from a stage."
        )
    return x.shape[1], x.shape[2], x.shape[3]


def pool_map(x: Tensor, pool_size: int = 1) -> Tensor:
    """Average a feature map (b, D, h, w) to (b, D * p * p); p is at most its side."""
    if pool_size == 1:
        return x.mean((2, 3))
    size = min(pool_size, x.shape[2]), min(pool_size, x.shape[3])
    return F.adaptive_avg_pool2d(x, size).flatten(1)


def pool_stages(backbone: Backbone, images: Tensor, layer: str, pool_size: int) -> Tensor:
    """Return the pooled feature maps (b, d) of `layer`, or of all stages side by side."""
    if layer != "all":
        return pool_map(backbone(images, layer), pool_size)
    return torch.cat([pool_map(x, pool_size) for x in backbone.maps(images).values()], dim=1)


def conv_block(n_in: int, n_out: int, kernel_size: int = 3, stride: int = 1) -> nn.Sequential:
    """Build a convolution that keeps the size (except for the stride), batch norm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, kernel_size, stride, kernel_size // 2, bias=False),
        nn.BatchNorm2d(n_out),
        nn.ReLU(inplace=True),
    )
