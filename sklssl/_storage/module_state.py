"""Pickling and checkpoints of torch modules.

Modules are pickled with NumPy arrays in place of their tensors. A module trained on any device then
loads on the CPU, its hash depends only on its content (pickles of torch contain addresses), and
joblib can memory-map the arrays.
"""

from __future__ import annotations

import copy
import itertools
import random
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sklssl._runtime.device import plain_torch

__all__ = [
    "PackedModules",
    "check_kept",
    "module_state",
    "named_tensors",
    "pack_module",
    "set_module_state",
    "tensor_bytes",
    "unpack_module",
    "without_weights",
]


class _Slot:
    """Placeholder for a parameter or buffer."""

    def __init__(self, tensor: Tensor) -> None:
        self.array = tensor_bytes(tensor).copy()  # NumPy does not have all dtypes
        self.dtype, self.shape = tensor.dtype, tuple(tensor.shape)
        self.is_parameter = isinstance(tensor, nn.Parameter)
        self.requires_grad = tensor.requires_grad

    def tensor(self) -> Tensor:
        # A copy, since memory-mapped arrays are read-only, which torch does not support.
        tensor = torch.empty(self.shape, dtype=self.dtype)
        tensor_bytes(tensor)[:] = self.array
        return nn.Parameter(tensor, self.requires_grad) if self.is_parameter else tensor


def tensor_bytes(tensor: Tensor) -> np.ndarray:
    """Return the bytes of a tensor of any dtype in C order; they share its memory if possible."""
    return tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()


def pack_module(module: nn.Module) -> nn.Module:
    """Copy `module` with arrays in place of its parameters and buffers."""
    tensors = named_tensors(module).values()
    # deepcopy uses objects from the memo instead of copying.
    return copy.deepcopy(module, {id(tensor): _Slot(tensor) for tensor in tensors})


def unpack_module(packed: nn.Module) -> nn.Module:
    """Rebuild a module packed by :func:`pack_module`, on the CPU in channels-last layout."""
    slots: list[_Slot] = []
    for part in packed.modules():
        held: Any = itertools.chain(part._parameters.values(), part._buffers.values())
        slots += [slot for slot in held if isinstance(slot, _Slot)]
    unique = {id(slot): slot for slot in slots}  # shared tensors stay shared
    module = copy.deepcopy(packed, {key: slot.tensor() for key, slot in unique.items()})
    return module.to(memory_format=torch.channels_last)


def without_weights(module: nn.Module) -> nn.Module:
    """Copy `module` with tensors on the meta device, which have a shape and no memory."""
    memo: dict[int, Any] = {id(buffer): buffer.to("meta") for buffer in module.buffers()}
    for weight in module.parameters():
        memo[id(weight)] = nn.Parameter(weight.to("meta"), weight.requires_grad)
    return copy.deepcopy(module, memo)


class PackedModules:
    """Mixin that pickles the fitted modules of an estimator with :func:`pack_module`."""

    def _unfitted(self) -> Any:
        """Return a copy of self without fitted attributes."""
        fresh = object.__new__(type(self))  # copy.copy would pack the weights
        learned = {name for name in vars(self) if name[-1] == "_" and name[0] != "_"}
        fresh.__dict__ = {k: v for k, v in vars(self).items() if k not in learned}
        return fresh

    def __getstate__(self) -> dict[str, Any]:
        return _map_modules(pack_module, super().__getstate__())  # type: ignore[arg-type]

    @plain_torch()
    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(_map_modules(unpack_module, state))  # type: ignore[misc]


def _map_modules(
    function: Callable[[nn.Module], nn.Module], state: dict[str, Any]
) -> dict[str, Any]:
    return {k: function(v) if isinstance(v, nn.Module) else v for k, v in state.items()}


# The learned state of a module, for checkpoints. --------------------------------------------------


def module_state(module: nn.Module) -> dict[str, Any]:
    """Return the tensors and plain values of `module` by name.

    Plain values are None, booleans, numbers, strings, tensors, arrays, and lists, tuples and dicts
    of these. They are collected from submodules that are neither from torch nor part of a backbone.
    """
    values = {
        f"{name}:{key}": _detach(value)
        for name, part in module.named_modules()
        if not _is_built(part)
        for key, value in vars(part).items()
        if key not in _NO_VALUES and _is_plain_value(value)
    }
    return {"tensors": named_tensors(module), "values": values}


