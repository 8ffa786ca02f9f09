"""PredictionsDisplay: images whose predictions are wrong, in doubt, or far off."""

import sys

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from sklssl import (
    FineTuneClassifier,
    FineTuneRegressor,
    PatchDictionaryEmbedder,
    RotNetEmbedder,
    SemiSupervisedClassifier,
)
from sklssl.inspection import PredictionsDisplay
from tests._seed import SEED

EMBEDDER = PatchDictionaryEmbedder(8, random_state=SEED)


def fit(last, X, y):
    return make_pipeline(EMBEDDER, last).fit(X, y)


class NoScores(NearestCentroid):
    """A classifier that only predicts."""

    predict_proba = decision_function = property()


def make_images(n, seed=SEED):
    return np.random.default_rng(seed).integers(0, 256, (n, 8, 8, 1), dtype=np.uint8)


def test_predictions_of_a_model_with_a_threshold(pyplot, digits):
    X, y = digits[0][:200], digits[1][:200]
    X, y = X[y < 2], y[y < 2]
    model = FixedThresholdClassifier(fit(LogisticRegression(C=0.1), X, y), threshold=0.95)
    display = PredictionsDisplay.from_estimator(model.fit(X, y), X, y)
    assert {row["prediction"] for row in display.rows} == {0}
    assert display.counts["wrong"] == y.sum()
    probabilities = model.predict_proba(X)
    for row in display.rows:
        shown = [row["probability"], row["second_probability"]]
        assert_allclose(shown, probabilities[row["row"]])


def test_a_model_of_a_single_class(pyplot, X):
    model = fit(DummyClassifier(), X, np.ones(len(X), int))
    display = PredictionsDisplay.from_estimator(model, X, [2, *[1] * (len(X) - 1)])
    assert [(row["row"], row["prediction"], row["probability"]) for row in display.rows] == [
        (0, 1, 1.0)
    ]
    with pytest.raises(ValueError, match="ranks images by their errors"):
        PredictionsDisplay.from_estimator(model, X)


def test_order_of_wrong_and_doubtful(pyplot):
    probabilities = [[0.9, 0.1], [0.6, 0.4], [0.45, 0.55], [0.2, 0.8], [0.99, 0.01]]
    y = [1, -1, 0, 1, 1]
    names = list("abcde")
    display = PredictionsDisplay.from_predictions(make_images(5), probabilities, y, names=names)
    assert [(row["kind"], row["name"]) for row in display.rows] == [
        ("wrong", "e"),
        ("wrong", "a"),
        ("wrong", "c"),
        ("doubt", "b"),
        ("doubt", "d"),
    ]
    assert display.counts == {"wrong": 3, "doubt": 2}
    first, *_, last = display.rows
    assert (first["prediction"], first["label"], first["second"]) == (0, 1, 1)
    assert_allclose([first["probability"], first["second_probability"]], [0.99, 0.01])
    assert last["label"] == 1
    assert display.rows[3]["label"] is None
    assert len(display.axes_) == len(display.artists_) == len(display.images) == 5
    captions = [ax.get_xlabel() for ax in display.axes_]
    assert captions[0] == "0 (99 %)\nis 1"
    assert captions[-1] == "1 (80 %)\n0 (20 %)"
    assert_array_equal(display.images[0][..., 0], make_images(5)[4, ..., 0])
    display.figure_.canvas.draw()


@pytest.mark.parametrize(("n_images", "n_wrong", "n_doubt"), [(1, 1, 0), (4, 2, 2), (8, 3, 5)])
def test_number_of_images(pyplot, n_images, n_wrong, n_doubt):
    probabilities = np.tile([[0.7, 0.3]], (20, 1))
    y = np.repeat([1, 0], [3, 17])
    display = PredictionsDisplay.from_predictions(
        make_images(20), probabilities, y, n_images=n_images
    )
    kinds = [row["kind"] for row in display.rows]
    assert kinds == ["wrong"] * n_wrong + ["doubt"] * n_doubt


