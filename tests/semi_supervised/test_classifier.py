"""Many images, few labels: the classifier."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.decomposition import PCA
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, HalvingRandomSearchCV, RandomizedSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.semi_supervised import LabelPropagation, LabelSpreading, SelfTrainingClassifier
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import check_estimator

from sklssl import RotNetEmbedder, ViewWhiteningEmbedder
from sklssl.semi_supervised import LabeledSplit, SemiSupervisedClassifier
from sklssl.semi_supervised._default_classifier import learns_from_unlabelled
from tests._seed import SEED

NAMES = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])


class Recorder(ClassifierMixin, BaseEstimator):
    """Keeps what it was fitted on."""

    def fit(self, X, y):
        self.X_, self.y_ = X, y
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.zeros(len(X), dtype=int)


def hide(y, n_labels, marker=-1):
    """Keep the first `n_labels` labels."""
    y = y.copy()
    y[n_labels:] = marker
    return y


@pytest.fixture(scope="module")
def few(digits):
    """300 digits of which 60 have a label; all labels."""
    X, y = digits
    return X[:300], hide(y[:300], 60), y[:300]


@pytest.fixture(scope="module")
def embedder(digits):
    return RotNetEmbedder(max_epochs=2, random_state=SEED).fit(digits[0][:1300])


def test_default_embedder(few, digits):
    X, y, _ = few
    model = SemiSupervisedClassifier().fit(X, y)
    same = SemiSupervisedClassifier(ViewWhiteningEmbedder(random_state=0)).fit(X, y)
    assert_array_equal(model.predict_proba(X), same.predict_proba(X))
    X_test, y_test = digits[0][300:900], digits[1][300:900]
    pixels = SemiSupervisedClassifier(FunctionTransformer(lambda X: X.reshape(len(X), -1)))
    assert model.score(X_test, y_test) > pixels.fit(X, y).score(X_test, y_test) + 0.02
    assert model.embedder is None
    with pytest.raises(ValueError, match="'embedder' parameter of SemiSupervisedClassifier"):
        SemiSupervisedClassifier("pca").fit(X, y)


@pytest.mark.parametrize("classifier", [None, LogisticRegression(), LabelSpreading(max_iter=200)])
def test_scikit_learns_contract(classifier):
    # Here around a transformer that costs nothing; tests/test_common.py has an embedder.
    results = check_estimator(SemiSupervisedClassifier(PCA(), classifier), on_skip=None)
    assert {result["status"] for result in results} <= {"passed", "skipped"}


def test_fifty_labels_go_much_further_than_on_pixels(digits, embedder):
    X, y = digits
    pixels = X.reshape(len(X), -1) / 255
    few = np.concatenate([np.flatnonzero(y[:1300] == c)[:5] for c in range(10)])
    y_few = np.full(1300, -1)
    y_few[few] = y[few]
    raw = LogisticRegression(max_iter=2000).fit(pixels[few], y[few])
    probe = SemiSupervisedClassifier(FrozenEstimator(embedder), LogisticRegression(max_iter=2000))
    model = SemiSupervisedClassifier(FrozenEstimator(embedder))
    raw_score = raw.score(pixels[1300:], y[1300:])
    probe_score = probe.fit(X[:1300], y_few).score(X[1300:], y[1300:])
    model_score = model.fit(X[:1300], y_few).score(X[1300:], y[1300:])
    assert probe_score > raw_score
    assert model_score > probe_score + 0.02
    assert model_score > raw_score + 0.05


def test_the_embedder_sees_all_rows_and_the_classifier_those_with_a_label(few):
    X, y, _ = few
    model = SemiSupervisedClassifier(
        RotNetEmbedder("convnet", max_epochs=1, random_state=SEED), Recorder()
    )
    model.fit(X, y)
    alone = RotNetEmbedder("convnet", max_epochs=1, random_state=SEED).fit(X)
    np.testing.assert_array_equal(model.transform(X), alone.transform(X))
    np.testing.assert_array_equal(model.classifier_.X_, alone.transform(X[:60]))
    np.testing.assert_array_equal(model.classifier_.y_, y[:60])


@pytest.mark.parametrize(
    "classifier",
    [
        SelfTrainingClassifier(LogisticRegression(max_iter=1000)),
        LabelSpreading(kernel="knn"),
        make_pipeline(StandardScaler(), LabelPropagation(kernel="knn", max_iter=1000)),
        GridSearchCV(
            make_pipeline(StandardScaler(), LabelSpreading(kernel="knn", max_iter=200)),
            {"labelspreading__alpha": [0.2, 0.8]},
            cv=LabeledSplit(2),
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:The least populated class:UserWarning")
def test_semi_supervised_classifiers_see_all_rows(few, classifier):
    X, y, y_all = few
    rows = X.reshape(len(X), -1) / 255
    names = np.where(y == -1, "-1", NAMES[y])
    model = SemiSupervisedClassifier(PCA(30, random_state=SEED), classifier).fit(rows, names)
    assert set(model.predict(rows)) == set(NAMES)
    assert model.score(rows[60:], NAMES[y_all[60:]]) > 0.75
    inner = model.classifier_
    inner = getattr(inner, "best_estimator_", inner)
    inner = inner[-1] if hasattr(inner, "steps") else inner
    assert inner.transduction_.shape == (300,)
    assert set(inner.classes_) == set(range(10))


@pytest.mark.parametrize("weights", [{1: 1e4}, {"one": 1e4}])
def test_supervised_classifiers_see_the_labels_themselves(digits, weights):
    X, y = digits[0][:300].reshape(300, -1), 1 + digits[1][:300] % 2
    y = y if 1 in weights else np.where(y == 1, "one", "two")
    classifier = LogisticRegression(class_weight=weights, C=1e-6)
    model = SemiSupervisedClassifier(PCA(10, random_state=SEED), classifier).fit(X, y)
    (heavy,) = weights
    assert (model.predict(X) == heavy).mean() > 0.9
    assert_array_equal(model.classifier_.classes_, model.classes_)


def test_a_frozen_classifier_predicts_its_own_labels(few):
    X, y, y_all = few
    rows = X.reshape(len(X), -1)
    fitted = LogisticRegression(max_iter=1000).fit(rows[:50] / 16, NAMES[y_all[:50]])
    model = SemiSupervisedClassifier(FunctionTransformer(lambda X: X / 16), FrozenEstimator(fitted))
    predicted = model.fit(rows, np.where(y == -1, "-1", NAMES[y])).predict(rows)
    assert_array_equal(predicted, fitted.predict(rows / 16))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_not_finite_are_named(few, value):
    X, y, _ = few
    spoil = FunctionTransformer(lambda X: np.full((len(X), 3), value))
    with pytest.raises(ValueError, match="features that transform of the embedder returned"):
        SemiSupervisedClassifier(spoil).fit(X, y)


def test_which_classifiers_learn_from_unlabelled_rows():
    class Own(LabelSpreading):
        pass

    searches = [
        make(SelfTrainingClassifier(LogisticRegression()), {})
        for make in (RandomizedSearchCV, HalvingRandomSearchCV)
    ]
    for classifier in (Own(), *searches, SemiSupervisedClassifier(PCA())):
        assert learns_from_unlabelled(classifier)
    for classifier in (LogisticRegression(), make_pipeline(StandardScaler(), LinearSVC())):
        assert not learns_from_unlabelled(classifier)


def test_score_leaves_out_what_has_no_label(few):
    X, y, y_all = few
    rows = X.reshape(len(X), -1)
    model = SemiSupervisedClassifier(PCA(30, random_state=SEED)).fit(rows, y)
    right = (model.predict(rows) == y_all)[100:200].mean()
    assert model.score(rows, np.where((np.arange(300) // 100) == 1, y_all, -1)) == right
    with pytest.raises(ValueError, match="all 300 rows of y are marked as unlabelled"):
        model.score(rows, np.full(300, -1))
    assert model.score(rows[:10], np.full(10, 11)) == 0  # a class never seen is just wrong
    one_class = hide(np.ones(10, dtype=int), 5)  # no word of two classes here
    assert 0 <= model.score(rows[:10], one_class) <= 1


@pytest.mark.parametrize("n_labels", [10, 11])
def test_a_single_label_of_a_class_will_do(digits, n_labels):
    X, y = digits  # it starts with one image of each digit
    rows = X[:300].reshape(300, -1)
    model = SemiSupervisedClassifier(PCA(30, random_state=SEED)).fit(rows, hide(y[:300], n_labels))
    assert model.score(rows, y[:300]) > 0.25


@pytest.mark.parametrize("n_unlabelled", [0, 30])
def test_features_that_are_all_the_same(n_unlabelled):
    X, y = np.ones((20 + n_unlabelled, 60)), np.r_[np.arange(20) % 2, np.full(n_unlabelled, -1)]
    model = SemiSupervisedClassifier(FunctionTransformer()).fit(X, y)
    assert_allclose(model.predict_proba(X[:3]), 0.5)


def test_all_rows_labelled(few):
    X, _, y_all = few
    model = SemiSupervisedClassifier(PCA(30, random_state=SEED))
    assert model.fit(X.reshape(len(X), -1), y_all).score(X.reshape(len(X), -1), y_all) > 0.95


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"embedder": "pca"}, "'embedder' parameter of SemiSupervisedClassifier"),
        ({"embedder": LogisticRegression()}, "'embedder' parameter of SemiSupervisedClassifier"),
        ({"classifier": 1}, "'classifier' parameter of SemiSupervisedClassifier"),
        ({"classifier": LinearRegression()}, "must be a scikit-learn classifier"),
        ({"classifier": LinearSVC}, "'classifier' parameter of Semi.*Got <class"),
    ],
)
def test_parts_that_cannot_be_used(params, message):
    model = SemiSupervisedClassifier(**{"embedder": PCA(), **params})
    with pytest.raises(ValueError, match=message):
        model.fit(np.zeros((4, 2)), [0, 1, 0, 1])


def test_a_failed_fit_leaves_the_fitted_model_as_it_was(few):
    X, y, _ = few
    rows = X.reshape(len(X), -1)
    model = SemiSupervisedClassifier(PCA(5, random_state=SEED)).fit(rows, y)
    predicted = model.predict(rows)
    with pytest.raises(ValueError, match="'C' parameter"):
        model.set_params(classifier=LogisticRegression(C=-1)).fit(rows[:, :20], y)
    np.testing.assert_array_equal(model.predict(rows), predicted)


def test_methods_are_those_of_the_classifier(few):
    X, y, _ = few
    rows = X.reshape(len(X), -1) / 255
    default = SemiSupervisedClassifier(PCA(5))
    assert hasattr(default, "predict_proba")
    model = SemiSupervisedClassifier(PCA(5, random_state=SEED), LinearSVC())
    assert hasattr(model, "decision_function")
    assert not hasattr(model, "predict_proba")
    assert model.fit(rows, y).decision_function(rows).shape == (300, 10)
    model = SemiSupervisedClassifier(PCA(5, random_state=SEED), KNeighborsClassifier())
    assert not hasattr(model, "decision_function")
    assert model.fit(rows, y).predict_proba(rows).shape == (300, 10)


def test_names_of_the_features():
    X = pd.DataFrame(np.random.default_rng(SEED).random((6, 3)), columns=["a", "b", "c"])
    model = SemiSupervisedClassifier(PCA(2), LogisticRegression())
    assert not hasattr(model, "n_features_in_")
    model.fit(X, [0, 1, 0, -1, 1, -1])
    assert model.n_features_in_ == 3
    assert model.feature_names_in_.tolist() == ["a", "b", "c"]
    assert model.get_feature_names_out().tolist() == ["pca0", "pca1"]
    shown = clone(model).set_output(transform="pandas").fit(X, [0, 1, 0, -1, 1, -1])
    assert shown.transform(X).columns.tolist() == ["pca0", "pca1"]
    assert model.score(X, [0, -1, 0, -1, 1, -1]) >= 0


def test_nested_parameters(few):
    X, y, _ = few
    model = SemiSupervisedClassifier(
        RotNetEmbedder("convnet", random_state=SEED), LogisticRegression()
    )
    model.set_params(embedder__max_epochs=0, classifier__C=0.5, classifier__max_iter=1000)
    model.fit(X, y)
    assert model.embedder_.n_epochs_ == 0
    assert model.classifier_.C == 0.5
    assert not hasattr(model.embedder, "pretext_")
    assert not hasattr(model.classifier, "coef_")


def test_a_frozen_embedder_is_kept(few, embedder):
    X, y, _ = few
    model = clone(SemiSupervisedClassifier(FrozenEstimator(embedder))).fit(X, y)
    assert model.embedder_.estimator is embedder
    np.testing.assert_array_equal(model.transform(X), embedder.transform(X))


def test_pickling(few):
    X, y, _ = few
    model = SemiSupervisedClassifier(
        RotNetEmbedder("convnet", max_epochs=1, random_state=SEED)
    ).fit(X, y)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict_proba(X), model.predict_proba(X))


def test_a_grid_search_over_both_parts(few):
    X, y, _ = few
    model = SemiSupervisedClassifier(
        RotNetEmbedder("convnet", random_state=SEED), LogisticRegression(max_iter=1000)
    )
    grid = {"embedder__max_epochs": [0, 2], "classifier__C": [1e-6, 1]}
    search = GridSearchCV(model, grid, cv=LabeledSplit(2), error_score="raise").fit(X, y)
    assert search.best_params_["classifier__C"] == 1
    assert search.predict(X).min() >= 0


@pytest.mark.parametrize("weigh", [np.asarray, list, lambda w: w[:, np.newaxis]])
def test_score_weighs_rows(few, embedder, weigh):
    rows, y, y_all = few
    model = SemiSupervisedClassifier(FrozenEstimator(embedder), KNeighborsClassifier()).fit(rows, y)
    y_test = np.where(np.arange(len(y)) % 3 == 0, -1, y_all)
    labelled = y_test != -1
    weights = np.arange(len(y), dtype=float)
    weights[~labelled] = np.nan
    right = model.predict(rows)[labelled] == y_all[labelled]
    expected = np.average(right, weights=weights[labelled])
    assert model.score(rows, y_test, sample_weight=weigh(weights)) == pytest.approx(expected)
    with pytest.raises(ValueError, match="'sample_weight' parameter of SemiSupervisedClassifier"):
        model.score(rows, y_test, sample_weight=[1.0])
