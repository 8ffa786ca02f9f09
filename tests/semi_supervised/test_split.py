"""Cross-validation that trains on unlabelled rows and never scores them."""

import numpy as np
import pytest
from joblib import parallel_config
from sklearn import config_context
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    LeaveOneOut,
    PredefinedSplit,
    StratifiedKFold,
    StratifiedShuffleSplit,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklssl.semi_supervised import LabeledSplit, SemiSupervisedClassifier
from tests._seed import SEED

Y = np.array([0, 1, -1, 2, -1, 0, 1, 2, 0, -1, 1, 2, -1, -1, -1])
X = np.random.default_rng(SEED).normal(size=(15, 4)) + 3 * Y[:, None]


@pytest.mark.parametrize("y", [Y, np.where(Y == -1, "-1", np.array(list("abc"))[Y])])
@pytest.mark.parametrize(
    "cv", [3, None, LeaveOneOut(), StratifiedKFold(3, shuffle=True, random_state=SEED)]
)
@pytest.mark.filterwarnings("ignore:The least populated class:UserWarning")
def test_unlabelled_rows_are_learned_from_and_never_scored(y, cv):
    splitter = LabeledSplit(cv if cv is not None else 3)
    tested = []
    n_splits = 0
    for train, test in splitter.split(X, y):
        assert not np.intersect1d(train, test).size
        assert set(np.flatnonzero(Y == -1)) <= set(train)
        assert len(train) + len(test) == len(Y)
        assert (np.diff(train) > 0).all()
        tested.extend(test)
        n_splits += 1
    assert sorted(tested) == np.flatnonzero(Y != -1).tolist()
    assert splitter.get_n_splits(X, y) == n_splits


def test_every_part_holds_every_class():
    for train, test in LabeledSplit(3).split(X, Y):
        assert set(Y[train]) == {-1, 0, 1, 2}
        assert set(Y[test]) == {0, 1, 2}


def test_numbers_of_splits():
    assert LabeledSplit().get_n_splits() == 5
    assert LabeledSplit(None).get_n_splits() == 5
    assert LabeledSplit(StratifiedShuffleSplit(7)).get_n_splits() == 7
    assert repr(LabeledSplit(cv=3)) == "LabeledSplit(cv=3)"


def test_without_unlabelled_rows_it_is_the_splitter_itself():
    y = np.arange(12) % 3
    ours = LabeledSplit(3).split(np.zeros((12, 1)), y)
    for (train, test), (their_train, their_test) in zip(
        ours, StratifiedKFold(3).split(np.zeros((12, 1)), y), strict=True
    ):
        np.testing.assert_array_equal(train, their_train)
        np.testing.assert_array_equal(test, their_test)


def test_groups_stay_apart():
    groups = np.arange(15) // 3
    for train, test in LabeledSplit(GroupKFold(3)).split(X, Y, groups):
        assert not np.intersect1d(groups[train], groups[test]).size
        assert (Y[test] != -1).all()
        assert (Y[train] == -1).any()


def test_missing_groups_are_refused():
    groups = np.where(np.arange(15) % 3, np.arange(15.0), np.nan)
    with pytest.raises(ValueError, match="'groups' argument of LabeledSplit.*5 of 15 rows have no"):
        list(LabeledSplit(GroupKFold(3)).split(X, Y, groups))


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_searches_and_scores(n_jobs):
    with parallel_config(backend="threading"):  # processes would spend seconds on imports
        search_and_score(n_jobs)


def search_and_score(n_jobs):
    model = SemiSupervisedClassifier(PCA(2, random_state=SEED), LogisticRegression())
    cv = LabeledSplit(3)
    assert cross_val_score(model, X, Y, cv=cv, n_jobs=n_jobs, error_score="raise").mean() > 0.9
    grid = {"classifier__C": [1e-6, 1]}
    search = GridSearchCV(
        model, grid, cv=cv, n_jobs=n_jobs, scoring="balanced_accuracy", error_score="raise"
    )
    search.fit(X, Y)
    assert search.n_splits_ == 3
    assert search.best_score_ > 0.9
    assert (search.predict(X) != -1).all()


def test_cross_val_predict_needs_a_label_in_every_row():
    model = SemiSupervisedClassifier(PCA(2), LogisticRegression())
    with pytest.raises(ValueError, match="partitions"):
        cross_val_predict(model, X, Y, cv=LabeledSplit(3))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "LabeledSplit requires y to be passed"),
        (np.full(15, -1), "LabeledSplit needs labels, but all 15 rows"),
        (np.where(Y == -1, np.nan, Y), "The y of LabeledSplit contains nan in 6 of 15 rows"),
    ],
)
def test_labels_that_cannot_be_split(y, message):
    with pytest.raises(ValueError, match=message):
        next(LabeledSplit(3).split(X, y))


@pytest.mark.parametrize("cv", ["five", 2.5, [([0], [1])]])
def test_what_is_no_splitter(cv):
    with pytest.raises(ValueError, match="The 'cv' parameter of LabeledSplit must be a number"):
        next(LabeledSplit(cv).split(X, Y))


def test_a_splitter_of_all_rows_is_named():
    folds = np.arange(15) % 3
    with pytest.raises(ValueError, match=r"LabeledSplit is PredefinedSplit.*the 9 labelled ones"):
        next(LabeledSplit(PredefinedSplit(folds)).split(X, Y))
    assert len(list(LabeledSplit(PredefinedSplit(folds[Y != -1])).split(X, Y))) == 3


@pytest.mark.parametrize("groups", [np.arange(15) % 5, [f"plate {i % 5}" for i in range(15)]])
def test_groups_with_metadata_routing(groups):
    model = make_pipeline(StandardScaler(), LogisticRegression())
    y = np.where(Y == -1, 0, Y)
    cv = LabeledSplit(GroupKFold(3))
    expected = cross_validate(model, X, y, cv=cv, groups=groups)["test_score"]
    with config_context(enable_metadata_routing=True):
        routed = cross_validate(model, X, y, cv=cv, params={"groups": groups})["test_score"]
        search = GridSearchCV(model, {"logisticregression__C": [1.0]}, cv=cv)
        search.fit(X, y, groups=groups)
    np.testing.assert_array_equal(routed, expected)
    assert search.best_score_ == pytest.approx(expected.mean())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"groups": [0, 1]}, "LabeledSplit needs X, y and groups of one length"),
        ({"X": X[:3]}, "LabeledSplit needs X, y and groups of one length"),
        ({"groups": [None, 1] * 7 + [1]}, "'groups' argument of LabeledSplit"),
    ],
)
def test_rows_that_do_not_match(change, message):
    given = {"X": X, "y": Y, "groups": np.arange(15) % 5} | change
    with pytest.raises((TypeError, ValueError), match=message):
        list(LabeledSplit(GroupKFold(2)).split(**given))
