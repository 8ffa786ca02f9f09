"""Find the unlabelled rows of a `y`: -1, or the string "-1" or "-1.0", marks them."""

import warnings
from numbers import Number
from typing import Any

import numpy as np

__all__ = [
    "MARKER",
    "check_no_missing",
    "is_unlabelled",
    "missing_rows",
    "show_label",
    "warn_if_marker_is_class",
    "warn_if_none_is_class",
]

MARKER = -1
# The marker in an array of strings, to which NumPy converts -1 and -1.0.
_TEXT_MARKERS = ("-1", "-1.0")
# What is left of missing values in arrays and files of text; "None" may be meant as a class.
_TEXT_MISSING = ("", "nan", "NaN", "NaT", "<NA>")


def is_unlabelled(y: np.ndarray) -> np.ndarray:
    """Return a mask of the rows of the 1-D array `y` that hold the marker."""
    if y.dtype.kind == "U":
        return np.isin(np.char.strip(y), _TEXT_MARKERS)
    if y.dtype.kind == "O":
        return np.array([_is_marker(value) for value in y], dtype=bool)
    return np.asarray(y == MARKER)


def check_no_missing(y: np.ndarray, who: str) -> None:
    """Raise an error if the 1-D array `y` holds NaN, None or infinity, or these as text."""
    missing = missing_rows(y)
    if len(missing):
        raise ValueError(
            f"The y of {who} contains {show_label(y[missing[0]])} in {len(missing)} of {len(y)} "
            'rows, but each row must be a label, or -1 if unlabelled (in an array of strings "-1").'
        )


def show_label(label: Any) -> str:
    """Return a label for messages: strings, which may be empty, in quotes."""
    return repr(str(label)) if isinstance(label, str) else str(label)


def missing_rows(y: np.ndarray) -> np.ndarray:
    """Return the rows of the 1-D array `y` that hold NaN, None or infinity, or these as text."""
    if y.dtype.kind == "O":
        return np.flatnonzero(np.array([_is_missing(value) for value in y], dtype=bool))
    if y.dtype.kind == "U":
        return np.flatnonzero(np.isin(np.char.strip(y), _TEXT_MISSING))
    if y.dtype.kind in "mM":
        return np.flatnonzero(np.isnat(y))
    return np.flatnonzero(~np.isfinite(y)) if y.dtype.kind == "f" else np.empty(0, int)


def warn_if_marker_is_class(classes: np.ndarray, who: str) -> None:
    """Warn if -1 is one of several classes: elsewhere it marks images without a label."""
    marked = is_unlabelled(classes)
    if len(classes) > 2 and marked.any() and (classes.dtype.kind in "OU" or marked[0]):
        warnings.warn(
            f"{who} takes the label -1 in y for a class. If it marks images without a label, leave "
            "them out, or use SemiSupervisedClassifier.",
            UserWarning,
            stacklevel=2,
        )


def warn_if_none_is_class(classes: np.ndarray, who: str) -> None:
    """Warn if a class is named "None": an array of text has this name for missing labels."""
    if classes.dtype.kind in "OU" and (classes == "None").any():
        warnings.warn(
            f"{who} takes the label 'None' in y for a class. If it marks images without a label, "
            "replace it by -1, or leave them out.",
            UserWarning,
            stacklevel=2,
        )


def _is_marker(value: object) -> bool:
    if isinstance(value, str):
        return value.strip() in _TEXT_MARKERS
    return isinstance(value, Number) and value == MARKER


def _is_missing(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip() in _TEXT_MISSING
    # Detects pandas.NA and NaT without importing pandas. They do not compare like NaN.
    is_na = type(value).__name__ in ("NAType", "NaTType")
    return value is None or is_na or (isinstance(value, Number) and value != value)
