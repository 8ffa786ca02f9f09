"""Names from users on axes and in legends, as they are, and their colours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from sklssl.inspection._colors import class_colors
from sklssl.inspection._plot._axes import shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.legend import Legend

__all__ = ["add_legend", "colors_in_order", "set_tick_names"]

_Name = TypeVar("_Name")
_LONGEST = 40


def colors_in_order(names: Iterable[_Name]) -> dict[_Name, str]:
    """Return a colour for each name, in the order of the names instead of sorted."""
    distinct = list(dict.fromkeys(names))
    return dict(zip(distinct, class_colors(np.ones(len(distinct))), strict=True))


def add_legend(
    ax: Axes,
    handles: Sequence[Any],
    names: Sequence[str],
    *,
    beside: bool = False,
    **style: Any,
) -> Legend:
    """Add a legend whose names are shown as they are, if shortened.

    matplotlib leaves out names that begin with an underscore, and reads formulas between dollars.
    A legend `beside` the axes is put inside if no layout engine makes room for it.
    """
    figure: Any = ax.get_figure(root=True)
    if beside and figure.get_layout_engine() is not None:
        style = {"loc": "upper left", "bbox_to_anchor": (1, 1), **style}
    style = {"fontsize": 8, "frameon": False, **style}
    legend = ax.legend(handles, ["name"] * len(names), **style)
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set(text=shorten(name, _LONGEST), parse_math=False)
    return legend


def set_tick_names(axis: Axis, names: Sequence[str], **style: Any) -> None:
    """Set ticks 0, 1, ... with names that are shown as they are, if shortened."""
    labels = [shorten(name, _LONGEST) for name in names]
    axis.set_ticks(range(len(names)), labels=labels, parse_math=False, **style)
