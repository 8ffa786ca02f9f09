"""Axes to draw on, and pictures drawn on them."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sklssl.utils._extras import import_extra

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "caption_room",
    "captioned_grid",
    "check_matplotlib",
    "draw_picture",
    "grid_of_axes",
    "limit_to_shares",
    "make_axes",
    "shorten",
    "shorten_apart",
    "size_in_points",
]

# Points per character of a caption, on average. A layout engine will enlarge the axes later.
_CHARACTER, _CHARACTER_BEFORE_LAYOUT = 5.4, 4.2
_BETWEEN = " _./-"  # words
_WORD = re.compile(rf"[^{_BETWEEN}]+[{_BETWEEN}]*|[{_BETWEEN}]+")
_LINE = 14.0  # points for a line of text above a picture
_FRAME = 5.0  # points
_ROOM = 0.02  # beyond the ends of an axis, as a share of it


def check_matplotlib(owner: str) -> Any:
    """Return pyplot, or raise an ImportError that says how to install matplotlib."""
    return import_extra("matplotlib.pyplot", "viz", owner=owner)


def make_axes(ax: Axes | None, *, owner: str, size: tuple[float, float] = (6.4, 4.8)) -> Axes:
    """Return `ax`, or the axes of a new figure of `size` in inches if it is None."""
    pyplot = check_matplotlib(owner)
    if ax is None:
        return pyplot.subplots(figsize=size, layout="constrained")[1]
    if not isinstance(ax, pyplot.Axes):
        raise TypeError(
            f"The 'ax' argument of {owner} must be the Axes to draw on, or None for a new figure. "
            f"Got {ax!r}. Pass one Axes of matplotlib, such as plt.subplots()[1]."
        )
    return ax


def limit_to_shares(ax: Axes, values: Iterable[float], axis: str = "y") -> None:
    """End the "x" or "y" axis at 0 and 1, with room for marks there, if all values are shares."""
    if not all(0 <= value <= 1 for value in values):
        return
    low, high = getattr(ax, f"get_{axis}lim")()
    room = _ROOM * (high - low)
    ax.set(**{f"{axis}lim": (max(low, -room), min(high, 1 + room))})


def grid_of_axes(ax: Axes, n_rows: int, n_columns: int, *, gap: float = 0.08) -> np.ndarray:
    """Divide `ax` into cells, whose axes have no ticks.

    Parameters
    ----------
    ax : Axes
        The axes to divide; nothing of them stays visible but their title.

    n_rows, n_columns : int

    gap : float, default=0.08
        The space between cells, as a fraction of a cell.

    Returns
    -------
    axes : ndarray of Axes of shape (n_rows, n_columns)
    """
    ax.set_axis_off()
    width, height = 1 / n_columns, 1 / n_rows
    axes = np.empty((n_rows, n_columns), dtype=object)
    for i, j in np.ndindex(n_rows, n_columns):
        left, bottom = (j + gap / 2) * width, 1 - (i + 1 - gap / 2) * height
        cell = ax.inset_axes((left, bottom, width * (1 - gap), height * (1 - gap)))
        cell.set(xticks=[], yticks=[])
        axes[i, j] = cell
    return axes


def captioned_grid(ax: Axes, n_rows: int, n_columns: int) -> tuple[np.ndarray, int]:
    """Divide `ax` into cells with room for a caption above each.

    Returns
    -------
    axes : ndarray of Axes of shape (n_rows, n_columns)

    longest : int
        How many characters a caption can have without reaching into the next one.
    """
    gap, longest = caption_room(ax, n_rows, n_columns)
    return grid_of_axes(ax, n_rows, n_columns, gap=gap), longest


def caption_room(ax: Axes, n_rows: float, n_columns: int, n_lines: int = 1) -> tuple[float, int]:
    """Return the gap between cells that lines of text need, and the characters of such a line."""
    figure: Any = ax.get_figure(root=True)
    width, height = size_in_points(ax)
    has_layout = figure.get_layout_engine() is not None
    character = _CHARACTER_BEFORE_LAYOUT if has_layout else _CHARACTER
    longest = max(4, int(width / n_columns / character))
    return min(0.5, max(0.2, n_lines * _LINE * n_rows / height)), longest


def size_in_points(ax: Axes) -> tuple[float, float]:
    """Return the width and height of axes, which a layout engine may still change."""
    figure: Any = ax.get_figure(root=True)
    extent = ax.get_window_extent()
    return 72 * extent.width / figure.dpi, 72 * extent.height / figure.dpi


def draw_picture(
    ax: Axes,
    picture: np.ndarray,
    *,
    title: str | None = None,
    color: str | None = None,
    longest_title: int = 16,
) -> Any:
    """Draw a picture (h, w, 3) with a title and a frame of a colour; return the artist."""
    artist = ax.imshow(picture, interpolation="nearest" if max(picture.shape) < 64 else None)
    ax.set(xticks=[], yticks=[], anchor="N")  # titles of a row of any pictures are aligned
    ax.spines[:].set_visible(color is not None)
    if color is not None:
        height, width = picture.shape[:2]
        across, up = size_in_points(ax)
        side = min(across / width, up / height) * min(height, width)
        # The inner half is behind the picture, and the outer one no wider than half of it.
        ax.spines[:].set(color=color, linewidth=min(_FRAME, side), zorder=artist.zorder - 1)
    if title is not None:
        # Dollar signs in a file name would start a formula.
        ax.set_title(shorten(title, longest_title), fontsize=8, parse_math=False)
    return artist


def shorten(name: str, longest: int = 16) -> str:
    """Shorten a long name by removing its middle; show a question mark for what is no text."""
    name = _as_text(name)
    if len(name) <= longest:
        return name
    n_first = math.floor(longest / 3)
    return f"{name[:n_first]}…{name[n_first + 1 - longest :]}"


def shorten_apart(names: Sequence[str], longest: int = 16) -> list[str]:
    """Shorten long names; of those that would become the same, keep the words that differ."""
    names = list(map(_as_text, names))
    short = [shorten(name, longest) for name in names]
    for text in [text for text, n in Counter(short).items() if n > 1]:
        alike = [i for i, other in enumerate(short) if other == text]
        words = [_WORD.findall(names[i]) for i in alike]
        n_first, n_last = _count_common(words), _count_common([inner[::-1] for inner in words])
        for i, inner in zip(alike, words, strict=True):
            kept = "".join(inner[n_first : max(len(inner) - n_last, n_first + 1)]).strip(_BETWEEN)
            if n_first + n_last and kept:
                short[i] = f"{'…' * (n_first > 0)}{kept[: longest - 2]}{'…' * (n_last > 0)}"
    return short


def _as_text(name: str) -> str:
    """Replace the bytes of a file name that are not valid UTF-8: matplotlib cannot draw them."""
    return name.encode(errors="replace").decode()


def _count_common(lists: Sequence[Sequence[str]]) -> int:
    """Count the first items that all lists have in common."""
    columns = zip(*lists, strict=False)
    return len(list(itertools.takewhile(lambda column: len(set(column)) == 1, columns)))
