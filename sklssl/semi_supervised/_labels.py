"""Check and encode a `y` in which -1 marks unlabelled rows, and the groups of rows."""

import warnings
from numbers import Number
from typing import Any

import numpy as np
from sklearn.utils import column_or_1d

from sklssl.utils._arguments import check_complete
from sklssl.utils._checks import naming_data
from sklssl.utils._classes import check_classes
from sklssl.utils._markers import (
    MARKER,
    check_no_missing,
    is_unlabelled,
    missing_rows,
    warn_if_none_is_class,
)

__all__ = ["check_labels", "encode_groups", "encode_labels"]


def check_labels(
    y: Any, *, owner: object, classes: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Check `y` and find its labelled rows.

    Parameters
    ----------
    y : array-like of shape (n,)
        Labels: numbers or strings, -1 (or the string "-1") for unlabelled rows.

    owner : object or str
        The caller: an estimator or the name of a function, used in error messages.

    classes : ndarray, default=None
        The classes seen in ``fit``, if any. If -1 is one of them, it is not a marker.

    Returns
    -------
    y : ndarray of shape (n,)
        The labels.

    labelled : ndarray of shape (n,), bool
        Where `y` holds a label.

    Raises
    ------
    ValueError
        If `y` is None, has more than one dimension, contains NaN, infinity, None or continuous
        values, or has no labels.

    Warns
    -----
    UserWarning
        If all values are -1 or 1. These are the two classes of many binary problems, and with -1
        as the marker only one class would remain. Both are then treated as classes.
    """
    who = _owner_name(owner)
    if y is None:
        raise ValueError(
            f"{who} requires y to be passed, but the target y is None. Pass the labels, with -1 "
            "for unlabelled rows."
        )
    with naming_data(who, "cannot use this y"):
        y = column_or_1d(check_complete(y, "y", who), warn=True)
    check_no_missing(y, who)
    labelled = np.ones(len(y), dtype=bool) if _holds_marker(classes) else ~is_unlabelled(y)
    if len(y) and not labelled.any():
        raise ValueError(
            f"{who} needs labels, but all {len(y)} rows of y are marked as unlabelled by -1. "
            "Label some rows of at least two classes."
        )
    if classes is None and _is_signed_binary(y, labelled):
        warnings.warn(
            f"{who}: y contains only -1 and 1. With -1 as the marker of unlabelled rows only one "
            "class would remain, so -1 and 1 are treated as two classes and all rows as labelled. "
            "If -1 marks unlabelled rows, y needs labels of a second class.",
            UserWarning,
            stacklevel=3,
        )
        labelled = np.ones(len(y), dtype=bool)
    with naming_data(who, "cannot use this y"):
        labels = check_classes(y[labelled], suggest_regressor=True)
    warn_if_none_is_class(labels, who)
    return _replace_labels(y, labelled, labels), labelled


def encode_labels(
    y: np.ndarray, labelled: np.ndarray, *, owner: object
) -> tuple[np.ndarray, np.ndarray]:
    """Return the classes, and `y` as class indices with -1 for unlabelled rows.

    Every classifier then gets integers, with the marker that scikit-learn uses.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Checked labels.

    labelled : ndarray of shape (n,), bool
        Where `y` holds a label.

    owner : object or str
        The caller: an estimator or the name of a function, used in error messages.

    Returns
    -------
    classes : ndarray of shape (n_classes,)

    codes : ndarray of shape (n,), int

    Raises
    ------
    ValueError
        If there are fewer than two classes.
    """
    classes, places = np.unique(y[labelled], return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"{_owner_name(owner)} needs labels of at least two classes, but the "
            f"{labelled.sum()} labelled rows of y have {len(classes)} class: {classes}. "
            "Label some rows of another class."
        )
    codes = np.full(len(y), -1)
    codes[labelled] = places
    return classes, codes


def encode_groups(groups: Any, *, owner: object) -> np.ndarray:
    """Return groups of any kind (n,) as integers.

    Raises
    ------
    TypeError, ValueError
        If they are not one-dimensional, cannot be sorted, or some are missing.
    """
    who = f"The 'groups' argument of {_owner_name(owner)}"
    with naming_data(who, "must hold one group an image"):
        groups = column_or_1d(check_complete(groups, "groups", _owner_name(owner)))
        missing = missing_rows(groups)
        if len(missing):
            raise ValueError(
                f"{len(missing)} of {len(groups)} rows have none, the first in row {missing[0]}. "
                "Leave these images out, or give each a group of its own."
            )
        codes: np.ndarray = np.unique(groups, return_inverse=True)[1]
    return codes


def _owner_name(owner: object) -> str:
    return owner if isinstance(owner, str) else type(owner).__name__


def _holds_marker(classes: np.ndarray | None) -> bool:
    return classes is not None and classes.dtype.kind in "if" and bool((classes == MARKER).any())


def _is_signed_binary(y: np.ndarray, labelled: np.ndarray) -> bool:
    """Return whether `y` is a numeric target with the classes -1 and 1."""
    is_numeric = y.dtype.kind in "if" or all(isinstance(value, Number) for value in y)
    return is_numeric and not labelled.all() and bool((y[labelled] == 1).all())


def _replace_labels(y: np.ndarray, labelled: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return `y` with these labels, which may be numbers where `y` holds objects."""
    if labels.dtype == y.dtype:
        return y
    if labelled.all():
        return labels
    out = np.full(len(y), MARKER, dtype=np.result_type(labels, np.int8))
    out[labelled] = labels
    return out
