"""Labels of every kind, and those that cannot be used."""

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from sklssl.semi_supervised import SemiSupervisedClassifier
from tests._seed import SEED

NAMES = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])


@pytest.mark.parametrize("dtype", [int, float, np.int8, object, "string", "objects", "list"])
def test_labels_of_any_kind(digits, dtype):
    X, y_all = digits[0][:300], digits[1][:300]
    y = np.where(np.arange(300) < 60, y_all, -1)
    model = SemiSupervisedClassifier(PCA(30, random_state=SEED), KNeighborsClassifier(1))
    rows = X.reshape(len(X), -1)
    expected = model.fit(rows, y).predict(rows)
    if dtype == "string":
        y, expected, y_all = np.where(y == -1, "-1", NAMES[y]), NAMES[expected], NAMES[y_all]
    elif dtype in ("objects", "list"):
        mixed = [-1 if label == -1 else NAMES[label] for label in y]
        y = mixed if dtype == "list" else np.array(mixed, dtype=object)
        expected, y_all = NAMES[expected], NAMES[y_all]
    else:
        y = y.astype(dtype)
    predicted = model.fit(rows, y).predict(rows)
    np.testing.assert_array_equal(predicted, expected)
    np.testing.assert_array_equal(model.classes_, np.unique(expected))
    assert model.score(rows[:60], y_all[:60]) == 1


def test_both_markers_among_objects():
    X = np.arange(8.0)[:, None]
    y = np.array(["a", "b", -1, "-1", "a", "b", "-1", -1], dtype=object)
    model = SemiSupervisedClassifier(PCA(), KNeighborsClassifier(1)).fit(X, y)
    assert model.classes_.tolist() == ["a", "b"]
    assert model.classifier_.n_samples_fit_ == 4


@pytest.mark.parametrize("y", [pd.Series([0, 1, -1, 0]), pd.Series(["a", "b", "-1", "a"])])
def test_labels_of_pandas(y):
    model = SemiSupervisedClassifier(PCA(), KNeighborsClassifier(1))
    assert model.fit([[0.0], [1], [0.4], [0.1]], y).predict([[0.9]]) == y[1]
    categories = y.astype("category")
    assert model.fit([[0.0], [1], [0.4], [0.1]], categories).predict([[0.9]]) == y[1]


@pytest.mark.parametrize("dtype", [int, float, object])
def test_minus_one_and_one_are_classes_when_there_is_nothing_else(dtype):
    X, y = np.array([[-2.0], [-1], [1], [2]]), np.array([-1, -1, 1, 1], dtype=dtype)
    model = SemiSupervisedClassifier(PCA(), LogisticRegression())
    with pytest.warns(UserWarning, match="-1 and 1 are treated as two classes"):
        model.fit(X, y)
    np.testing.assert_array_equal(model.predict(X), y)
    assert model.score(X, y) == 1


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "requires y to be passed, but the target y is None"),
        ([-1, -1, -1, -1], "all 4 rows of y are marked as unlabelled by -1"),
        (["-1", "-1", "-1", "-1"], "all 4 rows of y are marked as unlabelled by -1"),
        ([0, 0, -1, -1], r"at least two classes, but the 2 labelled rows .* 1 class: \[0\]"),
        ([0, 1, -1], "'y' parameter of SemiSupervisedClassifier: .*samples: .4, 3."),
        ([0, 1, np.nan, np.nan], "The y of SemiSupervisedClassifier contains nan in 2 of 4 rows"),
        ([0, 1, np.inf, 0], "contains inf in 1 of 4 rows"),
        (np.array([0, 1, None, 0], dtype=object), "contains None in 1 of 4 rows"),
        (pd.Series([0, 1, pd.NA, 0], dtype="Int64"), "in 1 of 4 rows, but each row must be"),
        (pd.Series(["a", "b", np.nan, "a"]), "contains nan in 1 of 4 rows"),
        ([0.5, 1.2, -1, 3.1], "Unknown label type"),
        (np.array([0, "a", -1, 1], dtype=object), "2 of 3 are numbers"),
        ([[0, 1], [1, 0], [1, 1], [0, 0]], "y should be a 1d array"),
    ],
)
def test_labels_that_cannot_be_used(y, message):
    model = SemiSupervisedClassifier(PCA())
    with pytest.raises(ValueError, match=message):
        model.fit(np.arange(8.0).reshape(4, 2), y)
    with pytest.raises(NotFittedError):
        model.predict(np.zeros((1, 2)))


def test_a_column_of_labels_is_flattened_with_a_word():
    X, y = np.arange(4.0)[:, None], np.array([[0], [0], [1], [-1]])
    with pytest.warns(DataConversionWarning):
        model = SemiSupervisedClassifier(PCA(), KNeighborsClassifier(1)).fit(X, y)
    assert model.predict(X).shape == (4,)
