"""Classes and functions that a saved estimator may refer to by name."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import torch
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import FeatureUnion, Pipeline

import sklssl
from sklssl import backbones
from sklssl.finetuning import NetworkEmbedder
from sklssl.inspection._candidates import RawPixels

__all__ = ["CONTAINERS", "Names", "UnsupportedFileError", "is_sklssl_class", "name_of"]

# Meta-estimators of scikit-learn that may contain estimators of sklssl.
CONTAINERS = (FeatureUnion, FrozenEstimator, Pipeline)


class UnsupportedFileError(ValueError):
    """An intact file cannot be loaded; the message has the reason."""


def is_sklssl_class(cls: type) -> bool:
    """Return whether a class is an estimator of sklssl or a subclass of one."""
    return issubclass(cls, BaseEstimator) and any(
        base.__module__.partition(".")[0] == "sklssl" for base in cls.__mro__
    )


class Names:
    """A fixed table of public classes and functions, and of those trusted by the user.

    Nothing is imported or looked up in a module because of a name in a file.

    Parameters
    ----------
    trusted : iterable of classes and functions, default=()

    all_of_skops : bool, default=False
        Whether to trust all types in data of skops, for a file that was just written.
    """

    def __init__(self, trusted: Iterable[Any] = (), *, all_of_skops: bool = False) -> None:
        self.all_of_skops = all_of_skops
        self.trusted: dict[str, Any] = {}
        for item in trusted:
            if not callable(item) or not hasattr(item, "__qualname__"):
                raise TypeError(
                    "The 'trusted' parameter of load must contain classes and functions. "
                    f"Got {item!r}."
                )
            self.trusted[_qualified_name(item)] = item

    def estimator(self, name: Any) -> type[BaseEstimator]:
        """Return the estimator class with this name.

        Raises
        ------
        UnsupportedFileError
            If it is neither a class of sklssl nor trusted.
        """
        cls: type[BaseEstimator] = self._find(name, _estimators())
        if not isinstance(cls, type) or not (is_sklssl_class(cls) or cls in CONTAINERS):
            raise UnsupportedFileError(f"{name!r} is not an estimator of sklssl.")
        return cls

    def function(self, name: Any) -> Callable[..., Any]:
        """Return the function or class with this name, for the value of a parameter.

        Raises
        ------
        UnsupportedFileError
            If it is neither in sklssl.backbones or torch.optim nor trusted.
        """
        found: Callable[..., Any] = self._find(name, _functions())
        return found

    def _find(self, name: Any, table: dict[str, Any]) -> Any:
        if not isinstance(name, str):
            raise UnsupportedFileError(f"{name!r} is not a name.")
        if name in table:
            return table[name]
        if name in self.trusted:
            return self.trusted[name]
        module, _, last = name.partition(":")
        if module == "__main__":  # defined in a script, possibly imported by now
            for full, item in self.trusted.items():
                if full.partition(":")[2] == last:
                    return item
        raise UnsupportedFileError(
            f"it refers to {name!r}, which is not trusted. If you know it and trust the source of "
            f"the file, pass trusted=[{last.rpartition('.')[2] or name}]."
        )


def name_of(item: Any) -> str:
    """Return the name under which :class:`Names` finds a class or function.

    Raises
    ------
    TypeError
        If it has no unique name.
    """
    for table in (_estimators(), _functions()):
        for name, known in table.items():
            if known is item:
                return name
    name = _qualified_name(item)
    if "<" in name:
        raise TypeError(
            f"{item!r} has no name of its own. Define it with 'def' or 'class' at the top level "
            "of a module, or use a functools.partial of such a function."
        )
    return name


def _qualified_name(item: Any) -> str:
    return f"{item.__module__}:{item.__qualname__}"


@functools.cache
def _estimators() -> dict[str, Any]:
    classes = [getattr(sklssl, name) for name in sklssl._PUBLIC_NAMES]
    ours = [cls for cls in classes if isinstance(cls, type) and is_sklssl_class(cls)]
    return {cls.__name__: cls for cls in (*ours, NetworkEmbedder, RawPixels, *CONTAINERS)}


@functools.cache
def _functions() -> dict[str, Any]:
    networks = {f"sklssl.backbones:{name}": getattr(backbones, name) for name in backbones.__all__}
    optimizers = {
        f"torch.optim:{name}": item
        for name, item in vars(torch.optim).items()
        if isinstance(item, type) and issubclass(item, torch.optim.Optimizer)
    }
    return networks | optimizers
