"""Networks of saved estimators: tensors by name, loaded into a module that is rebuilt."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from sklssl._runtime.device import forked_rng
from sklssl._storage.module_state import named_tensors
from sklssl.backbones._factory import find_backbone

__all__ = ["build_module", "check_module", "fill_module"]

_MAKERS = {torch.empty, torch.full, torch.ones, torch.rand, torch.randn, torch.zeros}


class _CreateOnMeta(TorchFunctionMode):
    """Create new tensors on torch's meta device, where they have a shape but no memory.

    Tensors that are computed from a few numbers, as by torch.arange, stay on the CPU: some networks
    read them during construction.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _MAKERS and kwargs.get("device") is None:
            kwargs = {**kwargs, "device": "meta"}
        return func(*args, **kwargs)


def build_module(estimator: Any, name: str) -> nn.Module:
    """Build the module ``pretext_`` or ``head_`` of `estimator`, without memory for its weights.

    The other attributes must be set. No memory is allocated, whatever sizes they request.
    """
    if isinstance(estimator.get_params(deep=False).get("backbone"), str):
        # What is imported below would keep tensors without memory.
        find_backbone(estimator.backbone)
    with warnings.catch_warnings(), forked_rng(torch.device("cpu"), 0), _CreateOnMeta():
        warnings.simplefilter("ignore")  # of weights that are loaded into nothing
        module: nn.Module = estimator._build_module(name)
    return module


def check_module(module: nn.Module, skeleton: nn.Module) -> None:
    """Check that `skeleton`, filled with the tensors of `module`, equals `module`.

    Raises
    ------
    ValueError
        If they differ; the message has the difference.
    """
    for here, there in zip(repr(module).splitlines(), repr(skeleton).splitlines(), strict=False):
        if here != there:
            raise ValueError(f"it has {here.strip()!r}, but {there.strip()!r} would be built.")
    for part in skeleton.modules():
        for name, value in vars(part).items():
            if isinstance(value, Tensor):
                raise ValueError(
                    f"{type(part).__name__} has a tensor {name!r} that is neither a parameter nor "
                    "a buffer. Register it with register_buffer."
                )
    _check_tensors(skeleton, named_tensors(module))


def fill_module(skeleton: nn.Module, tensors: dict[str, Tensor]) -> nn.Module:
    """Fill `skeleton` with tensors, in channels-last layout, and set it to eval mode.

    Raises
    ------
    ValueError
        If the tensors do not match `skeleton` in name, shape or dtype.
    """
    _check_tensors(skeleton, tensors)
    memo: dict[int, Any] = {}
    for name, old in named_tensors(skeleton).items():
        new = tensors[name]
        memo[id(old)] = (
            nn.Parameter(new, old.requires_grad) if isinstance(old, nn.Parameter) else new
        )
    # deepcopy uses the tensors in the memo instead of copying, also shared ones.
    module = copy.deepcopy(skeleton, memo)
    for name in tensors.keys() - named_tensors(skeleton).keys():
        path, _, last = name.rpartition(".")
        module.get_submodule(path)._buffers[last] = tensors[name]
    return module.to(memory_format=torch.channels_last).eval()


def _check_tensors(skeleton: nn.Module, tensors: dict[str, Tensor]) -> None:
    expected = named_tensors(skeleton)
    for name in tensors.keys() | expected.keys():
        if name not in tensors:
            raise ValueError(f"the tensor {name!r} is missing.")
        if name not in expected:
            if not _is_empty_buffer(skeleton, name):
                raise ValueError(f"the tensor {name!r} is unexpected.")
        elif _kind(tensors[name]) != _kind(expected[name]):
            raise ValueError(
                f"the tensor {name!r} is {_kind(tensors[name])}, but {_kind(expected[name])} "
                "is needed."
            )


def _is_empty_buffer(module: nn.Module, name: str) -> bool:
    """Return whether `name` is a buffer that is None until it is needed."""
    path, _, last = name.rpartition(".")
    parts = dict(module.named_modules())
    return path in parts and parts[path]._buffers.get(last, module) is None


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
