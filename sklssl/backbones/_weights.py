"""Weights for a new network from one that was trained before."""

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

# Not missed where the source has them: what classified its images, and their statistics.
_HEADS = {
    *("AuxLogits", "_fc", "aux1", "aux2", "classifier", "conv_head", "fc", "fc_norm", "head"),
    *("head_dist", "heads", "mean", "scale"),
}


class _Match(NamedTuple):
    """The weights taken, by the backbone's names, and what was not."""

    taken: dict[str, Tensor]
    n_taken: int  # without counters and indices
    left: list[str]
    unused: list[str]
    n_channels: int | None  # that the first convolution was made for, if it was adapted


def check_start(owner: Any) -> None:
    """Check what can be told of the parameters `backbone` and `init_weights` before any work.

    Raises
    ------
    ValueError
        If no backbone has this name, or no ImageNet weights of it are known.
    ImportError
        If one of them needs a package that is not installed.
    """
    if isinstance(owner.backbone, str):
        with naming_parameter(owner, "backbone"):
            find_backbone(owner.backbone)
    source = owner.init_weights
    if isinstance(source, str) and source == IMAGENET and not os.path.isfile(source):
        check_imagenet(owner)


def load_weights(backbone: Backbone, source: Any, *, owner: Any) -> None:
    """Copy weights into `backbone`, as far as they match by name and shape.

    Parameters
    ----------
    backbone : Backbone
        Changed in place.

    source : embedder, str, path-like or member of a torchvision weights enum
        A fitted embedder; "imagenet", which stands for the weights of the backbone that come by
        pip, or that torchvision or timm fetches; the name of weights of torchvision, such as
        "ResNet50_Weights.IMAGENET1K_V2"; or a file: ``.safetensors``, or what ``torch.save``
        wrote of a state dict, alone or within dicts. Names may all have one prefix more, such as
        "module.", and may be torchvision's, timm's or those of efficientnet-pytorch.

    owner : estimator
        Named in messages. If it is verbose, the download and a full match are reported too.

    Raises
    ------
    ValueError
        If `source` is not fitted, unknown or unreadable, or none of its weights fits. A file that
        holds other objects than tensors is not read, since that could run any code.
    ImportError
        If the weights come by a package that is not installed.
    OSError
        If torchvision or timm cannot fetch the weights.

    Warns
    -----
    UserWarning
        If some weights of the backbone, or of the source except for its classifier, have no match.

    Notes
    -----
    With "imagenet" and weights of torchvision, a backbone of three channels takes over the mean and
    scale of the images that they were trained on, in place of those of the user's images, and one
    of a single channel their averages. For weights of a file these are not known. The place
    embeddings of a vision transformer are interpolated to its size, except for those of a file.

    A first convolution for another number of channels is adapted: for one channel, its weights are
    summed over theirs, so that a grey image gives what it would with its channel three times; for
    more, theirs are taken in turn, scaled so that it answers about as much as before.
    """
    name = f"The 'init_weights' parameter of {type(owner).__name__}"
    found = _read(source, backbone, name, owner)
    match = _match(backbone, found.state)
    if not match.n_taken:
        raise ValueError(
            f"{name}: no weight of {found.label} fits the backbone {owner.backbone!r}. Use the "
            f"same backbone in both. Without a match: {_few(match.left)}; of the source: "
            f"{_few(match.unused or list(found.state))}."
        )
    backbone.load_state_dict(match.taken, strict=False)
    if found.mean is not None and backbone.in_channels in (1, 3):
        mean, scale = torch.tensor(found.mean), torch.tensor(found.scale)
        one = backbone.in_channels == 1
        backbone.set_standardisation(mean.mean() if one else mean, scale.mean() if one else scale)
    text = (
        f"{name}: {found.label} gives {match.n_taken} of the {match.n_taken + len(match.left)} "
        f"weights of the backbone {owner.backbone!r}."
    )
    if match.n_channels is not None:
        text += (
            f" The first convolution, made for {match.n_channels} channel(s), is adapted to "
            f"{backbone.in_channels}."
        )
    if match.left or match.unused:
        left = f" Left as they were: {_few(match.left)}." if match.left else ""
        unused = f" Not used: {_few(match.unused)}." if match.unused else ""
        warnings.warn(text + left + unused, UserWarning, stacklevel=2)
    elif owner.verbose:
        print(text)


def _few(names: list[str]) -> str:
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(names[:4]) + more if names else "none"


