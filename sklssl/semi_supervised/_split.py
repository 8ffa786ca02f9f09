"""Cross-validation for data of which most rows are unlabelled."""

from collections.abc import Iterator, Sequence
from numbers import Integral
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import BaseCrossValidator, check_cv
from sklearn.utils import check_consistent_length

from sklssl._data.rows import take_rows
from sklssl.semi_supervised._labels import check_labels, encode_groups
from sklssl.utils._checks import naming_data
from sklssl.utils._typing import ImagesLike

__all__ = ["LabeledSplit"]


class LabeledSplit(BaseCrossValidator):
    """Split the labelled rows with any splitter, and add all unlabelled rows for training.

    Unlabelled rows (-1 in `y`) are part of every training set and of no test set: they can be used
    for training but not for scoring.

    Parameters
    ----------
    cv : int, splitter or None, default=5
        How to split the labelled rows, as in scikit-learn: a number of stratified folds, None for
        5 folds, or a splitter such as ``StratifiedKFold(shuffle=True)``, which is given the
        labelled rows only.

    See Also
    --------
    SemiSupervisedClassifier : The classifier this splitter is meant for.

    Notes
    -----
    If `groups` is given, unlabelled rows whose group is in the test set are removed from the
    training set, so that groups are not split.

    ``cross_val_predict`` requires every row to be in exactly one test set, so it cannot be used
    with unlabelled rows. Loop over ``split``, or use only the labelled rows.

    Examples
    --------
    >>> import numpy as np
    >>> from sklssl.semi_supervised import LabeledSplit
    >>> y = np.array([0, 1, -1, 0, 1, -1])
    >>> for train, test in LabeledSplit(cv=2).split(np.zeros((6, 1)), y):
    ...     print(train, test)
    [2 3 4 5] [0 1]
    [0 1 2 5] [3 4]
    """

    # Requested like those of GroupKFold, since the inner splitter may be one.
    __metadata_request__split = {"groups": True}

    def __init__(self, cv: Any = 5) -> None:
        self.cv = cv

    def split(
        self, X: ImagesLike, y: npt.ArrayLike | Sequence[Any], groups: npt.ArrayLike | None = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the rows of each training and test set.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            The images; most splitters use only their number.

        y : array-like of shape (n,)
            Labels, -1 (or the string "-1") for the unlabelled rows.

        groups : array-like of shape (n,), default=None
            The group of each row, for splitters that keep groups together.

        Yields
        ------
        train : ndarray of int
            Indices of some of the labelled rows and of the unlabelled rows, in increasing order.

        test : ndarray of int
            Indices of the other labelled rows.

        Raises
        ------
        ValueError
            If `y` is None, contains NaN, has no labels, or has too few labels for `cv`, or if `cv`
            splits other rows than the labelled ones, such as ``PredefinedSplit`` for all rows.
        """
        y, labelled = check_labels(y, owner=self)
        rows, others = np.flatnonzero(labelled), np.flatnonzero(~labelled)
        groups = None if groups is None else encode_groups(groups, owner=self)
        with naming_data("LabeledSplit", "needs X, y and groups of one length"):
            check_consistent_length(X, y, groups)
        few = (None if a is None else take_rows(a, rows) for a in (X, y, groups))
        for train, test in self._splitter(y[rows]).split(*few):
            self._check_rows(train, test, n_labelled=len(rows))
            free = others
            if groups is not None:
                free = others[~np.isin(groups[others], groups[rows[test]])]
            yield np.sort(np.concatenate([rows[train], free])), rows[test]

    def get_n_splits(
        self,
        X: ImagesLike | None = None,
        y: npt.ArrayLike | Sequence[Any] | None = None,
        groups: npt.ArrayLike | None = None,
    ) -> int:
        """Return the number of splits.

        Parameters
        ----------
        X : array-like of shape (n, ...), default=None
            The images.

        y : array-like of shape (n,), default=None
            Labels. Like `X` and `groups`, required if the number of splits depends on them.

        groups : array-like of shape (n,), default=None
            The group of each row.

        Returns
        -------
        n_splits : int
        """
        if y is None:
            return self._splitter(None).get_n_splits(X, y, groups)
        y, labelled = check_labels(y, owner=self)
        few = (None if a is None else take_rows(a, labelled.nonzero()[0]) for a in (X, y, groups))
        return self._splitter(y[labelled]).get_n_splits(*few)

    def _check_rows(self, *parts: np.ndarray, n_labelled: int) -> None:
        """Raise an error if a splitter splits other rows than it is given."""
        if any(len(part) and np.max(part) >= n_labelled for part in parts):
            raise ValueError(
                f"The 'cv' parameter of LabeledSplit is {self.cv!r}, which splits other rows than "
                f"the {n_labelled} labelled ones. Make it for these alone, y[y != -1]."
            )

    def _splitter(self, y: np.ndarray | None) -> Any:
        is_splitter = hasattr(self.cv, "split") and hasattr(self.cv, "get_n_splits")
        if not (is_splitter or self.cv is None or isinstance(self.cv, Integral)):
            raise ValueError(
                "The 'cv' parameter of LabeledSplit must be a number of folds, a scikit-learn "
                f"splitter or None. Got {self.cv!r}."
            )
        return check_cv(self.cv, y, classifier=True)