@pytest.mark.parametrize("kind", ["tuned", "few", "pipeline"])
def test_classifiers(pyplot, kind, X, y, digits):
    models = {
        "tuned": FineTuneClassifier(
            RotNetEmbedder("convnet", max_epochs=0, random_state=SEED), max_epochs=1, random_state=0
        ),
        "few": SemiSupervisedClassifier(EMBEDDER, LogisticRegression()),
        "pipeline": make_pipeline(EMBEDDER, LogisticRegression()),
    }
    model = models[kind].fit(X, y)
    others = digits[0][40:140]
    display = PredictionsDisplay.from_estimator(model, others, n_images=10)
    ordered = np.sort(model.predict_proba(others), axis=1)
    expected = np.argsort(ordered[:, -1] - ordered[:, -2], kind="stable")[:10]
    assert [row["row"] for row in display.rows] == expected.tolist()
    assert "label" not in display.rows[0]
    labelled = PredictionsDisplay.from_estimator(model, others, digits[1][40:140])
    for row in labelled.rows:
        assert (row["prediction"] != digits[1][40 + row["row"]]) == (row["kind"] == "wrong")
    assert len(labelled.rows) == 24


@pytest.mark.parametrize("n_classes", [2, 10])
def test_decision_values(pyplot, digits, n_classes):
    rows = np.flatnonzero(digits[1] < n_classes)[:120]
    X, y = digits[0][rows], digits[1][rows]
    model = fit(RidgeClassifier(), X[:60], y[:60])
    display = PredictionsDisplay.from_estimator(model, X[60:], n_images=5)
    values = model.decision_function(X[60:])
    ordered = np.sort(values, axis=1) if values.ndim == 2 else None
    margins = np.abs(values) if ordered is None else ordered[:, -1] - ordered[:, -2]
    assert [row["row"] for row in display.rows] == np.argsort(margins, kind="stable")[:5].tolist()
    predictions = model.predict(X[60:])
    assert [row["prediction"] for row in display.rows] == [
        predictions[row["row"]] for row in display.rows
    ]
    assert "probability" not in display.rows[0]
    assert "%" not in display.axes_[0].get_xlabel()


@pytest.mark.parametrize("n_classes", [3, 10])
@pytest.mark.parametrize("kind", ["pipeline", "few", "search", "frozen"])
def test_decision_values_of_pairs_of_classes_are_no_scores(pyplot, digits, n_classes, kind):
    rows = np.flatnonzero(digits[1] < n_classes)[:160]
    X, y = digits[0][rows], digits[1][rows]
    pairs = SVC(decision_function_shape="ovo", C=0.1)
    pipeline = make_pipeline(EMBEDDER, pairs)
    model = {
        "pipeline": pipeline,
        "few": SemiSupervisedClassifier(EMBEDDER, pairs),
        "search": GridSearchCV(pipeline, {"svc__C": [0.01, 0.1]}, cv=2),
        "frozen": FrozenEstimator(pipeline.fit(X[:80], y[:80])),
    }[kind].fit(X[:80], y[:80])
    with pytest.raises(ValueError, match=r"ranks images by .*decision_function that has a column"):
        PredictionsDisplay.from_estimator(model, X[80:])
    labels = np.roll(y[80:], 1)
    display = PredictionsDisplay.from_estimator(model, X[80:], labels, n_images=100)
    wrong = np.flatnonzero(model.predict(X[80:]) != labels)
    assert [row["row"] for row in display.rows] == wrong.tolist()
    assert "second" not in display.rows[0]


@pytest.mark.parametrize("n_classes", [3, 10])
def test_decision_values_with_ties_are_scores(pyplot, n_classes):
    X = make_images(300, seed=4)  # with other seeds, there may be no ties of three classes
    embedder = PatchDictionaryEmbedder(8, random_state=0)
    model = make_pipeline(embedder, SVC()).fit(X, np.arange(300) % n_classes)
    values = model.decision_function(X)
    assert (values.argmax(axis=1) != model.predict(X)).any()  # of a tie, it predicts the first
    expected = np.argsort(np.diff(np.sort(values, axis=1)[:, -2:]).ravel(), kind="stable")[:5]
    display = PredictionsDisplay.from_estimator(model, X, n_images=5)
    assert [row["row"] for row in display.rows] == expected.tolist()


def test_outlier_detectors_have_no_classes(pyplot, X):
    model = fit(IsolationForest(random_state=SEED), X, None)
    labels = -model.predict(X)
    display = PredictionsDisplay.from_estimator(model, X, labels, n_images=50)
    assert display.counts == {"wrong": 40}
    with pytest.raises(ValueError, match="'target_names' parameter of PredictionsDisplay"):
        PredictionsDisplay.from_estimator(model, X, labels, target_names=["out", "in"])


def test_only_wrong_ones_without_scores(pyplot, digits):
    X, y = digits[0][:200], digits[1][:200]
    model = fit(NoScores(), X[:20], y[:20])
    display = PredictionsDisplay.from_estimator(model, X[20:], y[20:])
    wrong = np.flatnonzero(model.predict(X[20:]) != y[20:])[:24]
    assert [row["row"] for row in display.rows] == wrong.tolist()
    with pytest.raises(ValueError, match="needs y for Pipeline, which has neither predict_proba"):
        PredictionsDisplay.from_estimator(model, X[20:])


