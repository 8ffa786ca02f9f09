"""Which images are trained on, which get a label, and which are tested on."""

from numbers import Integral
from typing import NamedTuple

import numpy as np
from sklearn.model_selection import GroupShuffleSplit, StratifiedShuffleSplit

__all__ = ["Draws", "check_n_labels", "draw_rows"]

# How often images are split by groups until every class is in both parts.
_MAX_SPLITS = 100


class Draws(NamedTuple):
    """Rows of `X`.

    Parameters
    ----------
    train : ndarray of int
        What the embedders are fitted on.

    labelled : list of dict of int to ndarray of int
        One a draw: by number of labels a class, the rows that the probe is fitted on.

    test : ndarray of int
        What is scored.
    """

    train: np.ndarray
    labelled: list
    test: np.ndarray


def check_n_labels(n_labels):
    """Give the numbers of labels a class, increasing."""
    numbers = [n_labels] if isinstance(n_labels, Integral) else list(n_labels)
    valid = all(isinstance(n, Integral) and not isinstance(n, bool) and n >= 1 for n in numbers)
    if not numbers or not valid:
        raise ValueError(
            "The 'n_labels' argument of compare_embedders must be a whole number from 1, or "
            f"several of them: how many images of each class get a label. Got {n_labels!r}."
        )
    return sorted({int(n) for n in numbers})


def draw_rows(codes, groups, *, n_labels, n_draws, test_size, rng):
    """Split off the test part, and draw the labelled rows from the others.

    Parameters
    ----------
    codes : ndarray of shape (n,), int
        The class of each row as its place among the classes; -1 where there is no label.

    groups : ndarray of shape (n,) or None
        Rows of one group stay together.

    n_labels : list of int
        Numbers of labels a class, increasing.

    n_draws : int

    test_size : int or float
        Of the labelled rows, or of their groups.

    rng : RandomState

    Returns
    -------
    draws : Draws
        The rows drawn for a smaller number are among those for a greater one.

    Raises
    ------
    ValueError
        If a class is too small.
    """
    rows = np.flatnonzero(codes >= 0)
    train, test = _split(codes[rows], None if groups is None else groups[rows], test_size, rng)
    train, test = rows[train], rows[test]
    _check_classes(codes, train, test, n_labels[-1])
    labelled = []
    for _ in range(n_draws):
        by_class = [rng.permutation(train[codes[train] == c]) for c in range(codes.max() + 1)]
        labelled.append({n: np.concatenate([few[:n] for few in by_class]) for n in n_labels})
    others = np.flatnonzero(codes < 0)
    if groups is not None:
        others = others[~np.isin(groups[others], groups[test])]
    return Draws(np.sort(np.concatenate([train, others])), labelled, test)


def _split(codes, groups, test_size, rng):
    """Split labelled rows: by classes, or by groups so that every class is in both parts."""
    try:
        if groups is None:
            splitter = StratifiedShuffleSplit(1, test_size=test_size, random_state=rng)
            return next(splitter.split(codes, codes))
        splitter = GroupShuffleSplit(_MAX_SPLITS, test_size=test_size, random_state=rng)
        n_classes = len(np.unique(codes))
        for train, test in splitter.split(codes, codes, groups):
            if len(np.unique(codes[train])) == len(np.unique(codes[test])) == n_classes:
                break
        return train, test
    except ValueError as error:
        raise ValueError(
            f"The 'test_size' argument of compare_embedders is {test_size!r}, and the "
            f"{len(codes)} labelled images cannot be split so: {error}"
        ) from error


def _check_classes(codes, train, test, n_most):
    n_classes = codes.max() + 1
    n_train, n_test = (np.bincount(codes[part], minlength=n_classes) for part in (train, test))
    if not n_test.all():
        raise ValueError(
            f"compare_embedders tests on {len(test)} images, and {np.sum(n_test == 0)} of "
            f"{n_classes} classes have none among them. Set a greater test_size, or label more "
            "images (with groups: of more groups) of the small classes."
        )
    smallest = n_train.argmin()
    least = n_train[smallest]
    if least < n_most:
        possible = f"Set n_labels to {least} or less" if least else "Give each class more groups"
        raise ValueError(
            f"The 'n_labels' argument of compare_embedders asks for {n_most} labels of each class, "
            f"but the smallest class has {least} labelled images to draw from, beside "
            f"{n_test[smallest]} that are tested on. {possible}, set a smaller test_size, or label "
            "more images."
        )
