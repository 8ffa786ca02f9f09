"""Classification networks of torchvision, divided into stages by its feature extraction."""

from __future__ import annotations

from typing import Any

from torch import nn

from sklssl.backbones._traced import SIDE, TracedBackbone, quicken_statistics

__all__ = ["TorchvisionBackbone", "from_torchvision", "list_torchvision"]


class TorchvisionBackbone(TracedBackbone):
    """A network of torchvision without its head, whose stages are nodes of its graph.

    Parameters
    ----------
    net : nn.Module
        The network. Everything after the last stage is removed from it.

    in_channels : int, default=3
        Number of channels of the images, as `net` has it.

    image_size : int, default=224
        The side of the images that the network is built for.

    only_side : int, default=None
        The only side of images supported by `net`, if there is a restriction.
    """

    _layers = "encoder.layers."
    _closing = "encoder.ln"
    _head = ("classifier",)  # a convolution in SqueezeNet


def list_torchvision() -> list[str]:
    """Return the names of torchvision's classification networks."""
    from torchvision import models  # slow to import

    return list(models.list_models(module=models))


def from_torchvision(name: str, in_channels: int = 3, image_size: int = 32) -> TorchvisionBackbone:
    """Build a classification network of torchvision with fresh random weights.

    Parameters
    ----------
    name : str
        One of :func:`list_torchvision`.

    in_channels : int, default=3
        Number of channels of the images.

    image_size : int, default=32
        The side of the images. It only affects transformers that support a single size; the other
        networks keep their strides for large images.

    Returns
    -------
    backbone : TorchvisionBackbone
        The network, with the stages stage1, stage2, ...: the last feature map of every resolution,
        or every encoder layer of a vision transformer, whose tokens, except for the class token,
        become a feature map. Feature maps are channels first.

    Raises
    ------
    ValueError
        If the network cannot be built for images of this size.
    """
    from torchvision import models

    family, no_aux = name.split("_")[0], {"aux_logits": False, "init_weights": True}
    settings: dict[str, dict[str, Any]] = {
        "vit": {"image_size": image_size},
        "maxvit": {"input_size": (image_size, image_size)},
        "googlenet": no_aux,
        "inception": no_aux,
    }
    try:
        net = models.get_model(name, weights=None, **settings.get(family, {}))
    except (AssertionError, ValueError) as error:  # raised by torchvision's transformers
        step = name.rpartition("_")[2] if family == "vit" else str(SIDE)
        raise ValueError(
            f"{name} requires images whose side is a multiple of {step} pixels. Got {image_size}."
        ) from error
    _set_channels(net, in_channels)
    quicken_statistics(net)
    only_side = image_size if family in ("vit", "maxvit") else None
    return TorchvisionBackbone(net, in_channels, image_size, only_side)


def _set_channels(net: nn.Module, in_channels: int) -> None:
    """Replace the first convolution if its number of channels differs."""
    conv = next(module for module in net.modules() if isinstance(module, nn.Conv2d))
    if conv.in_channels != in_channels:
        conv.in_channels = in_channels
        shape = (conv.out_channels, in_channels, *conv.kernel_size)
        conv.weight = nn.Parameter(conv.weight.new_empty(shape))
        conv.reset_parameters()
