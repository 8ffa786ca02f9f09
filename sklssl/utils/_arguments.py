"""Arguments of estimators: those that are unknown, and numbers as numpy has them."""

from __future__ import annotations

import difflib
import inspect
from typing import Any, Self

import numpy as np

__all__ = ["ChecksArguments", "as_plain", "check_arguments", "say_unknown"]


class ChecksArguments:
    """Makes an estimator say which argument it does not know, and keep numbers as Python's own.

    Of an argument that is not known, Python would name the class that defines ``__init__``, which
    may be a base that nobody called. Numbers of numpy that have few bits overflow when something is
    computed with them: 8 bits hold a number of epochs, but not that of the images they show.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Refuse arguments that ``__init__`` does not take."""
        if args or kwargs:  # none come when copies are made
            check_arguments(cls, args, kwargs)
        return super().__new__(cls)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute, a parameter as a plain value; what was learned stays what it is."""
        is_parameter = not name.startswith("_") and not name.endswith("_")
        super().__setattr__(name, as_plain(value) if is_parameter else value)


def as_plain(value: Any) -> Any:
    """Give a number of numpy, also within a tuple, as Python's; anything else is given back."""
    if isinstance(value, np.floating):
        return float(value)
    if isinstance(value, np.integer | np.bool_ | np.str_):
        return value.item()
    if type(value) is tuple and any(isinstance(item, np.generic) for item in value):
        return tuple(map(as_plain, value))
    return value


def check_arguments(cls: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return arguments of a class by name, or raise an error that names one it does not take."""
    signature = inspect.signature(cls)
    try:
        return signature.bind_partial(*args, **kwargs).arguments
    except TypeError as error:
        unknown = [name for name in kwargs if name not in signature.parameters]
        what = say_unknown(unknown[0], list(signature.parameters)) if unknown else f": {error}."
        raise TypeError(f"{cls.__name__}{what}") from error


def say_unknown(name: str, known: list[str]) -> str:
    """Return the end of a message about a parameter that a class does not have."""
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"It has {', '.join(known)}."
    return f" has no parameter {name!r}. {hint}"
