"""Estimators as plain values and tensors, and back.

An estimator becomes a dict of its class, parameters and learned attributes by name, and of the
tensors of each network. Those inside of it come before it in one list, and are referred to by
number.
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
from sklssl.persistence._names import CONTAINERS, Names, Refusal, is_ours, name_of
from sklssl.persistence._values import decode_value, encode_value

__all__ = ["decode_estimators", "encode_estimators"]

# What belongs to a fit, and to the process that it runs in.
_OF_TRAINING = {"_callback_fit_ctx", "_parent_callback_ctx", "_skl_callbacks_to_teardown"}
# What scikit-learn may leave on any estimator.
_OPTIONAL = {"feature_names_in_": is_names, "_sklearn_output_config": is_output}
_SKOPS = "skops"
_HARMLESS = [Bunch]  # a dict, which skops does not know
_UNPACKED = 2**28  # bytes, of arrays that skops has packed


def encode_estimators(
    estimator: BaseEstimator, named: list[Any] | None = None
) -> list[dict[str, Any]]:
    """Turn an estimator into a list that ends with it, after those inside of it.

    Parameters
    ----------
    estimator : estimator

    named : list, default=None
        Gets the classes and functions that are written by name.

    Raises
    ------
    TypeError
        If a parameter or attribute is of no type that is written.
    ValueError
        If its parameters and what it has learned do not go together.
    """
    nodes: list[dict[str, Any]] = []
    numbers: dict[int, int] = {}
    named = [] if named is None else named

    def add(item: BaseEstimator) -> int:
        if id(item) not in numbers:
            whole = not is_ours(type(item)) and type(item) not in CONTAINERS
            node = _encode_theirs(item) if whole else _encode_ours(item, add, named)
            numbers[id(item)] = len(nodes)
            nodes.append(node)
        return numbers[id(item)]

    add(estimator)
    return nodes


def decode_estimators(nodes: Any, names: Names) -> BaseEstimator:
    """Turn what :func:`encode_estimators` gave into the estimator.

    Raises
    ------
    Refusal
        If a class, parameter, attribute or tensor is unknown, or not what it has to be.
    Exception
        Of any other kind, if :func:`encode_estimators` never gave it.
    """
    estimators: list[BaseEstimator] = []
    for node in nodes:
        decode = _decode_theirs if node["class"] == _SKOPS else _decode_ours
        estimators.append(decode(node, names, estimators))
    return estimators[-1]


# Ours ------------------------------------------------------------------------------------------


def _encode_ours(estimator: Any, add: Any, named: list[Any]) -> dict[str, Any]:
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
        **modules,
    }


def _drop_callbacks(
    cls: type, params: dict[str, Any], learned: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Leave out the callbacks, which are of the training, and say so."""
    callbacks = params.get("callbacks")
    has_callbacks = callbacks is not None and len(callbacks) > 0
    if has_callbacks or "_skl_callbacks" in learned:
        warnings.warn(
            f"The callbacks of {cls.__name__} are not saved. To train on after loading, set them "
            "anew.",
            UserWarning,
            stacklevel=2,
        )
    if has_callbacks:
        params = {**params, "callbacks": None}
    dropped = {"_skl_callbacks", *_OF_TRAINING}
    return params, {name: value for name, value in learned.items() if name not in dropped}


def _encode_module(estimator: Any, name: str) -> dict[str, Any]:
    module: nn.Module = getattr(estimator, name)
    try:
        check_module(module, build_module(estimator, name))
    except Exception as error:  # the network may be anyone's
        raise ValueError(
            f"its '{name}' cannot be built again from its parameters: {error} Parameters must be "
            "what they were in fit, and a network of your own must be built alike each time, "
            "without reading new tensors."
        ) from error
    return named_tensors(module)


def _decode_ours(node: Any, names: Names, estimators: list[Any]) -> BaseEstimator:
    cls = names.estimator(node["class"])
    params = _decode_each(node["params"], names, estimators)
    for name in params.keys() - set(cls._get_param_names()):
        raise Refusal(f"{cls.__name__} has no parameter {name!r}. Update sklssl to read it.")
    learned = _decode_each(node["learned"], names, estimators)
    _bring_up_to_date(cls, params, learned)
    estimator = cls(**params)
    modules = [name for name in _modules(cls) if name in node]
    for name in node.keys() - {"class", "params", "learned", *modules}:
        raise Refusal(f"{cls.__name__} has no network {name!r}.")
    try:
        _check_params(estimator)
        _check_attributes(estimator, {**learned, **dict.fromkeys(modules)})
        vars(estimator).update(learned)
        for name in modules:
            vars(estimator)[name] = fill_module(build_module(estimator, name), node[name])
        if (
            "pretext_" in modules
            and learned["layer_names_"] != estimator.pretext_.backbone.layer_names
        ):
            raise ValueError(f"its network has no layers {learned['layer_names_']}.")
    except Exception as error:
        raise Refusal(f"{cls.__name__}: {error}") from error
    return estimator


