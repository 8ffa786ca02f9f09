"""What is said about arguments that a class does not take."""

from __future__ import annotations

import difflib
import inspect
from typing import Any

__all__ = ["NamesArguments"]


class NamesArguments:
    """Makes errors about arguments name the class that was called, and the parameter meant.

    Python names the class that defines ``__init__``, which may be a base that nobody called.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Refuse arguments that ``__init__`` does not take."""
        if args or kwargs:  # none come when copies are made
            _check_arguments(cls, args, kwargs)
        return super().__new__(cls)


def _check_arguments(cls: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    signature = inspect.signature(cls)
    try:
        signature.bind_partial(*args, **kwargs)
    except TypeError as error:
        unknown = [name for name in kwargs if name not in signature.parameters]
        what = _say_unknown(unknown[0], list(signature.parameters)) if unknown else f": {error}."
        raise TypeError(f"{cls.__name__}{what}") from error


def _say_unknown(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"It has {', '.join(known)}."
    return f" has no parameter {name!r}. {hint}"
