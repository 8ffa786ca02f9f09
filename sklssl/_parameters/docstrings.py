"""Read the entries of numpydoc docstrings, and add inherited entries to docstrings."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Mapping

from sklssl._parameters.table import Entry

__all__ = ["complete_docstring", "read_entries"]

_HEADER = re.compile(r"^([A-Z][A-Za-z ]+)\n-{3,}\n", re.MULTILINE)
_ENTRY = re.compile(r"^(\S.*)\n((?: .*\n|\n)*)", re.MULTILINE)


def read_entries(doc: str | None, section: str) -> dict[str, Entry]:
    """Return the entries of a section by name; none if there is no docstring or section."""
    _, *sections = _split(doc or "")
    entries = {}
    for head, text in _ENTRY.findall(dict(sections).get(section, "") + "\n"):
        name, _, kind = head.partition(" : ")
        entries[name] = Entry(kind, textwrap.dedent(text).strip())
    return entries


def complete_docstring(
    doc: str,
    parameters: Mapping[str, Entry],
    attributes: Mapping[str, Entry],
    defaults: Mapping[str, object],
) -> str:
    """Return a docstring in which the parameters and attributes are replaced by these.

    Parameters
    ----------
    doc : str
        The docstring; the rest of it is unchanged.

    parameters, attributes : dict of str to Entry
        All entries, in their order.

    defaults : dict of str to object
        The default of each parameter that has one.

    Returns
    -------
    doc : str
        Dedented, as :func:`inspect.cleandoc` does.
    """
    (_, summary), *sections = _split(doc)
    shown = {name: _with_default(entry, name, defaults) for name, entry in parameters.items()}
    written = {"Parameters": _write(shown), "Attributes": _write(attributes)}
    rest = [(title, body) for title, body in sections if title not in written]
    parts = [
        f"{title}\n{'-' * len(title)}\n{body.rstrip()}"
        for title, body in [*written.items(), *rest]
        if body
    ]
    return "\n\n".join([summary.rstrip(), *parts])


def _split(doc: str) -> list[tuple[str, str]]:
    """Split a docstring into titles and bodies; the summary comes first and has no title."""
    summary, *parts = _HEADER.split(inspect.cleandoc(doc))
    return [("", summary), *zip(parts[::2], parts[1::2], strict=True)]


def _with_default(entry: Entry, name: str, defaults: Mapping[str, object]) -> Entry:
    """Add the default of a parameter, which a subclass may have changed."""
    if name not in defaults:
        return entry
    value = defaults[name]
    shown = f'"{value}"' if isinstance(value, str) else repr(value)
    kind = entry.kind.partition("default=")[0].rstrip(", ")
    return entry._replace(kind=", ".join(filter(None, [kind, f"default={shown}"])))


def _write(entries: Mapping[str, Entry]) -> str:
    heads = {name: " : ".join(filter(None, [name, entry.kind])) for name, entry in entries.items()}
    return "\n\n".join(
        f"{heads[name]}\n{textwrap.indent(entry.text, '    ')}".rstrip()
        for name, entry in entries.items()
    )
