"""Choose the images for training and testing, and those that get a label."""

from typing import Any, NamedTuple

import numpy as np
from sklearn.model_selection import GroupShuffleSplit, StratifiedShuffleSplit

from sklssl.inspection._label_names import join_words
from sklssl.utils._whole import is_whole

__all__ = ["Draws", "check_n_labels", "draw_rows"]

# Number of attempts to split by groups so that every class has enough images in both parts.
_MAX_SPLITS = 100
# Default numbers of labels per class, of which the two largest possible ones are used.
_N_LABELS = (2, 10, 50)
# Draws of nearly all images would hardly differ.
_MOST_DRAWN = 0.9
# Number of classes that an error names.
_MAX_NAMED = 5


class Draws(NamedTuple):
    """Indices of rows of `X`.

    Parameters
    ----------
    train : ndarray of int
        The rows that the embedders are fitted on.

    labelled : list of dict of int to ndarray of int
        One dict per draw: the rows that the probe is fitted on, by number of labels per class.

    test : ndarray of int
        The rows that the probe is scored on.
    """

    train: np.ndarray
    labelled: list
    test: np.ndarray


def check_n_labels(n_labels: Any) -> list[int] | None:
    """Return the numbers of labels per class, in increasing order, or None."""
    if n_labels is None:
        return None
    numbers = list(n_labels) if np.iterable(n_labels) else [n_labels]
    if not numbers or not all(map(is_whole, numbers)):
        raise ValueError(
            "The 'n_labels' argument of compare_embedders must be a whole number from 1, or "
            f"several of them, or None: the number of labelled images per class. Got {n_labels!r}."
        )
    return sorted({int(n) for n in numbers})


def draw_rows(
    codes: np.ndarray,
    groups: np.ndarray | None,
    *,
    classes: np.ndarray,
    n_labels: list[int] | None,
    n_draws: int,
    test_size: float,
    rng: np.random.RandomState,
) -> Draws:
    """Split off the test rows, and draw the labelled rows from the others.

    Parameters
    ----------
    codes : ndarray of shape (n,), int
        The index of the class of each row; -1 for rows without a label.

    groups : ndarray of shape (n,) or None
        The group of each row. Rows of the same group stay together.

    classes : ndarray of shape (n_classes,)
        The classes as the user gave them; used in error messages.

    n_labels : list of int or None
        Numbers of labels per class, in increasing order. None means what the smallest class allows.

    n_draws : int

    test_size : int or float
        Fraction or number of the labelled rows, or of their groups.

    rng : RandomState

    Returns
    -------
    draws : Draws
        The rows drawn for a smaller number are a subset of those for a larger one.

    Raises
    ------
    ValueError
        If a class has too few images.
    """
    rows = np.flatnonzero(codes >= 0)
    _check_pairs(codes[rows], classes)
    some_groups = None if groups is None else groups[rows]
    n_most = _N_LABELS[-1] if n_labels is None else n_labels[-1]
    train, test = _split(codes[rows], some_groups, n_most, test_size, rng)
    train, test = rows[train], rows[test]
    if n_labels is None:
        most = _MOST_DRAWN * _count_least(codes, train, test)
        n_labels = [n for n in _N_LABELS if n <= most][-2:] or [1]
    _check_classes(codes, train, test, n_labels[-1], classes)
    labelled = []
    for _ in range(n_draws):
        by_class = [rng.permutation(train[codes[train] == c]) for c in range(len(classes))]
        labelled.append({n: np.concatenate([few[:n] for few in by_class]) for n in n_labels})
    others = np.flatnonzero(codes < 0)
    if groups is not None:
        others = others[~np.isin(groups[others], groups[test])]
    return Draws(np.sort(np.concatenate([train, others])), labelled, test)


def _split(
    codes: np.ndarray,
    groups: np.ndarray | None,
    n_most: int,
    test_size: float,
    rng: np.random.RandomState,
) -> tuple[np.ndarray, np.ndarray]:
    """Split the labelled rows, stratified by class, or by groups.

    Groups are split until every class has `n_most` training images and a test image, if possible.
    """
    try:
        if groups is None:
            splitter = StratifiedShuffleSplit(1, test_size=test_size, random_state=rng)
            return next(splitter.split(codes, codes))
        splitter = GroupShuffleSplit(_MAX_SPLITS, test_size=test_size, random_state=rng)
        tried = []
        for split in splitter.split(codes, codes, groups):
            tried.append(split)
            if _count_least(codes, *split) >= n_most:
                break
        return max(tried, key=lambda split: _count_least(codes, *split))
    except ValueError as error:
        raise ValueError(
            f"The 'test_size' argument of compare_embedders is {test_size!r}, but the "
            f"{len(codes)} labelled images cannot be split in this way: {error}"
        ) from error


def _count_classes(codes: np.ndarray, *parts: np.ndarray) -> list[np.ndarray]:
    """Return how many rows of each class are in each part."""
    return [np.bincount(codes[part], minlength=codes.max() + 1) for part in parts]


def _count_least(codes: np.ndarray, train: np.ndarray, test: np.ndarray) -> int:
    """Return the fewest training rows of a class, -1 if a class has no test rows."""
    n_train, n_test = _count_classes(codes, train, test)
    return int(n_train.min()) if n_test.all() else -1


def _check_pairs(codes: np.ndarray, classes: np.ndarray) -> None:
    """Raise an error if a class has a single image: it cannot be in both parts."""
    single = np.bincount(codes) < 2
    if single.any():
        raise ValueError(
            "compare_embedders needs at least 2 images of each class, to learn from one and test "
            f"on another, but there is only 1 of {_name_some(classes[single])}. Label more images "
            "of these classes, or leave these classes out: their label can be -1 (unlabelled)."
        )


def _name_some(classes: np.ndarray) -> str:
    """Name classes in a sentence, at most five of them."""
    names = [repr(name) for name in classes[:_MAX_NAMED].tolist()]
    others = len(classes) - _MAX_NAMED
    return join_words([*names, f"{others} more"] if others > 0 else names)


def _check_classes(
    codes: np.ndarray, train: np.ndarray, test: np.ndarray, n_most: int, classes: np.ndarray
) -> None:
    n_train, n_test = _count_classes(codes, train, test)
    if not n_test.all():
        raise ValueError(
            f"compare_embedders tests on {len(test)} images, but {np.sum(n_test == 0)} of "
            f"{len(n_test)} classes have no test image: {_name_some(classes[n_test == 0])}. Set a "
            "larger test_size, or label more images (with groups: of more groups) of these classes."
        )
    smallest = n_train.argmin()
    least = n_train[smallest]
    if least < n_most:
        possible = f"Set n_labels to {least} or less" if least else "Give each class more groups"
        raise ValueError(
            f"The 'n_labels' argument of compare_embedders asks for {n_most} labels of each class, "
            f"but the smallest, {_name_some(classes[[smallest]])}, has only {least} labelled "
            f"images to draw from, besides {n_test[smallest]} test images. {possible}, set a "
            "smaller test_size, or label more images."
        )