def test_none_is_wrong(pyplot):
    display = PredictionsDisplay.from_predictions(make_images(3), ["a", "b", "a"], ["a", "b", "a"])
    assert display.rows == []
    assert display.counts == {"wrong": 0}
    display.figure_.canvas.draw()


@pytest.mark.parametrize("tuned", [False, True])
def test_regressors(pyplot, digits, tuned):
    X, y = digits[0][:80], digits[1][:80] / 2
    start = RotNetEmbedder("convnet", max_epochs=0, random_state=SEED)
    model = (
        FineTuneRegressor(start, max_epochs=1, random_state=0).fit(X, y)
        if tuned
        else fit(Ridge(), X, y)
    )
    display = PredictionsDisplay.from_estimator(model, X, y, n_images=7)
    errors = np.abs(np.ravel(model.predict(X)) - y)
    assert [row["row"] for row in display.rows] == np.argsort(-errors, kind="stable")[:7].tolist()
    assert display.rows[0]["kind"] == "error"
    with pytest.raises(ValueError, match=r"from_estimator needs y for \w+, which has neither"):
        PredictionsDisplay.from_estimator(model, X)
    with pytest.raises(ValueError, match="needs one finite number in y.*NaN"):
        PredictionsDisplay.from_estimator(model, X, np.full(80, np.nan))


def test_regressors_with_several_outputs(pyplot, X):
    model = fit(Ridge(), X, np.zeros((len(X), 3)))
    with pytest.raises(ValueError, match=r"labels or one number per image.*shape \(40, 3\)"):
        PredictionsDisplay.from_estimator(model, X, np.zeros(len(X)))


def test_unreadable_files_are_skipped_with_their_rows(pyplot, digits, tmp_path):
    X, y = digits[0][:30], digits[1][:30]
    paths = [str(tmp_path / f"$digit_{i}.png") for i in range(30)]
    for path, image in zip(paths, X, strict=True):
        cv2.imwrite(path, image)
    embedder = PatchDictionaryEmbedder(8, image_shape=(8, 8, 1), on_error="skip", random_state=SEED)
    model = make_pipeline(embedder, LogisticRegression()).fit(paths, y)
    (tmp_path / "$digit_0.png").write_bytes(b"broken")
    wrong = y.copy()
    wrong[29] = (y[29] + 1) % 10
    with pytest.warns(UserWarning, match="1 of 30 image files cannot be read"):
        display = PredictionsDisplay.from_estimator(model, paths, wrong, n_images=30)
    assert len(display.rows) == 29
    assert display.rows[0]["row"] == 29
    assert display.rows[0]["name"] == paths[29]
    assert display.axes_[0].get_title() == "$digit_29.png"
    assert_array_equal(display.images[0][..., 0], X[29, ..., 0])
    display.figure_.canvas.draw()


def test_names_of_classes(pyplot):
    probabilities = np.eye(3)[[0, 1, 2]]
    names = ["<b>bold</b>", "$x_1$", "c"]
    display = PredictionsDisplay.from_predictions(
        make_images(3), probabilities, [0, 0, -1], target_names=names
    )
    assert display.rows[0]["prediction"] == "$x_1$"
    assert display.rows[0]["label"] == "<b>bold</b>"
    display.figure_.canvas.draw()


def test_classes_that_are_strings_and_minus_one(pyplot):
    X = make_images(2)
    display = PredictionsDisplay.from_predictions(
        X, [[0.9, 0.1], [0.2, 0.8]], ["cat", "-1"], classes=["cat", "dog"]
    )
    assert [row["label"] for row in display.rows] == ["cat", None][::-1]
    signed = PredictionsDisplay.from_predictions(
        X, [[0.9, 0.1], [0.2, 0.8]], [1, 1], classes=[-1, 1]
    )
    assert [row["kind"] for row in signed.rows] == ["wrong", "doubt"]
    floats = PredictionsDisplay.from_predictions(X, [1.0, -1.0], [-1.0, -1.0])
    assert [(row["row"], row["label"]) for row in floats.rows] == [(0, -1.0)]


def test_no_labels_at_all_in_y(pyplot):
    display = PredictionsDisplay.from_predictions(make_images(2), [[0.9, 0.1]] * 2, [-1, -1])
    assert display.counts == {"doubt": 2}


