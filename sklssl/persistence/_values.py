"""Parameters and attributes in a saved estimator: what is no plain value, in plain values.

A dict stands for something of the kind that its only key names; all else stands for itself.
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
_KEYS = 624  # numbers in the state of a RandomState


def encode_value(value: Any, add: Callable[[Any], int], named: list[Any]) -> Any:
    """Turn a value into plain ones.

    Parameters
    ----------
    value : object

    add : callable
        Takes an estimator and gives its number.

    named : list
        Gets the classes and functions that are written by name.

    Raises
    ------
    TypeError
        If that is not possible.
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
        raise TypeError(f"{value!r} is of no type that is written.")

    return encode(value)


def decode_value(value: Any, names: Names, estimators: list[Any]) -> Any:
    """Turn what :func:`encode_value` gave into the value; `estimators` are there by number.

    Raises
    ------
    Refusal
        If it asks for a class or function that `names` does not give.
    Exception
        Of any other kind, if :func:`encode_value` never gave it.
    """

    def decode(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return type(value)(decode(item) for item in value)
        if not isinstance(value, dict):
            if isinstance(value, Tensor):
                raise TypeError("a tensor is no value")
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
        raise TypeError(f"{random_state!r} is of no type that is written.")
    return list(state)


def _decode_random_state(state: Any) -> np.random.RandomState:
    name, keys, place, has_gauss, gauss = state
    if keys.shape != (_KEYS,) or keys.dtype != np.uint32 or not 0 <= int(place) <= _KEYS:
        raise ValueError("no state of a RandomState")  # numpy would read beyond its numbers
    random_state = np.random.RandomState()
    random_state.set_state((name, keys, int(place), int(has_gauss), float(gauss)))
    return random_state


_LEAVES: dict[str, Callable[[Any], Any]] = {
    "device": torch.device,
    "path": Path,
    "random_state": _decode_random_state,
    "weights": lambda name: torchvision_weights()[name][1],
}
