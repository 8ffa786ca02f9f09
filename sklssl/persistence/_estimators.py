"""Encode estimators as plain values and tensors, and decode them.

An estimator becomes a dict with its class, parameters, fitted attributes and the tensors of each
network. All estimators are stored in one list, nested ones before the estimators that contain them,
and are referred to by index.
"""

from __future__ import annotations

import copy
import io
import warnings
import zipfile
from typing import Any

import skops.io
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.utils import Bunch
from torch import nn

import sklssl
from sklssl._storage.attributes import fitted_attributes, is_names, is_output
from sklssl._storage.module_state import named_tensors
from sklssl.persistence._modules import build_module, check_module, fill_module
from sklssl.persistence._names import (
    CONTAINERS,
    Names,
    UnsupportedFileError,
    is_sklssl_class,
    name_of,
)
from sklssl.persistence._values import decode_value, encode_value
from sklssl.utils._sklearn_compat import UNDER_WAY, requests_of, set_requests

__all__ = ["decode_estimators", "encode_estimators"]

# Attributes that scikit-learn may set on any estimator.
_OPTIONAL = {"feature_names_in_": is_names, "_sklearn_output_config": is_output}
_SKOPS = "skops"
_SAFE_TYPES = [Bunch]  # a dict, but unknown to skops
_MAX_UNPACKED_BYTES = 2**28  # bytes of arrays after decompression


def encode_estimators(
    estimator: BaseEstimator, named: list[Any] | None = None
) -> list[dict[str, Any]]:
    """Encode an estimator as a list that ends with it, after its nested estimators.

    Parameters
    ----------
    estimator : estimator

    named : list, default=None
        If given, classes and functions that are saved by name are appended.

    Raises
    ------
    TypeError
        If the type of a parameter or attribute is not supported.
    ValueError
        If the parameters do not match the fitted attributes.
    """
    nodes: list[dict[str, Any]] = []
    numbers: dict[int, int] = {}
    named = [] if named is None else named

    def add(item: BaseEstimator) -> int:
        if id(item) not in numbers:
            whole = not is_sklssl_class(type(item)) and type(item) not in CONTAINERS
            node = _encode_sklearn(item) if whole else _encode_sklssl(item, add, named)
            numbers[id(item)] = len(nodes)
            nodes.append(node)
        return numbers[id(item)]

    add(estimator)
    return nodes


def decode_estimators(nodes: Any, names: Names) -> BaseEstimator:
    """Decode an estimator encoded by :func:`encode_estimators`.

    Raises
    ------
    UnsupportedFileError
        If a class, parameter, attribute or tensor is unknown or invalid.
    Exception
        Of any type, if `nodes` is not a result of :func:`encode_estimators`.
    """
    estimators: list[BaseEstimator] = []
    for node in nodes:
        decode = _decode_sklearn if node["class"] == _SKOPS else _decode_sklssl
        estimators.append(decode(node, names, estimators))
    return estimators[-1]


# Estimators of sklssl --------------------------------------------------------------------------


def _encode_sklssl(estimator: Any, add: Any, named: list[Any]) -> dict[str, Any]:
    cls, params = type(estimator), estimator.get_params(deep=False)
    learned = {k: v for k, v in vars(estimator).items() if k not in params}
    params, learned = _drop_callbacks(cls, params, learned)
    try:
        _check_params(estimator)
        _check_attributes(estimator, learned)
        modules = {
            name: _encode_module(estimator, name) for name in _modules(cls) if name in learned
        }
    except ValueError as error:
        raise ValueError(f"{cls.__name__} was not saved: {error}") from error

    def encode(values: dict[str, Any], what: str) -> dict[str, Any]:
        out = {}
        for name, value in values.items():
            try:
                out[name] = encode_value(value, add, named)
            except TypeError as error:
                raise TypeError(f"The {what} '{name}' of {cls.__name__}: {error}") from error
        return out

    learned = {name: value for name, value in learned.items() if name not in modules}
    named.append(cls)
    return {
        "class": name_of(cls),
        "params": encode(params, "parameter"),
        "learned": encode(learned, "attribute"),
        "requests": requests_of(estimator),
        **modules,
    }


