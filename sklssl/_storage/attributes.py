"""Fitted attributes of the estimators of sklssl, and checks of their values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from sklssl import (
    BaseEmbedder,
    FineTuneClassifier,
    FineTuneRegressor,
    HarrisCornerMasker,
    ImageResizer,
    MultiScaleEmbedder,
    SemiSupervisedClassifier,
)
from sklssl.finetuning._base import BaseFineTuner
from sklssl.preprocessing._base import ImageTransformer

__all__ = ["MODULES", "check_attributes"]

# In the order in which they are rebuilt.
MODULES = ("pretext_", "head_")

_IMAGES = {"image_shape_", "n_features_in_"}
_LEARNED: dict[type, set[str]] = {
    BaseEmbedder: {"pretext_", "history_", "layer_names_", "symmetry_", "value_range_"} | _IMAGES,
    BaseFineTuner: {"embedder_", "head_", "history_", "layer_"},
    FineTuneClassifier: {"classes_"},
    FineTuneRegressor: {"y_mean_", "y_scale_", "_one_column"},
    HarrisCornerMasker: {"white_", "seed_"},
    ImageResizer: {"image_size_"},
    ImageTransformer: _IMAGES,
    MultiScaleEmbedder: {"estimator_"},
    SemiSupervisedClassifier: {"embedder_", "classifier_", "classes_"},
}
_OPTIONAL = {"feature_names_in_", "_is_clone", "_sklearn_output_config"}
_OUTPUTS = (None, "default", "pandas", "polars")


def check_attributes(estimator: BaseEstimator, learned: dict[str, Any]) -> None:
    """Check that `learned` are valid fitted attributes of `estimator`, except for modules.

    Parameters
    ----------
    estimator : estimator
    learned : dict of str to object
        The attributes. The values of modules are not checked.

    Raises
    ------
    ValueError
        If one is unknown, missing or of the wrong type.
    """
    cls = type(estimator)
    extends = not cls.__module__.startswith(
        ("sklssl.", "sklearn.")
    )  # third-party classes may have more
    known = set().union(*(_LEARNED.get(base, set()) for base in cls.__mro__))
    for name, value in learned.items():
        own = name in known or name in _OPTIONAL
        if not own and not (extends and name.isidentifier() and not hasattr(cls, name)):
            raise ValueError(f"{cls.__name__} has no attribute {name!r} that can be saved.")
        if own and name in _CHECKS and not _CHECKS[name](value):
            raise ValueError(
                f"the attribute {name!r} of {cls.__name__} cannot be {_shorten(value)}."
            )
    if learned.keys() - _OPTIONAL:
        for name in known - learned.keys():
            raise ValueError(f"the attribute {name!r} of {cls.__name__} is missing.")
    inner = learned.get("embedder_" if issubclass(cls, BaseFineTuner) else "estimator_")
    if inner is not None and not (isinstance(inner, BaseEmbedder) and hasattr(inner, "pretext_")):
        raise ValueError(f"{cls.__name__} needs a fitted embedder. Got {_shorten(inner)}.")


def _shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 200 else f"{text[:200]}..."


def _is_positive_tuple(value: Any, n: int) -> bool:
    """Return whether `value` is a tuple of `n` positive integers."""
    return (
        isinstance(value, tuple)
        and len(value) == n
        and all(isinstance(item, int | np.integer) and item > 0 for item in value)
    )


def _is_history(value: Any) -> bool:
    rows = isinstance(value, list) and all(isinstance(row, dict) for row in value)
    return rows and all(isinstance(key, str) for row in value for key in row)


def _is_range(value: Any) -> bool:
    return (
        isinstance(value, tuple)
        and len(value) == 2
        and (
            all(isinstance(item, float) for item in value)
            or all(isinstance(item, np.ndarray) and item.ndim == 1 for item in value)
        )
    )


def _is_output(value: Any) -> bool:
    return isinstance(value, dict) and all(
        key == "transform" and output in _OUTPUTS for key, output in value.items()
    )


def _is_vector(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 1 and len(value) > 0


def _is_numbers(value: Any) -> bool:
    return _is_vector(value) and value.dtype.kind == "f"


def _is_names(value: Any) -> bool:
    return _is_vector(value) and all(isinstance(name, str) for name in value)


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "_is_clone": lambda value: isinstance(value, bool),
    "_one_column": lambda value: isinstance(value, bool),
    "_sklearn_output_config": _is_output,
    "classes_": _is_vector,
    "classifier_": lambda value: hasattr(value, "predict"),
    "embedder_": lambda value: hasattr(value, "transform"),
    "feature_names_in_": _is_names,
    "history_": _is_history,
    "image_shape_": lambda value: _is_positive_tuple(value, 3),
    "image_size_": lambda value: _is_positive_tuple(value, 2),
    "layer_": lambda value: isinstance(value, str),
    "layer_names_": lambda value: (
        isinstance(value, tuple) and all(isinstance(name, str) for name in value)
    ),
    "n_features_in_": lambda value: bool(isinstance(value, int | np.integer) and value > 0),
    "seed_": lambda value: isinstance(value, int) and 0 <= value < 2**31,
    "symmetry_": lambda value: value in (None, "mirror", "all"),
    "value_range_": _is_range,
    "white_": lambda value: isinstance(value, np.number),
    "y_mean_": _is_numbers,
    "y_scale_": _is_numbers,
}
