"""Networks of timm, divided into stages at nodes of their graphs."""

from __future__ import annotations

import difflib
import math
import warnings
from types import ModuleType
from typing import Any

from torch import nn

from sklssl.backbones._traced import SIDE, Node, TracedBackbone, quicken_statistics

__all__ = ["TIMM", "TimmBackbone", "build_timm", "check_timm", "from_timm"]

TIMM = "timm/"
# Names of the parts of a block with an expansion, and of one without, in timm's EfficientNet and in
# efficientnet-pytorch and its derivatives.
_EXPANDED = {
    "conv_pw": "_expand_conv",
    "bn1": "_bn0",
    "conv_dw": "_depthwise_conv",
    "bn2": "_bn1",
    "conv_pwl": "_project_conv",
    "bn3": "_bn2",
}
_SEPARABLE = {
    "conv_dw": "_depthwise_conv",
    "bn1": "_bn1",
    "conv_pw": "_project_conv",
    "bn2": "_bn2",
}
_SQUEEZE = {"se.conv_reduce": "_se_reduce", "se.conv_expand": "_se_expand"}
_ENDS = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1"}


class TimmBackbone(TracedBackbone):
    """A network of timm without its head, whose stages are nodes of its graph.

    Parameters
    ----------
    net : nn.Module
        The network. Everything after the last stage is removed from it.

    in_channels : int, default=3
        Number of channels of the images, which must match `net`.

    image_size : int, default=224
        The side of the images that the network is built for.

    only_side : int, default=None
        The only side of images supported by `net`, if there is a restriction.

    Raises
    ------
    ValueError
        If `net` has no feature map of the last resolution declared by timm.
    """

    def namings(self) -> list[dict[str, str]]:
        """Return the names that the weights of this network have elsewhere, by prefix here."""
        return [*super().namings(), _efficientnet_names(self.stages.get_submodule("net"))]

    def _find_nodes(self, net: nn.Module) -> tuple[list[Node], dict[int, Node]]:
        layers, levels = super()._find_nodes(net)
        infos: Any = getattr(net, "feature_info", None) or [{"reduction": 1}]
        last = round(min(math.log2(infos[-1]["reduction"]), math.log2(self.only_side or SIDE)))
        if not layers and last > max(levels, default=-1):
            raise ValueError("its graph has no feature maps of the last resolution")
        return layers, levels


def _efficientnet_names(net: nn.Module) -> dict[str, str]:
    """Return the weight names of efficientnet-pytorch, which numbers blocks without stages."""
    names = {f"net.{here}.": f"{there}." for here, there in _ENDS.items()}
    blocks = [
        (f"net.blocks.{i}.{j}", block)
        for i, stage in getattr(net, "blocks", nn.Module()).named_children()
        for j, block in stage.named_children()
    ]
    for n, (path, block) in enumerate(blocks):
        parts = _EXPANDED if hasattr(block, "conv_pwl") else _SEPARABLE
        for here, there in (parts | _SQUEEZE).items():
            names[f"{path}.{here}."] = f"_blocks.{n}.{there}."
    return names


def check_timm(name: str) -> ModuleType:
    """Check that timm is installed and has the network `name` ("timm/..."), and return timm.

    Raises
    ------
    ImportError
        If timm is not installed.
    ValueError
        If it has no such network, or no such weights.
    """
    try:
        import timm
    except ImportError as error:
        raise ImportError(
            f"{name!r} is a network of timm, which cannot be imported ({error}). Install it: "
            'pip install "sklssl[timm]"'
        ) from error
    arch, _, tag = name.removeprefix(TIMM).partition(".")
    known = timm.list_models()
    if arch not in known:
        near = difflib.get_close_matches(arch.lower(), known, n=1)
        hint = f" Did you mean '{TIMM}{near[0]}'?" if near else ""
        raise ValueError(
            f"timm {timm.__version__} has no network {arch!r}; timm.list_models() lists the "
            f"available ones.{hint}"
        )
    tags = [full.partition(".")[2] for full in timm.list_pretrained(f"{arch}.*")]
    if tag and tag not in tags:
        raise ValueError(f"timm has no weights {tag!r} of {arch!r}. It has {tags}.")
    return timm


def build_timm(name: str, image_size: int, **settings: Any) -> nn.Module:
    """Build a network of timm, for images of this side if it supports only one size."""
    timm, theirs = check_timm(name), name.removeprefix(TIMM)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # for developers of timm
        net: nn.Module
        if not _is_bound(name):
            net = timm.create_model(theirs, **settings)
            return net
        settings["img_size"] = image_size
        try:  # dynamic image sizes cannot be traced
            net = timm.create_model(theirs, dynamic_img_size=False, **settings)
        except TypeError:  # does not have this argument
            net = timm.create_model(theirs, **settings)
        return net


def from_timm(name: str, in_channels: int = 3, image_size: int = 32) -> TimmBackbone:
    """Build a network of timm with fresh random weights.

    Parameters
    ----------
    name : str
        "timm/" and one of ``timm.list_models()``.

    in_channels : int, default=3
        Number of channels of the images.

    image_size : int, default=32
        The side of the images. It only affects networks that support a single size; the others
        keep their strides for large images.

    Returns
    -------
    backbone : TimmBackbone
        The network, with the stages stage1, stage2, ...: the last feature map of every resolution,
        or every encoder layer of a vision transformer, whose tokens become a feature map. Feature
        maps are channels first.

    Raises
    ------
    ValueError
        If the network cannot be built for images of this size, or has no feature maps.
    """
    only_side = image_size if _is_bound(name) else None
    try:
        net = build_timm(name, image_size, in_chans=in_channels, num_classes=0)
        quicken_statistics(net)
        backbone = TimmBackbone(net, in_channels, image_size, only_side)
        backbone.trace_again()  # as in every process; may fail for some networks
        return backbone
    except Exception as error:  # neither timm nor tracing has its own error type
        said = str(error).strip() or type(error).__name__
        raise ValueError(
            f"{name!r} cannot be cut into stages for images of {image_size}x{image_size} pixels "
            f"and {in_channels} channel(s) ({said}). If these are too small for it, set "
            "image_size. Otherwise use another network of timm, such as a ResNet, EfficientNet, "
            "ConvNeXt, Swin or plain vision transformer, or pass a function that builds a Backbone "
            "around this one."
        ) from error


def _is_bound(name: str) -> bool:
    """Return whether a network supports only images of one side."""
    from timm.models import get_pretrained_cfg

    settings = get_pretrained_cfg(name.removeprefix(TIMM))
    return bool(settings and settings.fixed_input_size)