def check_kept(module: nn.Module) -> None:
    """Check that :func:`module_state` leaves out no data of `module`.

    Raises
    ------
    TypeError
        If an attribute outside of backbones is a container that is not a plain value, or a random
        generator. Others, such as functions, are taken for settings.
    """
    backbones = [f"{name}." for name, part in module.named_modules() if _is_backbone(part)]
    for name, part in module.named_modules():
        if f"{name}.".startswith(tuple(backbones)) or _is_built(part):
            continue
        for key, value in vars(part).items():
            if key not in _NO_VALUES and _is_lost(value):
                raise TypeError(
                    f"checkpoints would lose the attribute {key!r} of {type(part).__name__}, a "
                    f"{type(value).__name__}. They keep numbers, strings, tensors, arrays, and "
                    "lists, tuples and dicts (with strings as keys) of these. Convert it, or set "
                    "checkpoint_dir=None."
                )


def set_module_state(module: nn.Module, state: dict[str, Any]) -> None:
    """Restore the `state` of `module` returned by :func:`module_state`.

    Raises
    ------
    ValueError
        If the weights have other names or shapes.
    """
    saved: dict[str, Tensor] = state["tensors"]
    now: dict[str, Tensor] = dict(module.named_parameters())
    for name, buffer in module.named_buffers():
        # The memory of a task may have grown, but the shapes of weights are fixed.
        if _is_built(_owner(module, name)[0]):
            now[name] = buffer
    parts = dict(module.named_modules())
    known = all(name.rpartition(".")[0] in parts for name in saved)
    if not known or any(n not in saved or saved[n].shape != now[n].shape for n in now):
        raise ValueError("the weights of the network have other names or shapes")
    with torch.no_grad():
        for name, tensor in saved.items():
            owner, key = _owner(module, name)
            current = getattr(owner, key)
            if current is not None and current.shape == tensor.shape:
                current.copy_(tensor)  # keeps the memory layout
            else:
                owner._buffers[key] = tensor.to(next(module.parameters()).device, copy=True)
    for name in named_tensors(module).keys() - saved.keys():
        owner, key = _owner(module, name)
        owner._buffers[key] = None
    for name, value in state["values"].items():
        path, key = name.rsplit(":", 1)
        owner = module.get_submodule(path)
        if _is_built(owner):
            continue
        if callable(getattr(type(owner), key, None)):
            raise ValueError(f"{type(owner).__name__} has no value {key!r}")
        setattr(owner, key, copy.deepcopy(value))


_NO_VALUES = vars(nn.Module()).keys()
_GENERATORS = (random.Random, np.random.Generator, np.random.RandomState, torch.Generator)
_CONSTANTS = (bytes, range, str, torch.Size)


def _is_built(part: nn.Module) -> bool:
    """Return whether `part` learns only weights, so that its other values never change."""
    return type(part).__module__.startswith(("torch.", "sklssl.backbones."))


def _is_backbone(part: nn.Module) -> bool:
    return any(base.__module__.startswith("sklssl.backbones.") for base in type(part).__mro__)


def named_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Return all parameters and buffers by name; shared ones appear once."""
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def _owner(module: nn.Module, name: str) -> tuple[nn.Module, str]:
    path, _, key = name.rpartition(".")
    return module.get_submodule(path), key


def _detach(value: Any) -> Any:
    """Detach the tensors within a plain value from the graph of a step."""
    if isinstance(value, dict):
        return {key: _detach(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_detach, value))
    return value.detach() if isinstance(value, Tensor) else value


def _is_plain_value(value: Any) -> bool:
    if isinstance(value, dict):
        return all(type(key) is str and _is_plain_value(item) for key, item in value.items())
    if type(value) in (list, tuple):
        return all(map(_is_plain_value, value))
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "biuf"
    plain = type(value) in (bool, int, float, str)
    return value is None or plain or isinstance(value, Tensor | np.number)


def _is_lost(value: Any) -> bool:
    """Return whether a value is data that is not plain."""
    if isinstance(value, _GENERATORS):
        return True
    if _is_plain_value(value) or isinstance(value, _CONSTANTS) or not isinstance(value, Collection):
        return False
    items = value.values() if isinstance(value, Mapping) else value
    return all(_is_plain_value(item) or _is_lost(item) for item in items)
