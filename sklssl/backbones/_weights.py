"""Load pretrained weights into a new network."""

import difflib
import os
import pickle
import warnings
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import torch
from sklearn.frozen import FrozenEstimator
from torch import Tensor

from sklssl._storage.state_file import check_unchanged
from sklssl.backbones import Backbone
from sklssl.backbones._factory import find_backbone
from sklssl.backbones._pretrained import (
    IMAGENET,
    Source,
    check_imagenet,
    from_torchvision,
    imagenet_weights,
    torchvision_weights,
)
from sklssl.utils._checks import naming_parameter

__all__ = ["check_start", "load_weights"]

# No warning if these are unused: the classifier of the source, and its image statistics.
_HEADS = {
    *("AuxLogits", "_fc", "aux1", "aux2", "classifier", "conv_head", "fc", "fc_norm", "head"),
    *("head_dist", "heads", "mean", "scale"),
}


class _Match(NamedTuple):
    """The matched weights, by name in the backbone, and those without a match."""

    taken: dict[str, Tensor]
    n_taken: int  # excluding counters and indices
    left: list[str]
    unused: list[str]
    n_channels: int | None  # of the original first convolution, if it was adapted


def check_start(owner: Any) -> None:
    """Check the parameters `backbone` and `init_weights`, as far as possible in advance.

    Raises
    ------
    ValueError
        If there is no backbone of this name, or no ImageNet weights are known for it.
    ImportError
        If one of them requires a package that is not installed.
    """
    if isinstance(owner.backbone, str):
        with naming_parameter(owner, "backbone"):
            find_backbone(owner.backbone)
    source = owner.init_weights
    if isinstance(source, str) and source == IMAGENET and not os.path.isfile(source):
        check_imagenet(owner)


def load_weights(backbone: Backbone, source: Any, *, owner: Any) -> None:
    """Copy weights into `backbone` that match by name and shape.

    Parameters
    ----------
    backbone : Backbone
        The network, changed in place.

    source : embedder, str, path-like or member of a torchvision weights enum
        A fitted embedder; "imagenet" for the weights of the backbone that are installed with pip,
        or downloaded by torchvision or timm; the name of torchvision weights, such as
        "ResNet50_Weights.IMAGENET1K_V2"; or a file: ``.safetensors``, or a state dict written by
        ``torch.save``, possibly inside other dicts. Names may have a common prefix, such as
        "module.", and may follow torchvision, timm or efficientnet-pytorch.

    owner : estimator
        The estimator named in messages. If it is verbose, downloads and full matches are reported.

    Raises
    ------
    ValueError
        If `source` is not fitted, unknown or unreadable, or none of its weights match. A file that
        contains objects other than tensors is not read, since that could run any code.
    ImportError
        If the weights are in a package that is not installed.
    OSError
        If torchvision or timm cannot download the weights.

    Warns
    -----
    UserWarning
        If some weights of the backbone, or of the source except for its classifier, have no match.

    Notes
    -----
    With "imagenet" and weights of torchvision, a backbone with three channels uses the mean and
    scale of the original training images instead of those of the user's images, and a backbone with
    one channel uses their averages. For weights from a file they are unknown. The position
    embeddings of a vision transformer are interpolated to its size, except for those from a file.

    The first convolution is adapted to another number of channels. For one channel, its weights are
    summed over the channels, so that a grey image has almost the same output as with three equal
    channels (exactly, if their means and scales are equal). For more channels, they are repeated in
    turn and scaled, so that outputs keep their magnitude.
    """
    name = f"The 'init_weights' parameter of {type(owner).__name__}"
    found = _read(source, backbone, name, owner)
    match = _match(backbone, found.state)
    if not match.n_taken:
        raise ValueError(
            f"{name}: none of the weights of {found.label} match the backbone {owner.backbone!r}. "
            "Use the same backbone in both. Weights of the backbone: "
            f"{_format_names(match.left)}; of the source: "
            f"{_format_names(match.unused or list(found.state))}."
        )
    backbone.load_state_dict(match.taken, strict=False)
    if found.mean is not None and backbone.in_channels in (1, 3):
        mean, scale = torch.tensor(found.mean), torch.tensor(found.scale)
        one = backbone.in_channels == 1
        backbone.set_standardisation(mean.mean() if one else mean, scale.mean() if one else scale)
    text = (
        f"{name}: {found.label} provides {match.n_taken} of the "
        f"{match.n_taken + len(match.left)} weights of the backbone {owner.backbone!r}."
    )
    if match.n_channels is not None:
        text += (
            f" The first convolution is adapted from {match.n_channels} channel(s) to "
            f"{backbone.in_channels}."
        )
    if match.left or match.unused:
        left = f" Unchanged: {_format_names(match.left)}." if match.left else ""
        unused = f" Not used: {_format_names(match.unused)}." if match.unused else ""
        warnings.warn(text + left + unused, UserWarning, stacklevel=2)
    elif owner.verbose:
        print(text)


