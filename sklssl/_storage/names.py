"""The classes and functions that a saved estimator may ask for by name."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterable
from typing import Any

import torch
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import FeatureUnion, Pipeline

import sklssl
from sklssl import backbones

__all__ = ["CONTAINERS", "Names", "Refusal", "is_ours", "name_of"]

# Of scikit-learn, what may hold estimators of ours, step by step.
CONTAINERS = (FeatureUnion, FrozenEstimator, Pipeline)


class Refusal(ValueError):
    """Why a file that is whole is not loaded; the message names what is wrong."""


def is_ours(cls: type) -> bool:
    """Tell whether a class of estimators is one of sklssl, or extends one."""
    return issubclass(cls, BaseEstimator) and any(
        base.__module__.partition(".")[0] == "sklssl" for base in cls.__mro__
    )


class Names:
    """A fixed table of public classes and functions, and beside it what the user trusts.

    Nothing is imported, nor looked up in a module, because a file names it.

    Parameters
    ----------
    trusted : iterable of classes and functions, default=()

    all_of_skops : bool, default=False
        Whether every type that skops asks for is trusted, since it was in use when it was written.
    """

    def __init__(self, trusted: Iterable[Any] = (), *, all_of_skops: bool = False) -> None:
        self.all_of_skops = all_of_skops
        self.trusted: dict[str, Any] = {}
        for item in trusted:
            if not callable(item) or not hasattr(item, "__qualname__"):
                raise TypeError(
                    "The 'trusted' parameter of load must hold classes and functions. "
                    f"Got {item!r}."
                )
            self.trusted[_full_name(item)] = item

    def estimator(self, name: Any) -> type[BaseEstimator]:
        """Find a class of estimators.

        Raises
        ------
        Refusal
            If it is none of sklssl, and not trusted.
        """
        cls: type[BaseEstimator] = self._find(name, _estimators())
        if not isinstance(cls, type) or not (is_ours(cls) or cls in CONTAINERS):
            raise Refusal(f"{name!r} is no estimator of sklssl.")
        return cls

    def function(self, name: Any) -> Callable[..., Any]:
        """Find a function or class that is the value of a parameter.

        Raises
        ------
        Refusal
            If it is neither one of sklssl.backbones or torch.optim nor trusted.
        """
        found: Callable[..., Any] = self._find(name, _functions())
        return found

    def _find(self, name: Any, table: dict[str, Any]) -> Any:
        if not isinstance(name, str):
            raise Refusal(f"{name!r} is no name.")
        if name in table:
            return table[name]
        if name in self.trusted:
            return self.trusted[name]
        module, _, last = name.partition(":")
        if module == "__main__":  # what was defined in a script may be imported from it by now
            for full, item in self.trusted.items():
                if full.partition(":")[2] == last:
                    return item
        raise Refusal(
            f"it asks for {name!r}, which is not trusted. If you know it, and where the file comes "
            f"from, pass it: trusted=[{last.rpartition('.')[2] or name}]."
        )


def name_of(item: Any) -> str:
    """Give the name by which :class:`Names` finds a class or function again.

    Raises
    ------
    TypeError
        If it has none that tells it apart.
    """
    for table in (_estimators(), _functions()):
        for name, known in table.items():
            if known is item:
                return name
    name = _full_name(item)
    if "<" in name:
        raise TypeError(
            f"{item!r} has no name of its own. Define it by 'def' or 'class' at the top of a "
            "module, or take a functools.partial of what is."
        )
    return name


def _full_name(item: Any) -> str:
    return f"{item.__module__}:{item.__qualname__}"


@functools.cache
def _estimators() -> dict[str, Any]:
    start = importlib.import_module("sklssl.finetuning._initial_embedder")
    classes = [getattr(sklssl, name) for name in sklssl._PUBLIC_NAMES]
    ours = [cls for cls in classes if isinstance(cls, type) and is_ours(cls)]
    return {cls.__name__: cls for cls in (*ours, start.NetworkEmbedder, *CONTAINERS)}


@functools.cache
def _functions() -> dict[str, Any]:
    networks = {f"sklssl.backbones:{name}": getattr(backbones, name) for name in backbones.__all__}
    optimizers = {
        f"torch.optim:{name}": item
        for name, item in vars(torch.optim).items()
        if isinstance(item, type) and issubclass(item, torch.optim.Optimizer)
    }
    return networks | optimizers
