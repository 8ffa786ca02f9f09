"""Build backbones by name, class, function or partial."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from sklssl.backbones._alexnet import alexnet
from sklssl.backbones._base import Backbone
from sklssl.backbones._convnet import convnet
from sklssl.backbones._nin import nin
from sklssl.backbones._patchconvnet import patchconvnet
from sklssl.backbones._patchnet import patchnet
from sklssl.backbones._resnet import resnet8, resnet18, resnet20, resnet32, resnet50
from sklssl.backbones._timm import TIMM, check_timm, from_timm
from sklssl.backbones._torchvision import from_torchvision, list_torchvision
from sklssl.backbones._vgg import vgg11

__all__ = ["find_backbone", "list_backbones", "make_backbone"]

_BACKBONES: dict[str, Callable[..., Backbone]] = {
    "alexnet": alexnet,
    "convnet": convnet,
    "nin": nin,
    "nin3": partial(nin, n_blocks=3),
    "nin4": partial(nin, n_blocks=4),
    "nin5": partial(nin, n_blocks=5),
    "patchconvnet": patchconvnet,
    "patchnet": patchnet,
    "resnet8": resnet8,
    "resnet18": resnet18,
    "resnet20": resnet20,
    "resnet32": resnet32,
    "resnet50": resnet50,
    "vgg11": vgg11,
}


def list_backbones() -> list[str]:
    """Return the names of the networks of sklssl.

    In addition, :func:`make_backbone` supports the classification networks of torchvision listed by
    ``torchvision.models.list_models(module=torchvision.models)``. If both have a network of the
    same name, that of sklssl is used, which is suitable for small images. Networks listed by
    ``timm.list_models()`` are available with the prefix "timm/".

    Examples
    --------
    >>> from sklssl.backbones import list_backbones
    >>> "resnet18" in list_backbones()
    True
    """
    return sorted(_BACKBONES)


def make_backbone(
    name: str | Callable[..., Any], *, in_channels: int = 3, image_size: int = 32
) -> Backbone:
    """Build a backbone with fresh random weights (from torch's global generator).

    Parameters
    ----------
    name : str or callable
        One of :func:`list_backbones`, a classification network of torchvision by its name
        there, such as "mobilenet_v3_small" or "vit_b_16", a network of timm, such as
        "timm/convnext_atto", or a class, function or partial that is called with ``in_channels``
        and ``image_size`` and returns a :class:`Backbone`, or an ``nn.Sequential`` whose named
        children become the stages. Those of torchvision and timm have the stages stage1, stage2,
        ...: the last feature map of every resolution, or the layers of the encoder.

    in_channels : int, default=3
        Number of channels of the images.

    image_size : int, default=32
        The shorter side of the images in pixels. Some networks choose their stem accordingly, and
        vision transformers only support images of this side.

    Returns
    -------
    backbone : Backbone
        The network. Its forward returns the last feature map, of shape (b, D, h, w).

    Raises
    ------
    ValueError
        If there is no backbone of this name, or it cannot be built for images of this size.
    TypeError
        If `name` is a network instead of a function, or does not return a network.
    ImportError
        If it is a network of timm, which is not installed: ``pip install "sklssl[timm]"``.

    Examples
    --------
    >>> import torch
    >>> from sklssl.backbones import make_backbone
    >>> make_backbone("nin", in_channels=1)(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2, 192, 8, 8])
    """
    if isinstance(name, nn.Module):
        raise TypeError(
            f"A backbone must be a name, class, function or partial, but {type(name).__name__} "
            "is a built network, which would be trained in place and shared between copies of "
            "the estimator. Pass a function that builds it."
        )
    build = find_backbone(name) if isinstance(name, str) else name
    net = build(in_channels=in_channels, image_size=image_size)
    if isinstance(net, nn.Sequential):
        return Backbone(dict(net.named_children()), in_channels, image_size)
    if not isinstance(net, Backbone):
        raise TypeError(
            f"The backbone {name!r} built {type(net).__name__}, but it must build a Backbone of "
            "sklssl or an nn.Sequential of named stages."
        )
    return net


def find_backbone(name: str) -> Callable[..., Backbone]:
    """Return the function that builds the network of this name.

    Raises
    ------
    ValueError
        If there is no such network.
    ImportError
        If it is a network of timm, which is not installed.
    """
    if name in _BACKBONES:
        return _BACKBONES[name]
    if name.startswith(TIMM):
        check_timm(name)
        return partial(from_timm, name)
    theirs = list_torchvision()
    if name in theirs:
        return partial(from_torchvision, name)
    near = difflib.get_close_matches(name.lower(), [*_BACKBONES, *theirs], n=1, cutoff=0.4)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(
        f"Unknown backbone {name!r}. Use one of {list_backbones()}, a classification network "
        f"of torchvision, or a network of timm as '{TIMM}...'.{hint}"
    )
