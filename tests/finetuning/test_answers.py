"""What `y` and its weights may be."""

import warnings

import numpy as np
import pandas as pd
import pytest

from sklssl import FineTuneClassifier, FineTuneRegressor, RotNetEmbedder
from tests._seed import SEED


@pytest.fixture(scope="module")
def embedder(X):
    return RotNetEmbedder("convnet", max_epochs=0, random_state=SEED).fit(X)


def quick(make, embedder, **params):
    return make(embedder, frozen_until="all", max_epochs=1, random_state=SEED, **params)


@pytest.mark.parametrize("make", [FineTuneClassifier, FineTuneRegressor])
@pytest.mark.parametrize(
    "odd",
    [None, np.nan, {}, [1, 2], 1j, "cat"],
)
def test_answers_of_several_kinds(X, embedder, make, odd):
    y = np.empty(len(X), dtype=object)
    y[:] = [0, 1] * (len(X) // 2)
    y[3] = odd
    with pytest.raises((TypeError, ValueError), match=f"{make.__name__}|contains NaN"):
        quick(make, embedder).fit(X, y)


@pytest.mark.parametrize("make", [FineTuneClassifier, FineTuneRegressor])
@pytest.mark.parametrize("y", [3, np.zeros((40, 2, 2)), "labels", [[1], [1, 2]] * 20])
def test_no_answers(X, embedder, make, y):
    with pytest.raises((TypeError, ValueError), match=f"{make.__name__} cannot use this y: "):
        quick(make, embedder).fit(X, y)


@pytest.mark.parametrize("weights", [["a"] * 40, [{}] * 40, np.zeros((40, 2)), [-1.0] * 40])
def test_bad_weights(X, embedder, weights):
    with pytest.raises((TypeError, ValueError), match="FineTuneClassifier cannot use.*weight"):
        quick(FineTuneClassifier, embedder).fit(X, np.arange(40) % 2, weights)


@pytest.mark.parametrize("weights", [{0: "a"}, {0: -1, 1: 1}, {0: 0, 1: 0}, {0: np.nan, 1: 1}])
def test_bad_class_weight(X, embedder, weights):
    with pytest.raises(ValueError, match="'class_weight' parameter of FineTuneClassifier"):
        quick(FineTuneClassifier, embedder, class_weight=weights).fit(X, np.arange(40) % 2)


@pytest.mark.parametrize("unit", [1e-200, 1.0, 1e200])
def test_numbers_of_any_size(X, embedder, unit):
    """Their squares need not be numbers."""
    y = np.random.default_rng(SEED).normal(3.0, 2.0, len(X))
    tuned = quick(FineTuneRegressor, embedder).fit(X, unit * y)
    assert tuned.y_mean_ == pytest.approx(unit * y.mean())
    assert tuned.y_scale_ == pytest.approx(unit * y.std())
    assert np.isfinite(tuned.predict(X)).all()


def test_minus_one_beside_class_numbers_is_told(X, y):
    few = np.where(np.arange(40) < 20, y, -1)
    with pytest.warns(UserWarning, match="takes the label -1 in y for a class.*SemiSupervised"):
        FineTuneClassifier("convnet", max_epochs=1).fit(X, few)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FineTuneClassifier("convnet", max_epochs=1).fit(X, np.where(y < 5, -1, 1))


def test_a_label_that_is_missing_is_named(X, y):
    labels = np.array([str(label) for label in y], dtype=object)
    labels[[7, 9]] = None
    with pytest.raises(ValueError, match="FineTuneClassifier cannot.*None, first in row 7"):
        FineTuneClassifier("convnet", max_epochs=1).fit(X, labels)


@pytest.mark.parametrize(
    ("gap", "dtype", "shown"),
    [(None, "string", "<NA>"), (np.nan, float, "nan"), (None, "boolean", "nan|<NA>")],
)
def test_a_gap_in_a_column_is_named(X, embedder, gap, dtype, shown):
    column = pd.Series([1, 0] * 20).astype(dtype)
    column[[7, 9]] = gap
    expected = f"FineTuneClassifier cannot use this y: y contains ({shown}), first in row 7. Leave"
    with pytest.raises(ValueError, match=expected):
        quick(FineTuneClassifier, embedder).fit(X, column)


def test_objects_that_are_all_booleans_or_numbers_are_classes(X, embedder):
    for labels in ([True, False], [np.True_, np.False_], [3, 1], [2.0, 1]):
        y = np.array(labels * 20, dtype=object)
        tuned = quick(FineTuneClassifier, embedder).fit(X, y)
        np.testing.assert_array_equal(tuned.classes_, sorted(labels))
        assert tuned.classes_.dtype.kind in "bif"


@pytest.mark.parametrize("labels", [[1, "1"], ["yes", True]])
def test_labels_are_of_one_type(X, embedder, labels):
    y = np.array(labels * 20, dtype=object)
    with pytest.raises(ValueError, match="Classifier.*one type, but 20 of 40 are.* strings"):
        quick(FineTuneClassifier, embedder).fit(X, y)


def test_a_class_of_one_image_is_named_when_images_are_held_out(X):
    labels = np.array(["cat", "dog"] * 19 + ["cat", "rare"])
    expected = "'validation_fraction'.*the class 'rare' has a single image. Pass at least 2 images"
    with pytest.raises(ValueError, match=expected):
        FineTuneClassifier("convnet", max_epochs=1, early_stopping=True).fit(X, labels)


@pytest.mark.parametrize("make", [FineTuneClassifier, FineTuneRegressor])
def test_masks_are_not_dropped(X, embedder, make):
    n = len(X)
    masked = np.ma.masked_array(np.arange(n) % 2, mask=np.arange(n) > n // 2)
    for y, weights, name in ((masked, None, "y"), (masked.data, masked + 1, "sample_weight")):
        with pytest.raises(ValueError, match=f"{make.__name__}.*{name} is a masked array"):
            make(embedder, max_epochs=1).fit(X, y, sample_weight=weights)


def test_one_image_is_too_few(X, embedder):
    for some, weights, params in (
        (np.repeat(X[:1], 5, axis=0), None, {}),
        (X[:5], [1, 0, 0, 0, 0], {}),
        (X[:2], None, {"early_stopping": True, "validation_fraction": 0.5}),
    ):
        model = FineTuneRegressor(embedder, max_epochs=1, **params)
        with pytest.raises(ValueError, match="FineTuneRegressor needs at least two different imag"):
            model.fit(some, np.zeros(len(some)), sample_weight=weights)


def test_huge_weights(X, embedder):
    y = np.arange(len(X)) % 2
    model = FineTuneClassifier(embedder, max_epochs=1, random_state=0)
    ones, huge = (
        model.fit(X, y, sample_weight=np.full(len(y), w)).predict_proba(X) for w in (1.0, 1e308)
    )
    np.testing.assert_array_equal(ones, huge)


def test_dates_are_no_numbers(X, embedder):
    days = np.datetime64("2020-01-01") + np.arange(len(X))
    with pytest.raises(TypeError, match="FineTuneRegressor cannot use this y.*Convert them"):
        FineTuneRegressor(embedder, max_epochs=1).fit(X, days)