@pytest.mark.parametrize("n", [1, 3])
def test_alike_or_single_images_of_many_classes(pyplot, n):
    probabilities = np.full((n, 200), 1 / 200)
    display = PredictionsDisplay.from_predictions(np.zeros((n, 8, 8), np.uint8), probabilities)
    assert [row["row"] for row in display.rows] == list(range(n))
    display.figure_.canvas.draw()


def test_rows_with_a_shape_on_given_axes(pyplot):
    _, ax = pyplot.subplots()
    X = make_images(6).reshape(6, 64)
    display = PredictionsDisplay.from_predictions(
        X, np.tile([0.6, 0.4], (6, 1)), image_shape=(4, 16), ax=ax
    )
    assert display.ax_ is ax
    assert display.images[0].shape == (4, 16, 3)
    assert display.plot(n_columns=2).ax_ is not ax


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y": [0, 1]}, "one label or number in y for each.*inconsistent numbers"),
        ({"names": ["a"]}, "'names' argument of .* one value for each image. Got 1"),
        ({"target_names": ["a"]}, "'target_names' parameter of .* has 1 names"),
        ({"n_images": 0}, "'n_images' argument of .* whole number from 1. Got 0"),
        ({"predictions": [[0.5, 0.5]]}, "needs one prediction for each image"),
        ({"predictions": [[0.5, np.nan]] * 3}, "cannot use these predictions.*NaN"),
        ({"predictions": [[1.0]] * 3}, r"at least two classes. Got predictions of shape \(3, 1\)"),
        ({"classes": ["a", "b", "c"]}, "and 3 classes"),
        ({"predictions": [0, 1, 0]}, "ranks images by their errors, or by a prob.*pass y"),
        ({"predictions": [0, 1, 0], "y": [-1] * 3}, "ranks images by their errors.*pass y, with"),
        ({"y": np.ma.array([0, 1, 0], mask=[0, 0, 1])}, "needs all values, but y is a masked"),
        (
            {"predictions": np.ma.array([[0.9, 0.1]] * 3, mask=[[1, 0]] * 3)},
            "but predictions is a masked array",
        ),
        ({"y": ["a", "b", "a"]}, "'y' argument of .* as they are predicted, such as 0, and -1"),
        ({"y": [0, 1, np.nan]}, "'y' argument of .* must hold labels"),
        ({"X": []}, "got an empty X"),
        ({"X": "folder"}, "expects images, or a list of file names"),
    ],
)
def test_mistakes(pyplot, changes, message):
    arguments = {"X": make_images(3), "predictions": [[0.9, 0.1]] * 3, **changes}
    with pytest.raises(ValueError, match=message):
        PredictionsDisplay.from_predictions(**arguments)
    assert not pyplot.get_fignums()


def test_mistakes_with_a_model(pyplot, X, y):
    model = make_pipeline(EMBEDDER, LogisticRegression())
    with pytest.raises(NotFittedError):
        PredictionsDisplay.from_estimator(model, X)
    with pytest.raises(TypeError, match="'model' argument of PredictionsDisplay.from_estimator .*"):
        PredictionsDisplay.from_estimator(model[:1].fit(X), X)
    model.fit(X, y)
    with pytest.raises(ValueError, match="'target_names' parameter of PredictionsDisplay.from_est"):
        PredictionsDisplay.from_estimator(model, X, target_names=["a", "b"])
    display = PredictionsDisplay.from_estimator(model, X)
    with pytest.raises(ValueError, match=r"'n_columns' argument of PredictionsDisplay\.plot"):
        display.plot(n_columns=0)


def test_without_matplotlib(monkeypatch, X, y):
    model = fit(LogisticRegression(), X, y)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"PredictionsDisplay\.from_estimator needs matplotlib"):
        PredictionsDisplay.from_estimator(model, X, y[:-1])
    with pytest.raises(ImportError, match=r"PredictionsDisplay\.from_predictions needs matplotl"):
        PredictionsDisplay.from_predictions(X, y[:-1])


def test_rows_have_the_shape_of_the_model(pyplot, y):
    images = np.random.default_rng(SEED).integers(0, 256, (40, 4, 16, 1), dtype=np.uint8)
    embedder = PatchDictionaryEmbedder(8, image_shape=(4, 16), random_state=SEED)
    X = images.reshape(40, -1)
    for model in (
        make_pipeline(FrozenEstimator(embedder.fit(X)), LogisticRegression()),
        SemiSupervisedClassifier(embedder, LogisticRegression()),
    ):
        display = PredictionsDisplay.from_estimator(model.fit(X, y), X, n_images=2)
        assert display.images[0].shape == (4, 16, 3)
