"""What the images can be coloured by: classes, or numbers on a scale."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from sklssl.inspection._colors import UNLABELLED, class_colors
from sklssl.utils._arguments import check_complete
from sklssl.utils._checks import naming_data

__all__ = ["make_colourings"]

_N_SHADES = 64  # of a scale
_UNLABELLED = "unlabelled"
_PLAIN = "#4477aa"


def make_colourings(
    y: Any, n_images: int, *, target_names: Sequence[str] | None, owner: str
) -> list[dict[str, Any]]:
    """Return the colourings of a map, as the page reads them.

    Parameters
    ----------
    y : None, array-like of shape (n_images,), or dict or data frame of such
        Labels, or numbers as floats.

    n_images : int

    target_names : sequence of str or None
        The names that integers stand for.

    owner : str
        The caller; used in error messages.

    Returns
    -------
    colourings : list of dict
        Each with the keys ``name``; ``colors``; ``codes``, the index of each image's colour; and
        ``classes``, the names of the colours, or for numbers ``values`` and ``ends``.
    """
    if y is None:
        codes = [0] * n_images
        return [{"name": "", "classes": ["all images"], "colors": [_PLAIN], "codes": codes}]
    if hasattr(y, "columns"):
        y = {name: y[name] for name in y.columns}
    columns = y if isinstance(y, Mapping) else {"label": y}
    if not columns:
        raise ValueError(f"The 'y' argument of {owner} is empty. Pass labels, or None.")
    arrays = {
        str(name): _check_column(name, column, n_images, owner) for name, column in columns.items()
    }
    texts = {
        name: _texts(column, target_names, owner)
        for name, column in arrays.items()
        if column.dtype.kind != "f"
    }
    counts = {
        name: Counter(text for text in column if text != _UNLABELLED)
        for name, column in texts.items()
    }
    return [
        {"name": name, **_classes(texts[name], counts[name], counts.values())}
        if name in texts
        else {"name": name, **_scale(column)}
        for name, column in arrays.items()
    ]


def _check_column(name: object, column: Any, n_images: int, owner: str) -> np.ndarray:
    who = f"The 'y' argument of {owner}"
    with naming_data(who, f"must hold one value an image, in {name!r}"):
        values = np.asarray(check_complete(column, "y", owner))
    if values.shape != (n_images,):
        raise ValueError(
            f"{who} must hold one value an image, an array of shape ({n_images},) or a dict of "
            f"such arrays. Got the shape {values.shape} for {str(name)!r}."
        )
    if values.dtype.kind not in "biufUSOM":
        raise TypeError(
            f"{who} must hold labels or numbers. Got values of type {values.dtype} for "
            f"{str(name)!r}."
        )
    return values


def _texts(column: np.ndarray, target_names: Sequence[str] | None, owner: str) -> list[str]:
    """Return labels as texts."""
    if column.dtype.kind == "M":  # as a list, dates may become nanoseconds
        dates = np.datetime_as_string(column, unit="auto")
        column = np.where(np.isnat(column), None, dates)  # type: ignore[call-overload]
    if target_names is not None and column.dtype.kind in "iu":
        column = _named(column, target_names, owner)
    return [_text(value) for value in column.tolist()]


def _classes(
    labels: list[str], own: Counter[str], columns: Iterable[Counter[str]]
) -> dict[str, Any]:
    """Return a colour for each class in order; what has no label comes last, in grey.

    If another column has these classes and more, such as all labels instead of some, the colours
    are those of that column.
    """
    widest = max((counts for counts in columns if own.keys() <= counts.keys()), key=len)
    order = sorted(widest, key=_natural)
    colors = dict(zip(order, class_colors([widest[label] for label in order]), strict=True))
    shown = [label for label in order if label in own]
    if len(labels) > own.total():
        colors[_UNLABELLED] = UNLABELLED
        shown.append(_UNLABELLED)
    codes = {label: code for code, label in enumerate(shown)}
    return {
        "classes": shown,
        "colors": [colors[label] for label in shown],
        "codes": [codes[label] for label in labels],
    }


def _named(column: np.ndarray, target_names: Sequence[str], owner: str) -> np.ndarray:
    names = [str(name) for name in target_names]
    if column.min() < -1 or column.max() >= len(names):
        raise ValueError(
            f"The 'target_names' argument of {owner} has {len(names)} names, for the classes 0 to "
            f"{len(names) - 1}, but y holds {column.min()} to {column.max()}. Convert columns of "
            "y that hold other integers to strings."
        )
    return np.array([*names, -1], dtype=object)[column]


def _text(label: Any) -> str:
    """Return a label as text, "unlabelled" for -1 and for what is missing in a table."""
    if label is None or type(label).__name__ in ("NAType", "NaTType") or label != label:
        return _UNLABELLED
    text = label.decode(errors="replace") if isinstance(label, bytes) else str(label)
    return _UNLABELLED if text == "-1" else text


def _natural(text: str) -> list[tuple[float, str]]:
    """Return a key that sorts numbers within texts by their value: day 2 before day 10.

    A hyphen is a minus sign only if the whole text is a number.
    """
    parts = re.split(r"(^-\d+\Z|\d+)", text)
    return [(float(p), "") if i % 2 else (np.inf, p) for i, p in enumerate(parts)]


def _scale(column: np.ndarray) -> dict[str, Any]:
    """Return a shade for each number; the last colour is for what is not finite."""
    from plotly.colors import sample_colorscale  # an optional package, imported before

    finite = np.isfinite(column)
    numbers = column[finite].astype(np.result_type(column, np.float64))
    low, high = (numbers.min(), numbers.max()) if finite.any() else (0.0, 0.0)
    codes = np.full(len(column), _N_SHADES)
    share = np.zeros(len(numbers))
    if high > low:
        # By a power of two, which rounds nothing: the difference of large numbers is infinite.
        scaled = np.ldexp(numbers, -np.frexp(max(abs(low), abs(high)))[1])
        share = (scaled - scaled.min()) / np.ptp(scaled)
    codes[finite] = np.rint(share * (_N_SHADES - 1)).astype(int)
    colors = sample_colorscale("Viridis", np.linspace(0, 1, _N_SHADES).tolist())
    values = [f"{value:.4g}" if np.isfinite(value) else None for value in column.tolist()]
    return {
        "colors": [*colors, UNLABELLED],
        "codes": codes.tolist(),
        "values": values,
        "ends": [f"{low:.4g}", f"{high:.4g}"],
    }
