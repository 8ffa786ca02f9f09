"""The identity of a training run, its settings and images, as text for comparison."""

from __future__ import annotations

import functools
import hashlib
import math
import os
import reprlib
from enum import Enum
from numbers import Integral
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from torch import Tensor, nn

from sklssl._data.batches import slices
from sklssl._storage.module_state import named_tensors, tensor_bytes
from sklssl._training.config import Plan

__all__ = [
    "NOT_PART_OF_FINGERPRINT",
    "callbacks_repr",
    "canonical_repr",
    "describe_fit",
    "fingerprint",
    "fingerprint_module",
    "settings_repr",
]

_PIECE_BYTES = 2**24
# Parameters that do not affect what is learned.
NOT_PART_OF_FINGERPRINT = {
    "cache_dir",
    "callbacks",
    "checkpoint_dir",
    "checkpoint_every",
    "device",
    "on_error",
    "random_state",
    "resume",
    "verbose",
    "warm_start",
}


def describe_fit(estimator: Any, rows: list[Any], plan: Plan) -> dict[str, Any]:
    """Describe what distinguishes a fit from others; it is the same in every process.

    Parameters
    ----------
    estimator : estimator
        The estimator to train; if training continues, in its fitted state.

    rows : list of arrays
        The training data.

    plan : Plan
    """
    settings = settings_repr(estimator)
    if isinstance(estimator.random_state, Integral):
        settings["random_state"] = canonical_repr(estimator.random_state)
    return {
        "estimator": type(estimator).__name__,
        "settings": settings,
        "phases": canonical_repr(plan.phases),
        "continued": fingerprint_module(estimator.pretext_) if plan.continued else "",
        "rows": [fingerprint(array) for array in rows],
    }


def settings_repr(estimator: Any) -> dict[str, str]:
    """Describe the parameters of an estimator that affect what it learns."""
    params = estimator.get_params(deep=False)
    return {
        name: canonical_repr(value)
        for name, value in params.items()
        if name not in NOT_PART_OF_FINGERPRINT
    }


def callbacks_repr(estimator: Any) -> str:
    """Describe the callbacks of an estimator, which may stop its training."""
    own, of_sklearn = estimator.callbacks, getattr(estimator, "_skl_callbacks", None)
    return canonical_repr([list(own or ()), list(of_sklearn or ())])


@reprlib.recursive_repr()
def canonical_repr(value: Any) -> str:
    """Describe the value of a parameter, identically for equal values and in every process."""
    if isinstance(value, FrozenEstimator):
        return canonical_repr(value.estimator)
    if isinstance(value, functools.partial):
        return f"partial{canonical_repr((value.func, value.args, value.keywords))}"
    if isinstance(value, nn.Module):
        return f"{_name(type(value))} with {fingerprint_module(value)}"
    if isinstance(value, Tensor):
        return f"tensor {_fingerprint_tensors({'': value})}"
    if hasattr(value, "get_params") and not isinstance(value, type):
        fitted = hasattr(value, "pretext_")
        learned = f" with {fingerprint_module(value.pretext_)}" if fitted else ""
        return f"{type(value).__name__}{canonical_repr(settings_repr(value))}{learned}"
    if isinstance(value, dict):
        return str({str(key): canonical_repr(value[key]) for key in sorted(value, key=str)})
    if isinstance(value, np.ndarray) and value.ndim and value.dtype != object:
        return f"array {fingerprint(value)}"
    if isinstance(value, list | tuple | np.ndarray):
        return f"({', '.join(map(canonical_repr, value))})"
    if isinstance(value, set | frozenset):
        return f"set{sorted(map(canonical_repr, value))}"
    if isinstance(value, Enum | os.PathLike):
        return str(value)
    if isinstance(value, FunctionType) and "<" in value.__qualname__:
        return f"{_name(value)}{canonical_repr(_what_it_does(value))}"
    if isinstance(value, MethodType):
        return f"{_name(value)} of {canonical_repr(value.__self__)}"
    if isinstance(value, type | FunctionType | BuiltinFunctionType):
        return _name(value)
    if type(value).__repr__ is object.__repr__:  # which has an address
        return f"{_name(type(value))}{canonical_repr(getattr(value, '__dict__', {}))}"
    return repr(value.item() if isinstance(value, np.generic) else value)


def _name(value: Any) -> str:
    return f"{value.__module__}.{value.__qualname__}"


def _what_it_does(function: FunctionType) -> list[Any]:
    """Return what tells functions apart that are defined in others, or without a name."""
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    return [_instructions(function.__code__), function.__defaults__, function.__kwdefaults__, cells]


def _instructions(code: CodeType) -> list[Any]:
    inner = [_instructions(x) if isinstance(x, CodeType) else x for x in code.co_consts]
    return [code.co_code.hex(), code.co_names, inner]


def fingerprint_module(module: Any) -> str:
    """Hash the tensors of a module."""
    return _fingerprint_tensors(named_tensors(module))


def _fingerprint_tensors(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in tensors.items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor_bytes(tensor).data)
    return digest.hexdigest()


def fingerprint(*arrays: Any) -> str:
    """Hash arrays, or objects that can be sliced into arrays, piece by piece."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.shape}{array.dtype}".encode())
        row = max(1, math.prod(array.shape[1:]) * array.dtype.itemsize)
        for part in slices(len(array), max(1, _PIECE_BYTES // row)):
            rows: Any = np.ascontiguousarray(array[part])
            digest.update(rows)
    return digest.hexdigest()