def _bring_up_to_date(cls: Any, params: dict[str, Any], learned: dict[str, Any]) -> None:
    """Let an older file mean what it meant: one without `symmetry`, or of a marked clone."""
    learned.pop("_is_clone", None)
    if "symmetry" in params or "symmetry" not in cls._get_param_names():
        return
    params["symmetry"] = None
    if "layer_names_" in learned:
        learned["symmetry_"] = None
        stages = learned["layer_names_"]
        if params["layer"] == "auto":  # the middle one
            params["layer"] = stages[(len(stages) - 1) // 2]


def _modules(cls: type) -> list[str]:
    """Return the names of the attributes that are networks."""
    return [name for name, kind in fitted_attributes(cls).items() if isinstance(kind, type)]


def _check_attributes(estimator: BaseEstimator, learned: dict[str, Any]) -> None:
    """Check that `learned` is what `estimator` can have beside its parameters.

    Raises
    ------
    ValueError
        If an attribute is unknown, missing or of the wrong type; networks are not looked at.
    """
    cls = type(estimator)
    extends = not cls.__module__.startswith(("sklssl.", "sklearn."))  # so it may have more of them
    declared = fitted_attributes(cls)
    for name, value in learned.items():
        check = {**declared, **_OPTIONAL}.get(name)
        if check is None:
            if not extends or not name.isidentifier() or hasattr(cls, name):
                raise ValueError(f"{cls.__name__} has no attribute {name!r} that could be written.")
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
    """Check the parameters; of containers also what they look at only when they are fitted."""
    if hasattr(estimator, "_parameter_constraints"):
        estimator._validate_params()
    if isinstance(estimator, Pipeline | FeatureUnion):
        pipeline = isinstance(estimator, Pipeline)
        steps = estimator.steps if pipeline else estimator.transformer_list
        for name, step in steps:
            if not isinstance(name, str) or not (
                step in (None, "drop", "passthrough") or isinstance(step, BaseEstimator)
            ):
                raise ValueError(f"the step {name!r} is no estimator.")
    if isinstance(estimator, FrozenEstimator) and not isinstance(
        estimator.estimator, BaseEstimator
    ):
        raise ValueError("it holds no estimator.")


# scikit-learn's own ----------------------------------------------------------------------------


def _encode_theirs(estimator: BaseEstimator) -> dict[str, Any]:
    name = type(estimator).__name__
    params = estimator.get_params(deep=True).values()
    _refuse_inner(name, [type(value).__name__ for value in params if is_ours(type(value))])
    try:
        # A copy, whose arrays have no gaps: skops would write those that have in another order, in
        # which sums of their products have other last digits.
        data = skops.io.dumps(copy.deepcopy(estimator))
        types = skops.io.get_untrusted_types(data=data)
    except Exception as error:  # skops has no one error for it
        raise TypeError(f"{name} cannot be written by skops: {error}") from error
    # What it has fitted is no parameter.
    ours = [item.rpartition(".")[2] for item in types if item.startswith("sklssl.")]
    _refuse_inner(name, sorted(ours, key=lambda item: item not in sklssl.__all__))
    return {"class": _SKOPS, "data": data}


def _refuse_inner(name: str, inner: list[str]) -> None:
    """Refuse an estimator of scikit-learn, called `name`, that holds something of sklssl."""
    if inner:
        raise TypeError(
            f"{name} holds {inner[0]}, and is written by skops, which cannot write estimators of "
            "sklssl. Save what it has fitted by itself, of a search save(search.best_estimator_, "
            "path), or take joblib."
        )


def _decode_theirs(node: Any, names: Names, estimators: list[Any]) -> BaseEstimator:
    data = node["data"]
    _check_size(data)
    trusted = [*_HARMLESS, *names.trusted.values()]
    known = {f"{item.__module__}.{item.__qualname__}" for item in trusted}
    types = set(skops.io.get_untrusted_types(data=data))
    missing = sorted(types - known)
    if missing and not names.all_of_skops:
        raise Refusal(
            f"it asks for {missing}, which are not trusted. If you know them, and where the file "
            "comes from, pass these classes and functions as trusted=[...]."
        )
    estimator = skops.io.loads(data, trusted=sorted(types | known))
    if not isinstance(estimator, BaseEstimator):
        raise Refusal(f"it holds {type(estimator).__name__} in the place of an estimator.")
    return estimator


def _check_size(data: bytes) -> None:
    """Refuse what would take much more memory than it is long."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        entries = file.infolist()
        packed = [entry.filename for entry in entries if entry.filename.endswith(".npz")]
        if sum(entry.file_size for entry in entries) > len(data):
            raise Refusal("it holds packed data.")
        for name in packed:  # sparse matrices
            with zipfile.ZipFile(file.open(name)) as inner:
                if sum(entry.file_size for entry in inner.infolist()) > _UNPACKED:
                    raise Refusal("it holds a sparse matrix that is too large.")
