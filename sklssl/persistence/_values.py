"""Encode parameters and attributes of a saved estimator as plain values.

A dict encodes an object of the type given by its only key; other values encode themselves.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import Tensor

from sklssl.backbones._pretrained import torchvision_weights
from sklssl.persistence._names import Names, name_of

__all__ = ["decode_value", "encode_value"]

_PLAIN = (bool, int, float, str, bytes, type(None))
_KEYS = 624  # length of the state of a RandomState


def encode_value(value: Any, add: Callable[[Any], int], named: list[Any]) -> Any:
    """Encode a value as plain values.

    Parameters
    ----------
    value : object

    add : callable
        Registers an estimator and returns its index.

    named : list
        Classes and functions that are saved by name are appended.

    Raises
    ------
    TypeError
        If the type is not supported.
    """

    def encode(value: Any) -> Any:
        if type(value) in _PLAIN or isinstance(value, (np.number, np.bool_, np.str_)):
            return value
        if isinstance(value, np.ndarray) and not isinstance(value, np.ma.MaskedArray):
            return np.asarray(value)
        if type(value) in (list, tuple):
            return type(value)(encode(item) for item in value)
        if type(value) is dict:
            return {"dict": {key: encode(item) for key, item in value.items()}}
        if isinstance(value, BaseEstimator):
            return {"estimator": add(value)}
        if isinstance(value, os.PathLike):
            return {"path": os.fspath(value)}
        if isinstance(value, torch.device):
            return {"device": str(value)}
        if isinstance(value, Enum) and str(value) in torchvision_weights():
            return {"weights": str(value)}
        if isinstance(value, np.random.RandomState):
            return {"random_state": _encode_random_state(value)}
        if type(value) is partial:
            function, args = encode(value.func), encode(list(value.args))
            return {"partial": [function, args, encode(value.keywords)]}
        if callable(value) and hasattr(value, "__qualname__"):
            name = name_of(value)
            named.append(value)
            return {"name": name}
        raise TypeError(f"{value!r} has a type that cannot be saved.")

    return encode(value)


def decode_value(value: Any, names: Names, estimators: list[Any]) -> Any:
    """Decode a value encoded by :func:`encode_value`; `estimators` are referred to by index.

    Raises
    ------
    UnsupportedFileError
        If it refers to a class or function that is not in `names`.
    Exception
        Of any type, if `value` is not a result of :func:`encode_value`.
    """

    def decode(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return type(value)(decode(item) for item in value)
        if not isinstance(value, dict):
            if isinstance(value, Tensor):
                raise TypeError("a tensor is not a value")
            return value
        ((kind, content),) = value.items()
        if kind == "dict":
            return {key: decode(item) for key, item in content.items()}
        if kind == "estimator":
            return estimators[range(len(estimators))[content]]
        if kind == "name":
            return names.function(content)
        if kind == "partial":
            function, args, keywords = decode(content)
            return partial(function, *args, **keywords)
        return _LEAVES[kind](content)

    return decode(value)


def _encode_random_state(random_state: np.random.RandomState) -> list[Any]:
    state = random_state.get_state(legacy=True)
    if not isinstance(state, tuple):
        raise TypeError(f"{random_state!r} has a type that cannot be saved.")
    return list(state)


def _decode_random_state(state: Any) -> np.random.RandomState:
    name, keys, place, has_gauss, gauss = state
    if keys.shape != (_KEYS,) or keys.dtype != np.uint32 or not 0 <= int(place) <= _KEYS:
        raise ValueError("not a state of a RandomState")  # NumPy would read out of bounds
    random_state = np.random.RandomState()
    random_state.set_state((name, keys, int(place), int(has_gauss), float(gauss)))
    return random_state


_LEAVES: dict[str, Callable[[Any], Any]] = {
    "device": torch.device,
    "path": Path,
    "random_state": _decode_random_state,
    "weights": lambda name: torchvision_weights()[name][1],
}
