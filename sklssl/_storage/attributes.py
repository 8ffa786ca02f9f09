"""Checks of fitted attributes that were read from a file.

Each class of estimators declares its own in ``_fitted_attributes``: a dict from the name to a
function that returns whether a value is valid, or to the base class of a torch module, which
``_build_module(name)`` then builds without its weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = [
    "fitted_attributes",
    "is_bool",
    "is_history",
    "is_matrix",
    "is_names",
    "is_numbers",
    "is_output",
    "is_positive_int",
    "is_positive_ints",
    "is_range",
    "is_str",
    "is_strs",
    "is_vector",
]

_OUTPUTS = (None, "default", "pandas", "polars")


def fitted_attributes(cls: type) -> dict[str, Any]:
    """Return the declared attributes of a class, those of its bases first."""
    declared: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        declared |= vars(base).get("_fitted_attributes", {})
    return declared


def is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def is_str(value: Any) -> bool:
    return isinstance(value, str)


def is_strs(value: Any) -> bool:
    """Return whether `value` is a tuple of strings."""
    return isinstance(value, tuple) and all(map(is_str, value))


def is_positive_int(value: Any) -> bool:
    return isinstance(value, int | np.integer) and bool(value > 0)


def is_positive_ints(n: int) -> Callable[[Any], bool]:
    """Return a check for a tuple of `n` positive integers."""
    return lambda value: (
        isinstance(value, tuple) and len(value) == n and all(map(is_positive_int, value))
    )


def is_history(value: Any) -> bool:
    rows = isinstance(value, list) and all(isinstance(row, dict) for row in value)
    return rows and all(isinstance(key, str) for row in value for key in row)


def is_range(value: Any) -> bool:
    """Return whether `value` is a pair of floats, or of arrays with one for each channel."""
    return (
        isinstance(value, tuple)
        and len(value) == 2
        and (
            all(isinstance(item, float) for item in value)
            or all(isinstance(item, np.ndarray) and item.ndim == 1 for item in value)
        )
    )


def is_output(value: Any) -> bool:
    """Return whether `value` is a configuration of ``set_output``."""
    return isinstance(value, dict) and all(
        key == "transform" and output in _OUTPUTS for key, output in value.items()
    )


def is_vector(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 1 and len(value) > 0


def is_numbers(value: Any) -> bool:
    return is_vector(value) and value.dtype.kind == "f"


def is_matrix(value: Any) -> bool:
    """Return whether `value` is a matrix of floats."""
    return isinstance(value, np.ndarray) and value.ndim == 2 and value.dtype.kind == "f"


def is_names(value: Any) -> bool:
    return is_vector(value) and all(map(is_str, value))
