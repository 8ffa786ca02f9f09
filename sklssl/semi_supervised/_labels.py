"""Reading a `y` in which -1 marks the rows without a label."""

import warnings
from numbers import Number

import numpy as np
from sklearn.utils import column_or_1d

from sklssl.utils._checks import check_classes, naming_data

__all__ = ["check_labels", "encode_labels"]

_MARKER = -1
# What numpy makes of the marker in an array of strings.
_TEXT_MARKER = "-1"


def check_labels(y, *, owner, classes=None):
    """Check `y` and tell which of its rows have a label.

    Parameters
    ----------
    y : array-like of shape (n,)
        Labels: numbers or strings, -1 (or the string "-1") where there is none.

    owner : object or str
        Who asks; its class, or the name of a function, is in the errors.

    classes : ndarray, default=None
        The classes already known. If -1 is one of them, it marks nothing.

    Returns
    -------
    y : ndarray of shape (n,)
        The labels as an array.

    labelled : ndarray of shape (n,), bool
        Where `y` holds a label.

    Raises
    ------
    ValueError
        If `y` is None, of more than one dimension, holds NaN, infinity or None, or numbers that
        are no classes, or has no label at all.

    Warns
    -----
    UserWarning
        If all values are -1 or 1: those are the two classes of many a binary problem, and with -1
        as the marker only one class would be left. Both are then taken as classes.
    """
    who = _name(owner)
    if y is None:
        raise ValueError(
            f"{who} requires y to be passed, but the target y is None. Give the labels, and -1 "
            "for the rows without one."
        )
    with naming_data(who, "cannot use this y"):
        y = column_or_1d(y, warn=True)
    _refuse_missing(y, who)
    labelled = np.ones(len(y), dtype=bool) if _holds_marker(classes) else ~_marks(y)
    if len(y) and not labelled.any():
        raise ValueError(
            f"{who} needs labels, but all {len(y)} rows of y are marked as unlabelled by -1. Give "
            "the labels of some rows of at least two classes."
        )
    if classes is None and _is_signed_binary(y, labelled):
        warnings.warn(
            f"{who}: y holds only -1 and 1, and with -1 as the marker of unlabelled rows one class "
            "would be left. -1 and 1 are taken as two classes, all rows as labelled. If -1 marks "
            "unlabelled rows, y needs labels of a second class.",
            UserWarning,
            stacklevel=3,
        )
        labelled = np.ones(len(y), dtype=bool)
    y = _as_numbers(y, labelled, who)
    with naming_data(who, "cannot use this y"):
        check_classes(y[labelled])
    return y, labelled


def encode_labels(y, labelled, *, owner):
    """Give the classes, and `y` as their places with -1 for the unlabelled rows.

    So every classifier sees whole numbers, and the marker is the one that scikit-learn knows.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Checked labels.

    labelled : ndarray of shape (n,), bool
        Where `y` holds a label.

    owner : object or str
        Who asks; its class, or the name of a function, is in the errors.

    Returns
    -------
    classes : ndarray of shape (n_classes,)

    codes : ndarray of shape (n,), int

    Raises
    ------
    ValueError
        If there are less than two classes.
    """
    classes, places = np.unique(y[labelled], return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"{_name(owner)} needs labels of at least two classes, but the "
            f"{labelled.sum()} labelled rows of y are of {len(classes)} class: {classes}. "
            "Label some rows of another one."
        )
    codes = np.full(len(y), -1)
    codes[labelled] = places
    return classes, codes


def _name(owner):
    return owner if isinstance(owner, str) else type(owner).__name__


def _marks(y):
    """Tell where the 1-D array `y` holds the marker."""
    if y.dtype.kind == "U":
        return y == _TEXT_MARKER
    if y.dtype.kind == "O":
        return np.array([_is(v, _MARKER) or _is(v, _TEXT_MARKER) for v in y], dtype=bool)
    return np.asarray(y == _MARKER)


def _holds_marker(classes):
    return classes is not None and classes.dtype.kind in "if" and bool((classes == _MARKER).any())


def _is(value, marker):
    return isinstance(value, Number if marker == _MARKER else str) and value == marker


def _refuse_missing(y, who):
    if y.dtype.kind == "O":
        missing = [v for v in y if v is None or (isinstance(v, Number) and v != v) or _is_na(v)]
    else:
        missing = y[~np.isfinite(y)] if y.dtype.kind == "f" else []
    if len(missing):
        raise ValueError(
            f"The y of {who} holds {missing[0]} in {len(missing)} of {len(y)} rows, but must hold "
            'a label or, where there is none, -1 (in an array of strings "-1").'
        )


def _is_na(value):
    # pandas.NA and NaT, without importing pandas; neither compares as NaN does.
    return type(value).__name__ in ("NAType", "NaTType")


def _is_signed_binary(y, labelled):
    """Tell whether `y` is a numeric target of the classes -1 and 1."""
    return y.dtype.kind in "if" and not labelled.all() and bool((y[labelled] == 1).all())


def _as_numbers(y, labelled, who):
    """Give objects that are numbers a dtype of numbers; scikit-learn refuses them as objects."""
    if y.dtype.kind != "O" or not len(y):
        return y
    n_numbers = sum(isinstance(v, Number) for v in y[labelled])
    if n_numbers == 0:
        return y
    if n_numbers < labelled.sum():
        raise ValueError(
            f"The y of {who} must hold labels of one kind, but {n_numbers} of "
            f"{labelled.sum()} labels are numbers and the others are not. Make all of them strings."
        )
    numbers = np.array(y[labelled].tolist())
    out = np.full(len(y), _MARKER, dtype=np.result_type(numbers, np.int8))
    out[labelled] = numbers
    return out
