"""Cross-validation where most rows have no label."""

from numbers import Integral

import numpy as np
from sklearn.model_selection import BaseCrossValidator, check_cv

from sklssl.semi_supervised._indexing import take_rows
from sklssl.semi_supervised._labels import check_labels

__all__ = ["LabeledSplit"]


class LabeledSplit(BaseCrossValidator):
    """Split the labelled rows by any other splitter, and train on all unlabelled rows each time.

    An unlabelled row (-1 in `y`) is in every training part and in no test part: it can be learned
    from, but nothing can be scored on it.

    Parameters
    ----------
    cv : int, splitter or None, default=5
        How the labelled rows are split, as in scikit-learn: a number of stratified folds, None
        for 5 of them, or a splitter such as ``StratifiedKFold(shuffle=True)``.

    See Also
    --------
    SemiSupervisedClassifier : The classifier that this is made for.

    Notes
    -----
    When `groups` are given, unlabelled rows of a group in the test part are left out of the
    training part, so that groups stay apart.

    ``cross_val_predict`` wants every row in one test part and so cannot be used where rows are
    unlabelled; loop over ``split``, or take the labelled rows alone.

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

    def __init__(self, cv=5):
        self.cv = cv

    def split(self, X, y, groups=None):
        """Give the rows of each training and test part.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            The images; only their number counts for most splitters.

        y : array-like of shape (n,)
            Labels, -1 (or the string "-1") for the unlabelled rows.

        groups : array-like of shape (n,), default=None
            The group of each row, for splitters that keep groups together.

        Yields
        ------
        train : ndarray of int
            A part of the labelled rows and the unlabelled ones, in increasing order.

        test : ndarray of int
            The other labelled rows.

        Raises
        ------
        ValueError
            If `y` is None, holds NaN or no label, or has too few labels for `cv`.
        """
        y, labelled = check_labels(y, owner=self)
        rows, others = np.flatnonzero(labelled), np.flatnonzero(~labelled)
        groups = None if groups is None else np.asarray(groups)
        few = (None if a is None else take_rows(a, rows) for a in (X, y, groups))
        for train, test in self._splitter(y[rows]).split(*few):
            free = others
            if groups is not None:
                free = others[~np.isin(groups[others], groups[rows[test]])]
            yield np.sort(np.concatenate([rows[train], free])), rows[test]

    def get_n_splits(self, X=None, y=None, groups=None):
        """Give the number of splits.

        Parameters
        ----------
        X : array-like of shape (n, ...), default=None
            The images.

        y : array-like of shape (n,), default=None
            Labels; needed, as `X` and `groups` are, where the number depends on them.

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

    def _splitter(self, y):
        is_splitter = hasattr(self.cv, "split") and hasattr(self.cv, "get_n_splits")
        if not (is_splitter or self.cv is None or isinstance(self.cv, Integral)):
            raise ValueError(
                "The 'cv' parameter of LabeledSplit must be a number of folds, a splitter of "
                f"scikit-learn or None. Got {self.cv!r}."
            )
        return check_cv(self.cv, y, classifier=True)