def _format_names(names: list[str]) -> str:
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(names[:4]) + more if names else "none"


# Matching ----------------------------------------------------------------------------------------


def _match(backbone: Backbone, state: dict[str, Tensor]) -> _Match:
    """Match `state` with the weights of `backbone`, in the naming with the most matches."""
    own = backbone.state_dict()
    start, names = _best_naming(backbone, own, state)
    taken, left, seen, n_taken = {}, [], set(), 0
    state, n_channels = _adapt_first(own, {start + n: k for n, k in names.items()}, state, backbone)
    for name, key in names.items():
        tensor = state.get(start + name)
        seen.add(start + name)
        counts = own[key].is_floating_point()
        if tensor is not None and tensor.shape == own[key].shape:
            taken[key] = tensor
            n_taken += counts
        elif counts:
            shapes = (
                ""
                if tensor is None
                else f" {_shape(own[key])}, which is {_shape(tensor)} in the source"
            )
            left.append(_own_name(key) + shapes)
    unused = [
        key
        for key, tensor in state.items()
        if key.startswith(start) and key not in seen and tensor.is_floating_point()
    ]
    unused = [key for key in unused if key[len(start) :].split(".")[0] not in _HEADS]
    return _Match(taken, n_taken, left, unused, n_channels)


def _adapt_first(
    own: dict[str, Tensor], names: dict[str, str], state: dict[str, Tensor], backbone: Backbone
) -> tuple[dict[str, Tensor], int | None]:
    """Adapt the first convolution, if only its number of channels differs.

    Returns the weights, and the original number of channels if they were adapted.
    """
    n_channels = backbone.in_channels
    for name, key in names.items():
        here, there = own[key], state.get(name)
        if not key.endswith(".weight") or here.ndim != 4 or here.shape[1] != n_channels:
            continue
        if there is None or there.ndim != 4 or there.shape[1] in (0, n_channels):
            break
        if there[:, :1].shape == here[:, :1].shape:
            return state | {name: _to_channels(there, n_channels)}, there.shape[1]
        break
    return state, None


def _to_channels(weight: Tensor, n_channels: int) -> Tensor:
    """Adapt the weight of a convolution to a number of channels, keeping output magnitudes."""
    there = weight.shape[1]
    if n_channels == 1:
        return weight.sum(1, keepdim=True)
    return weight[:, torch.arange(n_channels) % there] * (there / n_channels)


def _best_naming(
    backbone: Backbone, own: dict[str, Tensor], state: dict[str, Tensor]
) -> tuple[str, dict[str, str]]:
    """Find the common prefix of names in `state`, and map the rest to keys of the backbone."""
    here = {_own_name(key): key for key in own if key not in ("mean", "scale")}
    theirs = [
        {_translate(name, starts): key for name, key in here.items()}
        for starts in backbone.namings()
    ]
    best, best_score = ("", here), (0, 0)
    for names in (here, *theirs):
        scores: dict[str, tuple[int, int]] = {}
        for key, tensor in state.items():
            parts = key.split(".")
            for i in range(len(parts)):
                name = ".".join(parts[i:])
                if name in names:
                    start = key.removesuffix(name)
                    fitting, named = scores.get(start, (0, 0))
                    fits = tensor.shape == own[names[name]].shape
                    scores[start] = fitting + fits, named + 1
        for start, score in scores.items():
            if score > best_score:
                best, best_score = (start, names), score
    return best