# Matching ----------------------------------------------------------------------------------------


def _match(backbone: Backbone, state: dict[str, Tensor]) -> _Match:
    """Match `state` with the weights of `backbone`, in the naming that fits most of them."""
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
                "" if tensor is None else f" {_shape(own[key])}, which is {_shape(tensor)} there"
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
    """Adapt the convolution that images meet first, if only the number of its channels differs.

    Gives the weights, and the number of channels that it was made for, if it was adapted.
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
    """Adapt a convolution's weight to a number of channels, so that it answers about as much."""
    there = weight.shape[1]
    if n_channels == 1:
        return weight.sum(1, keepdim=True)
    return weight[:, torch.arange(n_channels) % there] * (there / n_channels)


def _best_naming(
    backbone: Backbone, own: dict[str, Tensor], state: dict[str, Tensor]
) -> tuple[str, dict[str, str]]:
    """Find what all names in `state` start with, and the backbone's keys by what follows that."""
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
    """Give the name that another project has for a weight."""
    for here, there in starts.items():
        if name.startswith(here):
            return there + name.removeprefix(here)
    return name


def _shape(tensor: Tensor) -> str:
    return str(tuple(tensor.shape))


# Reading -----------------------------------------------------------------------------------------


def _read(source: Any, backbone: Backbone, name: str, owner: Any) -> Source:
    """Get the weights from wherever they are."""
    source = str(source) if isinstance(source, Enum) else source
    if not isinstance(source, str | os.PathLike):
        return _from_embedder(source, name)
    path = Path(os.path.expanduser(source))
    if os.path.isfile(path):  # False also for names that no file can have
        return _from_file(path, name)
    if source == IMAGENET:
        return imagenet_weights(backbone, name, owner)
    known = {} if isinstance(source, os.PathLike) else torchvision_weights()
    if source in known:
        return from_torchvision(source, *known[source], backbone, name, owner)
    problem = "is a directory" if os.path.isdir(path) else "is neither"
    near = difflib.get_close_matches(str(source), [IMAGENET, *known], n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(
        f"{name} must be a fitted embedder, a file of weights, {IMAGENET!r}, or the name of "
        "weights of torchvision such as 'ResNet50_Weights.IMAGENET1K_V2'. "
        f"{str(source)!r} {problem}.{hint}"
    )


def _from_embedder(source: Any, name: str) -> Source:
    source = source.estimator if isinstance(source, FrozenEstimator) else source
    if not hasattr(source, "pretext_"):
        raise ValueError(
            f"{name} must be a fitted embedder. Got {source!r}, which is not fitted. If it was, a "
            "clone (as grid search makes) unfitted it: wrap it in sklearn.frozen.FrozenEstimator."
        )
    return Source(type(source).__name__, source.pretext_.encoder.state_dict())


def _from_file(path: Path, name: str) -> Source:
    """Read a file of tensors without running anything that it may hold."""
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            tree = load_file(path)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of the protocol; what counts is the outcome
                tree = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can raise anything
        if isinstance(error, pickle.UnpicklingError) and _is_pickle(path):
            raise ValueError(
                f"{name}: '{path}' holds Python objects besides tensors. Reading those could run "
                "any code, so it was not done. If you trust the file, read it yourself with "
                "torch.load(..., weights_only=False) and save the weights alone with "
                "torch.save(network.state_dict(), ...)."
            ) from error
        raise ValueError(
            f"{name}: '{path}' cannot be read as weights: it is damaged, or neither a safetensors "
            "file with that suffix nor a state dict saved by torch.save."
        ) from error
    state = _flatten(tree) if isinstance(tree, Mapping) else {}
    if not state:
        raise ValueError(f"{name}: '{path}' holds no weights by name, but {type(tree).__name__}.")
    return Source(f"'{path}'", state)


def _is_pickle(path: Path) -> bool:
    """Tell by how the file begins whether it is a pickle, alone or in the zip of torch.save."""
    with path.open("rb") as file:
        return file.read(2).startswith((b"\x80", b"PK"))


def _flatten(tree: Mapping[Any, Any], start: str = "") -> dict[str, Tensor]:
    """Collect the tensors of nested dicts under names with dots."""
    state = {}
    for key, value in tree.items():
        if isinstance(value, Tensor):
            state[f"{start}{key}"] = value
        elif isinstance(value, Mapping):
            state |= _flatten(value, f"{start}{key}.")
    return state
