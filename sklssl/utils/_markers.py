"""Find the unlabelled rows of a `y`: -1, or the string "-1", marks them."""

from numbers import Number

import numpy as np

__all__ = ["MARKER", "check_no_missing", "is_unlabelled", "missing_rows"]

MARKER = -1
# The marker as NumPy converts it in an array of strings.
_TEXT_MARKER = "-1"


def is_unlabelled(y: np.ndarray) -> np.ndarray:
    """Return a mask of the rows of the 1-D array `y` that hold the marker."""
    if y.dtype.kind == "U":
        return y == _TEXT_MARKER
    if y.dtype.kind == "O":
        return np.array([_is(v, MARKER) or _is(v, _TEXT_MARKER) for v in y], dtype=bool)
    return np.asarray(y == MARKER)


def check_no_missing(y: np.ndarray, who: str) -> None:
    """Raise an error if the 1-D array `y` holds NaN, None or infinity."""
    missing = missing_rows(y)
    if len(missing):
        raise ValueError(
            f"The y of {who} contains {y[missing[0]]} in {len(missing)} of {len(y)} rows, but each "
            'row must be a label, or -1 if unlabelled (in an array of strings "-1").'
        )


def missing_rows(y: np.ndarray) -> np.ndarray:
    """Return the rows of the 1-D array `y` that hold NaN, None or infinity."""
    if y.dtype.kind == "O":
        found = [v is None or (isinstance(v, Number) and v != v) or _is_na(v) for v in y]
        return np.flatnonzero(np.array(found, dtype=bool))
    return np.flatnonzero(~np.isfinite(y)) if y.dtype.kind == "f" else np.empty(0, int)


def _is(value: object, marker: object) -> bool:
    return isinstance(value, Number if marker == MARKER else str) and value == marker


def _is_na(value: object) -> bool:
    # Detects pandas.NA and NaT without importing pandas. They do not compare like NaN.
    return type(value).__name__ in ("NAType", "NaTType")
