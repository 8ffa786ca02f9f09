"""Check labels that are classes."""

from numbers import Number
from typing import Any

import numpy as np
from sklearn.utils.multiclass import check_classification_targets

from sklssl.utils._markers import missing_rows, show_label

__all__ = ["check_classes"]


def check_classes(y: Any, *, suggest_regressor: bool = False) -> np.ndarray:
    """Return a 1-D array of classes; raise an error for missing values and continuous numbers."""
    missing = missing_rows(y)
    if len(missing):
        raise ValueError(
            f"y contains {show_label(y[missing[0]])}, first in row {missing[0]}. Leave out images "
            "without a label, or mark them by -1 and use SemiSupervisedClassifier."
        )
    y = _of_one_type(y)
    try:
        check_classification_targets(y)
    except ValueError as error:
        advice = " Use sklssl.FineTuneRegressor for numeric targets." if suggest_regressor else ""
        raise ValueError(f"{error}{advice}") from error
    return y


def _of_one_type(y: np.ndarray) -> np.ndarray:
    """Convert objects that are all numbers or Booleans to these, as scikit-learn requires."""
    if y.dtype.kind != "O":
        return y
    n_numbers = sum(isinstance(label, Number | np.bool_) for label in y)
    if 0 < n_numbers < len(y):
        raise ValueError(
            f"labels must be of one type, but {n_numbers} of {len(y)} are numbers or Booleans and "
            "the others are not. Convert all labels to strings."
        )
    return np.array(y.tolist()) if n_numbers else y
