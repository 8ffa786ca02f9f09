"""Describe values of parameters as text, identically for equal values and in every process."""

from __future__ import annotations

import contextlib
import copyreg
import dis
import functools
import hashlib
import operator
import os
from collections.abc import Callable, Iterator
from enum import Enum
from numbers import Integral, Number
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    MappingProxyType,
    MethodType,
    ModuleType,
)
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from torch import Tensor, nn

from sklssl._training.hashes import fingerprint, fingerprint_module, fingerprint_tensors

__all__ = ["NOT_PART_OF_FINGERPRINT", "canonical_repr", "settings_of"]

# Characters of a description, and of its beginning if it is longer.
_LONGEST, _SHOWN = 1000, 100
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


def canonical_repr(value: Any, *, reads: bool = True) -> str:
    """Describe the value of a parameter, identically for equal values and in every process.

    Parameters
    ----------
    value : object

    reads : bool, default=True
        Whether to include what is read when the value is used: the global variables of functions
        that are compared by their code, and the contents of files of weights. Both may change
        after a network was built.
    """
    described: dict[int, tuple[Any, str]] = {}  # with the values, so that their ids stay theirs

    def describe(value: Any) -> str:
        if id(value) not in described:
            described[id(value)] = value, "..."  # within itself
            text = _describe(value, describe, reads=reads)
            described[id(value)] = value, _shorten(text)
        return described[id(value)][1]

    return describe(value)


def _shorten(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    digest = hashlib.sha256(text.encode(errors="surrogatepass"))  # of any file name
    return f"{text[:_SHOWN]}... {digest.hexdigest()}"


def _describe(value: Any, describe: Callable[[Any], str], *, reads: bool) -> str:
    """Describe a value, and what it consists of with `describe`."""
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and not value.ndim):
        value = value.item()
    if isinstance(value, Enum | os.PathLike):
        return str(value)
    if isinstance(value, str | bytes | Number | None):
        return repr(value)
    if isinstance(value, ModuleType):
        return value.__name__
    if isinstance(value, FrozenEstimator):
        return describe(value.estimator)
    if isinstance(value, functools.partial):
        return f"partial{describe((value.func, value.args, value.keywords))}"
    if isinstance(value, nn.Module):
        return f"{_name(type(value))}{describe(_layers(value))} with {fingerprint_module(value)}"
    if isinstance(value, Tensor):
        return f"tensor {fingerprint_tensors({'': value})}"
    if hasattr(value, "get_params") and not isinstance(value, type):
        learned = _learned(value)
        settings = settings_of(value, reads=reads and not learned)
        return f"{type(value).__name__}{describe(settings | learned)}"
    if isinstance(value, dict | MappingProxyType):
        items = (f"{describe(key)}: {describe(item)}" for key, item in value.items())
        return f"{{{', '.join(sorted(items))}}}"
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return f"array {fingerprint(value)}"
    if isinstance(value, list | tuple | np.ndarray):
        return f"({', '.join(map(describe, value))})"
    if isinstance(value, set | frozenset):
        return f"set({', '.join(sorted(map(describe, value)))})"
    if isinstance(value, FunctionType) and "<" in value.__qualname__:
        return f"{_name(value)}{describe(_what_it_does(value, reads=reads))}"
    if isinstance(value, MethodType):
        return f"{_name(value)} of {describe(value.__self__)}"
    if isinstance(value, type | FunctionType | BuiltinFunctionType):
        return _name(value)
    return f"{_name(type(value))}{describe(_parts(value))}"


def _name(value: Any) -> str:
    return f"{value.__module__}.{value.__qualname__}"


def settings_of(estimator: Any, *, reads: bool) -> dict[str, Any]:
    """Return the parameters of an estimator that affect what it learns, with a seed."""
    params = estimator.get_params(deep=False)
    settings = {n: value for n, value in params.items() if n not in NOT_PART_OF_FINGERPRINT}
    if isinstance(params.get("random_state"), Integral):
        settings["random_state"] = params["random_state"]
    if reads and "init_weights" in settings:
        settings["init_weights"] = _hash_if_file(settings["init_weights"])
    return settings


def _hash_if_file(source: Any) -> Any:
    """Return initial weights, or a hash of the contents if they are in a file."""
    # If it cannot be read, the error is left to those who load it.
    unread = contextlib.suppress(OSError, TypeError, ValueError)
    with unread, open(os.path.expanduser(source), "rb") as file:
        return f"file {hashlib.file_digest(file, 'sha256').hexdigest()}"
    return source


def _learned(estimator: Any) -> dict[str, Any]:
    """Return the fitted attributes of an estimator, and a hash in place of each network."""
    return {
        name: fingerprint_module(value) if isinstance(value, nn.Module) else value
        for name, value in vars(estimator).items()
        if name[-1] == "_" and name[0] != "_" and name != "history_"  # it has durations
    }


def _layers(module: nn.Module) -> dict[str, Any]:
    """Return what tells layers apart that have the same tensors, or none."""
    return {
        name: (type(layer), {key: x for key, x in vars(layer).items() if _is_setting(key, x)})
        for name, layer in module.named_modules()
    }


def _is_setting(name: str, value: Any) -> bool:
    """Return whether an attribute of a layer may be a setting, as the rate of a dropout."""
    return isinstance(value, str | Number | tuple) and name != "training"


def _what_it_does(function: FunctionType, *, reads: bool) -> list[Any]:
    """Return what tells functions apart that are defined in others, or without a name."""
    code, known = function.__code__, function.__globals__
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    read = {name: known[name] for name in _globals_of(code) if reads and name in known}
    return [_instructions(code), function.__defaults__, function.__kwdefaults__, cells, read]


def _instructions(code: CodeType) -> list[Any]:
    inner = [_instructions(x) if isinstance(x, CodeType) else x for x in code.co_consts]
    return [code.co_code.hex(), code.co_names, inner]


def _globals_of(code: CodeType) -> set[str]:
    """Return the names of the global variables that code reads, also within inner functions."""
    steps = dis.get_instructions(code)
    own = {step.argval for step in steps if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    return own.union(*(_globals_of(x) for x in code.co_consts if isinstance(x, CodeType)))


def _parts(value: Any) -> list[Any]:
    """Take an object apart as pickle does: in most cases, into its attributes."""
    reduce = copyreg.dispatch_table.get(type(value), operator.methodcaller("__reduce_ex__", 4))
    try:
        parts = reduce(value)
    except Exception:  # of any class, if it cannot be pickled
        parts = None
    if not isinstance(parts, tuple):  # the name of a global variable, or nothing
        return [parts, getattr(value, "__dict__", {})]
    plain = parts[0] is copyreg.__newobj__  # type: ignore[attr-defined]
    own = parts[2:] if plain else parts  # the type is described anyway
    return [list(part) if isinstance(part, Iterator) else part for part in own if part is not None]