def _drop_callbacks(
    cls: type, params: dict[str, Any], learned: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Remove the callbacks, with a warning: they belong to the training run."""
    callbacks = params.get("callbacks")
    has_callbacks = callbacks is not None and len(callbacks) > 0
    if has_callbacks or "_skl_callbacks" in learned:
        warnings.warn(
            f"The callbacks of {cls.__name__} are not saved. To continue training after loading, "
            "set them again.",
            UserWarning,
            stacklevel=2,
        )
    if has_callbacks:
        params = {**params, "callbacks": None}
    dropped = {"_skl_callbacks", "_metadata_request", *UNDER_WAY}
    return params, {name: value for name, value in learned.items() if name not in dropped}


def _encode_module(estimator: Any, name: str) -> dict[str, Any]:
    module: nn.Module = getattr(estimator, name)
    try:
        check_module(module, build_module(estimator, name))
    except Exception as error:  # the network may be of any class
        raise ValueError(
            f"its '{name}' cannot be rebuilt from its parameters: {error} Parameters must be the "
            "same as in fit, and your own network must be built in the same way each time, "
            "without reading new tensors."
        ) from error
    return named_tensors(module)


def _decode_sklssl(node: Any, names: Names, estimators: list[Any]) -> BaseEstimator:
    cls = names.estimator(node["class"])
    params = _decode_each(node["params"], names, estimators)
    for name in params.keys() - set(cls._get_param_names()):
        raise UnsupportedFileError(
            f"{cls.__name__} has no parameter {name!r}. Update sklssl to read it."
        )
    learned = _decode_each(node["learned"], names, estimators)
    _convert_old_file(cls, params, learned)
    estimator = cls(**params)
    modules = [name for name in _modules(cls) if name in node]
    for name in node.keys() - {"class", "params", "learned", "requests", *modules}:
        raise UnsupportedFileError(f"{cls.__name__} has no network {name!r}.")
    try:
        _check_params(estimator)
        _check_attributes(estimator, {**learned, **dict.fromkeys(modules)})
        vars(estimator).update(learned)
        set_requests(estimator, node.get("requests", {}))
        for name in modules:
            vars(estimator)[name] = fill_module(build_module(estimator, name), node[name])
        if (
            "pretext_" in modules
            and learned["layer_names_"] != estimator.pretext_.backbone.layer_names
        ):
            raise ValueError(f"its network has no layers {learned['layer_names_']}.")
    except Exception as error:
        raise UnsupportedFileError(f"{cls.__name__}: {error}") from error
    return estimator


def _convert_old_file(cls: Any, params: dict[str, Any], learned: dict[str, Any]) -> None:
    """Convert older files, which have no `symmetry`."""
    if "symmetry" in params or "symmetry" not in cls._get_param_names():
        return
    params["symmetry"] = None
    if "layer_names_" in learned:
        learned["symmetry_"] = None
        stages = learned["layer_names_"]
        if params["layer"] == "auto":  # formerly the middle layer
            params["layer"] = stages[(len(stages) - 1) // 2]


def _modules(cls: type) -> list[str]:
    """Return the names of the attributes that are modules."""
    return [name for name, kind in fitted_attributes(cls).items() if isinstance(kind, type)]


def _check_attributes(estimator: BaseEstimator, learned: dict[str, Any]) -> None:
    """Check that `learned` are valid fitted attributes of `estimator`.

    Raises
    ------
    ValueError
        If an attribute is unknown, missing or of the wrong type. Modules are not checked.
    """
    cls = type(estimator)
    # Classes of third parties may have more of them.
    extends = not cls.__module__.startswith(("sklssl.", "sklearn."))
    declared = fitted_attributes(cls)
    for name, value in learned.items():
        check = {**declared, **_OPTIONAL}.get(name)
        if check is None:
            if not extends or not name.isidentifier() or hasattr(cls, name):
                raise ValueError(f"{cls.__name__} has no attribute {name!r} that can be saved.")
        elif not isinstance(check, type) and not check(value):
            raise ValueError(
                f"the attribute {name!r} of {cls.__name__} cannot be {_shorten(value)}."
            )
    if learned.keys() - _OPTIONAL:
        for name in declared.keys() - learned.keys():
            raise ValueError(f"the attribute {name!r} of {cls.__name__} is missing.")


def _shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 200 else f"{text[:200]}..."


def _decode_each(values: Any, names: Names, estimators: list[Any]) -> dict[str, Any]:
    return {name: decode_value(value, names, estimators) for name, value in values.items()}


def _check_params(estimator: BaseEstimator) -> None:
    """Check the parameters, including those that containers check only in ``fit``."""
    if hasattr(estimator, "_parameter_constraints"):
        estimator._validate_params()
    if isinstance(estimator, Pipeline | FeatureUnion):
        pipeline = isinstance(estimator, Pipeline)
        steps = estimator.steps if pipeline else estimator.transformer_list
        for name, step in steps:
            if not isinstance(name, str) or not (
                step in (None, "drop", "passthrough") or isinstance(step, BaseEstimator)
            ):
                raise ValueError(f"the step {name!r} is not an estimator.")
    if isinstance(estimator, FrozenEstimator) and not isinstance(
        estimator.estimator, BaseEstimator
    ):
        raise ValueError("it does not contain an estimator.")


# Estimators of scikit-learn --------------------------------------------------------------------


def _encode_sklearn(estimator: BaseEstimator) -> dict[str, Any]:
    name = type(estimator).__name__
    params = estimator.get_params(deep=True).values()
    _check_no_sklssl_inside(
        name, [type(value).__name__ for value in params if is_sklssl_class(type(value))]
    )
    try:
        # A copy with contiguous arrays: skops would change the memory order of other arrays, which
        # changes the last digits of products.
        data = skops.io.dumps(copy.deepcopy(estimator))
        types = skops.io.get_untrusted_types(data=data)
    except Exception as error:  # skops raises various errors
        raise TypeError(f"{name} cannot be written by skops: {error}") from error
    # Fitted estimators are not parameters.
    ours = [item.rpartition(".")[2] for item in types if item.startswith("sklssl.")]
    _check_no_sklssl_inside(name, sorted(ours, key=lambda item: item not in sklssl.__all__))
    return {"class": _SKOPS, "data": data}


def _check_no_sklssl_inside(name: str, inner: list[str]) -> None:
    """Raise an error if the scikit-learn estimator `name` contains objects of sklssl."""
    if inner:
        raise TypeError(
            f"{name} contains {inner[0]}, but is saved with skops, which does not support "
            "estimators of sklssl. Save the fitted estimator inside it, for a search "
            "save(search.best_estimator_, path), or use joblib."
        )


def _decode_sklearn(node: Any, names: Names, estimators: list[Any]) -> BaseEstimator:
    data = node["data"]
    _check_size(data)
    trusted = [*_SAFE_TYPES, *names.trusted.values()]
    known = {f"{item.__module__}.{item.__qualname__}" for item in trusted}
    types = set(skops.io.get_untrusted_types(data=data))
    missing = sorted(types - known)
    if missing and not names.all_of_skops:
        raise UnsupportedFileError(
            f"it refers to {missing}, which are not trusted. If you know them and trust the source "
            "of the file, pass these classes and functions as trusted=[...]."
        )
    estimator = skops.io.loads(data, trusted=sorted(types | known))
    if not isinstance(estimator, BaseEstimator):
        raise UnsupportedFileError(
            f"it contains {type(estimator).__name__} instead of an estimator."
        )
    return estimator


def _check_size(data: bytes) -> None:
    """Raise an error if the data would take much more memory than their length."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        entries = file.infolist()
        packed = [entry.filename for entry in entries if entry.filename.endswith(".npz")]
        if sum(entry.file_size for entry in entries) > len(data):
            raise UnsupportedFileError("it contains compressed data.")
        for name in packed:  # sparse matrices
            with zipfile.ZipFile(file.open(name)) as inner:
                if sum(entry.file_size for entry in inner.infolist()) > _MAX_UNPACKED_BYTES:
                    raise UnsupportedFileError("it contains a sparse matrix that is too large.")
