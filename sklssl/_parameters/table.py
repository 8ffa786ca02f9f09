"""The format of the tables of shared parameters."""

from __future__ import annotations

import textwrap
from typing import Any, NamedTuple, get_type_hints

__all__ = ["Entry", "Shared", "read_attributes", "read_parameters"]

_WIDTH = 92


class Entry(NamedTuple):
    """The type and description of a parameter or an attribute in a docstring."""

    kind: str
    text: str


class Shared(NamedTuple):
    """A shared parameter: the metadata of its annotation in a table.

    Parameters
    ----------
    default : object
        The default, unless a class sets another one.

    constraints : list
        The values that scikit-learn's validation accepts.

    kind, text : str
        The type and the description that docstrings show.
    """

    default: Any
    constraints: list[Any]
    kind: str
    text: str


def read_parameters(table: type) -> dict[str, Shared]:
    """Return the parameters of a TypedDict annotated with :class:`Shared`, in its order."""
    hints = get_type_hints(table, include_extras=True)
    return {
        name: shared._replace(text=_wrap(shared.text))
        for name, hint in hints.items()
        for shared in hint.__metadata__
    }


def read_attributes(table: dict[str, tuple[str, str]]) -> dict[str, Entry]:
    """Return the entries of a dict of (type, description)."""
    return {name: Entry(kind, _wrap(text)) for name, (kind, text) in table.items()}


def _wrap(text: str) -> str:
    """Wrap text for a docstring, instead of for its place in a table."""
    return textwrap.fill(" ".join(text.split()), _WIDTH, break_on_hyphens=False)