def _own_name(key: str) -> str:
    return key.removeprefix("stages.")


def _translate(name: str, starts: Mapping[str, str]) -> str:
    """Return the name of a weight in another project."""
    for here, there in starts.items():
        if name.startswith(here):
            return there + name.removeprefix(here)
    return name


def _shape(tensor: Tensor) -> str:
    return str(tuple(tensor.shape))


# Reading -----------------------------------------------------------------------------------------


def _read(source: Any, backbone: Backbone, name: str, owner: Any) -> Source:
    """Read the weights from any kind of source."""
    source = str(source) if isinstance(source, Enum) else source
    if not isinstance(source, str | os.PathLike):
        return _from_embedder(source, name)
    path = Path(os.path.expanduser(source))
    if os.path.isfile(path):  # also False for invalid file names
        return _from_file(path, name)
    if source == IMAGENET:
        return imagenet_weights(backbone, name, owner)
    known = {} if isinstance(source, os.PathLike) else torchvision_weights()
    if source in known:
        return from_torchvision(source, *known[source], backbone, name, owner)
    problem = "is a directory" if os.path.isdir(path) else "is none of these, and no such file"
    near = difflib.get_close_matches(str(source), [IMAGENET, *known], n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(
        f"{name} must be a fitted embedder, a file of weights, {IMAGENET!r}, or the name of "
        "weights of torchvision such as 'ResNet50_Weights.IMAGENET1K_V2'. "
        f"{str(source)!r} {problem}.{hint}"
    )


def _from_embedder(source: Any, name: str) -> Source:
    source = source.estimator if isinstance(source, FrozenEstimator) else source
    source = getattr(source, "embedder_", source)  # of an estimator that was fine-tuned
    if not hasattr(source, "pretext_"):
        if not hasattr(source, "_make_pretext"):
            raise ValueError(
                f"{name} must be a fitted embedder. Got {source!r}, which is none. Of a pipeline, "
                "pass the step."
            )
        raise ValueError(
            f"{name} must be a fitted embedder. Got {source!r}, which is not fitted. The clones "
            "in a search are not fitted: wrap the embedder in sklearn.frozen.FrozenEstimator."
        )
    return Source(type(source).__name__, source.pretext_.encoder.state_dict())


def _from_file(path: Path, name: str) -> Source:
    """Read a file of tensors without running code from it."""
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            check_unchanged(path)
            tree = load_file(path)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about the protocol, which does not matter here
                tree = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a corrupt file can raise anything
        if isinstance(error, pickle.UnpicklingError) and _is_pickle(path):
            raise ValueError(
                f"{name}: '{path}' contains Python objects other than tensors. Reading them could "
                "run any code, so the file was not read. If you trust it, load it with "
                "torch.load(..., weights_only=False) and save only the weights with "
                "torch.save(network.state_dict(), ...)."
            ) from error
        raise ValueError(
            f"{name}: cannot read weights from '{path}': the file is corrupt, or neither a "
            "safetensors file with that suffix nor a state dict saved by torch.save."
        ) from error
    state = _flatten(tree) if isinstance(tree, Mapping) else {}
    if not state:
        raise ValueError(
            f"{name}: '{path}' must contain named weights. It contains {type(tree).__name__}."
        )
    return Source(f"'{path}'", state)


def _is_pickle(path: Path) -> bool:
    """Return whether a file starts like a pickle, or like a zip file of torch.save."""
    with path.open("rb") as file:
        return file.read(2).startswith((b"\x80", b"PK"))


def _flatten(tree: Mapping[Any, Any], start: str = "") -> dict[str, Tensor]:
    """Collect the tensors of nested dicts under dotted names."""
    state = {}
    for key, value in tree.items():
        if isinstance(value, Tensor):
            state[f"{start}{key}"] = value
        elif isinstance(value, Mapping):
            state |= _flatten(value, f"{start}{key}.")
    return state
