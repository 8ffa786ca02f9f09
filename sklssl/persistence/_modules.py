"""Networks in a saved estimator: tensors by name, for a module that its estimator builds again."""

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


class _Ghosts(TorchFunctionMode):
    """Makes new tensors on torch's meta device, where they have a shape and no memory.

    Those that are computed from a few numbers, as torch.arange does, stay on the CPU: some networks
    read them while they are built.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _MAKERS and kwargs.get("device") is None:
            kwargs = {**kwargs, "device": "meta"}
        return func(*args, **kwargs)


def build_module(estimator: Any, name: str) -> nn.Module:
    """Build what `estimator` has learned under `name`, ``pretext_`` or ``head_``, without weights.

    The other attributes have to be there. Whatever they ask for, no memory is taken for it.
    """
    if isinstance(estimator.get_params(deep=False).get("backbone"), str):
        # What is imported below would keep tensors without memory.
        find_backbone(estimator.backbone)
    with warnings.catch_warnings(), forked_rng(torch.device("cpu"), 0), _Ghosts():
        warnings.simplefilter("ignore")  # of weights that are loaded into nothing
        module: nn.Module = estimator._build_module(name)
    return module


def check_module(module: nn.Module, ghost: nn.Module) -> None:
    """Check that `ghost`, filled with the tensors of `module`, would be the same.

    Raises
    ------
    ValueError
        If it would not; says where they differ.
    """
    for here, there in zip(repr(module).splitlines(), repr(ghost).splitlines(), strict=False):
        if here != there:
            raise ValueError(f"it has {here.strip()!r} where {there.strip()!r} would be built.")
    for part in ghost.modules():
        for name, value in vars(part).items():
            if isinstance(value, Tensor):
                raise ValueError(
                    f"{type(part).__name__} keeps a tensor in {name!r}, which is neither a "
                    "parameter nor a buffer. Register it by register_buffer."
                )
    _check_tensors(ghost, named_tensors(module))


def fill_module(ghost: nn.Module, tensors: dict[str, Tensor]) -> nn.Module:
    """Give `ghost` its tensors, in channels-last layout, and set it to evaluation.

    Raises
    ------
    ValueError
        If there are other tensors than `ghost` takes, or of another shape or type.
    """
    _check_tensors(ghost, tensors)
    memo: dict[int, Any] = {}
    for name, old in named_tensors(ghost).items():
        new = tensors[name]
        memo[id(old)] = (
            nn.Parameter(new, old.requires_grad) if isinstance(old, nn.Parameter) else new
        )
    # deepcopy takes from its memo what it would else copy, wherever it is shared.
    module = copy.deepcopy(ghost, memo)
    for name in tensors.keys() - named_tensors(ghost).keys():
        path, _, last = name.rpartition(".")
        module.get_submodule(path)._buffers[last] = tensors[name]
    return module.to(memory_format=torch.channels_last).eval()


def _check_tensors(ghost: nn.Module, tensors: dict[str, Tensor]) -> None:
    expected = named_tensors(ghost)
    for name in tensors.keys() | expected.keys():
        if name not in tensors:
            raise ValueError(f"the tensor {name!r} is missing.")
        if name not in expected:
            if not _is_empty_buffer(ghost, name):
                raise ValueError(f"there is no place for the tensor {name!r}.")
        elif _kind(tensors[name]) != _kind(expected[name]):
            raise ValueError(
                f"the tensor {name!r} is {_kind(tensors[name])} where {_kind(expected[name])} "
                "is needed."
            )


def _is_empty_buffer(module: nn.Module, name: str) -> bool:
    """Tell whether `name` is of a buffer that is None until it is needed."""
    path, _, last = name.rpartition(".")
    parts = dict(module.named_modules())
    return path in parts and parts[path]._buffers.get(last, module) is None


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
