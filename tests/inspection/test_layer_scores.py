import copy

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import ShuffleSplit, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklssl import MultiScaleEmbedder, RotNetEmbedder
from sklssl.inspection import layer_scores
from tests._seed import SEED


@pytest.fixture(scope="module")
def images(digits):
    return digits[0][:120]


@pytest.fixture(scope="module")
def labels(digits):
    return digits[1][:120]


@pytest.fixture(scope="module")
def embedder(images):
    return RotNetEmbedder("convnet", max_epochs=1, random_state=SEED).fit(images)


def test_rows_agree_with_the_features_of_each_layer(embedder, images, labels):
    rows = layer_scores(embedder, images, labels, cv=3)
    assert [row["layer"] for row in rows] == list(np.repeat(embedder.layer_names_, 4))
    assert [row["pool_size"] for row in rows] == [1, 2, 3, 4] * len(embedder.layer_names_)
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    other = copy.deepcopy(embedder)
    for row in rows:
        Z = other.set_params(layer=row["layer"], pool_size=row["pool_size"]).transform(images)
        expected = cross_val_score(probe, Z, labels, cv=3)
        assert row["n_features"] == Z.shape[1]
        # One image of 40 may be told otherwise where the last digits of the features differ.
        assert_allclose(row["mean_score"], expected.mean(), atol=0.01)
        assert_allclose(row["std_score"], expected.std(), atol=0.02)
        assert row["fit_time"] > 0
        assert row["score_time"] > 0


def test_the_embedder_stays_as_it_was_and_sees_the_images_once(embedder, images, labels):
    encoder, batches = embedder.pretext_.encoder, []
    maps = encoder.maps
    Z, params = embedder.transform(images), embedder.get_params()
    encoder.maps = lambda batch: batches.append(batch) or maps(batch)
    layer_scores(embedder, images, labels, cv=2, pool_sizes=(1, 2))
    del encoder.maps
    assert len(batches) == 2  # of at most 64
    assert embedder.get_params() == params
    assert_array_equal(embedder.transform(images), Z)


def test_the_rows_make_a_table(embedder, images, labels):
    table = pd.DataFrame(layer_scores(embedder, images, labels, cv=2, pool_sizes=[1, 3]))
    assert len(table) == 2 * len(embedder.layer_names_)
    assert table.columns.tolist() == [
        *("layer", "pool_size", "n_features", "mean_score", "std_score", "fit_time", "score_time")
    ]


def test_small_maps_give_no_row_twice(images, labels):
    embedder = RotNetEmbedder("resnet8", max_epochs=0, random_state=SEED).fit(images)
    rows = layer_scores(embedder, images, labels, cv=2, pool_sizes=(1, 2, 3, 4, 9))
    by_layer = {name: [] for name in embedder.layer_names_}
    for row in rows:
        by_layer[row["layer"]].append(row)
    shapes = embedder.pretext_.encoder.map_shapes((8, 8))
    assert min(shape[1] for shape in shapes.values()) < 4  # else nothing is tested here
    for name, (width, side, _) in shapes.items():
        sizes = [size for size in (1, 2, 3, 4) if size <= side] + [9] * (side > 4)
        assert [row["pool_size"] for row in by_layer[name]] == sizes
        assert [row["n_features"] for row in by_layer[name]] == [
            width * min(size, side) ** 2 for size in sizes
        ]


def test_a_frozen_embedder_and_one_of_several_scales(embedder, images, labels):
    def scores(embedder):
        rows = layer_scores(embedder, images, labels, cv=2, pool_sizes=(2,))
        return [(row["layer"], row["mean_score"]) for row in rows]

    assert scores(FrozenEstimator(embedder)) == scores(embedder)
    scaled = MultiScaleEmbedder(RotNetEmbedder("convnet", random_state=SEED), max_epochs=1).fit(
        images
    )
    assert scores(scaled) == scores(scaled.estimator_)
    assert scores(FrozenEstimator(scaled)) == scores(scaled)


def test_a_regressor_scoring_and_folds_of_ones_own(embedder, images):
    ink = images.mean(axis=(1, 2, 3))
    rows = layer_scores(embedder, images, ink, probe=Ridge(), pool_sizes=(1,), cv=3)
    assert max(row["mean_score"] for row in rows) > 0.7  # R^2; 0 by chance
    errors = layer_scores(
        embedder, images, ink, probe=Ridge(), pool_sizes=(1,), scoring="neg_mean_squared_error"
    )
    assert all(row["mean_score"] < 0 for row in errors)
    two = layer_scores(embedder, images, np.c_[ink, ink], probe=Ridge(), pool_sizes=(1,), cv=3)
    assert_allclose([r["mean_score"] for r in two], [r["mean_score"] for r in rows], rtol=1e-3)


def test_all_rows_see_the_same_folds(embedder, images, labels):
    """Of a splitter that draws other folds at each call too."""
    seen = []

    def spy(probe, Z, y):
        seen.append(tuple(y))
        return 0.0

    cv = ShuffleSplit(2, test_size=0.5)
    layer_scores(embedder, images, labels, cv=cv, pool_sizes=(1,), scoring=spy)
    assert len(seen) == 2 * len(embedder.layer_names_)
    assert len(set(seen)) == 2


def test_jobs_and_names_of_classes_change_nothing(embedder, images, labels):
    def scores(y, **params):
        probe = KNeighborsClassifier(3)
        rows = layer_scores(embedder, images, y, probe=probe, cv=2, pool_sizes=(1,), **params)
        return [(row["mean_score"], row["std_score"]) for row in rows]

    expected = scores(labels)
    assert scores(labels, n_jobs=2) == expected
    assert scores(np.array(list("abcdefghij"))[labels]) == expected
    assert scores(list(labels)) == expected


def test_an_embedder_that_is_not_fitted_or_none(images, labels):
    for embedder in (RotNetEmbedder(), MultiScaleEmbedder(RotNetEmbedder())):
        with pytest.raises(NotFittedError):
            layer_scores(embedder, images, labels)
        with pytest.raises(NotFittedError):
            layer_scores(FrozenEstimator(embedder), images, labels)
    for other in (LogisticRegression(), make_pipeline(RotNetEmbedder()), "rotnet"):
        with pytest.raises(TypeError, match="'embedder' argument of layer_scores must be a fitted"):
            layer_scores(other, images, labels)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": None}, "'y' argument of layer_scores must hold.*Got None"),
        (
            {"y": np.arange(5)},
            "'y' argument of layer_scores must match the 120 images.*inconsistent",
        ),
        ({"y": np.full(120, np.nan)}, "'y' argument.*nan"),
        ({"y": np.linspace(0, 1, 120)}, r"'y' argument.*continuous.*probe=Ridge\(\)"),
        ({"pool_sizes": (1, 0)}, r"'pool_sizes' argument of layer_scores.*Got \(1, 0\)"),
        ({"pool_sizes": (1.5,)}, r"'pool_sizes' argument.*Got \(1\.5,\)"),
        ({"pool_sizes": 2.0}, r"'pool_sizes' argument of layer_scores.*Got 2\.0"),
        ({"pool_sizes": ()}, r"'pool_sizes' argument.*at least one.*Got \(\)"),
        ({"y": np.array(["a", 1] * 60, object)}, "'y' argument of layer_scores.*be of one type"),
        ({"scoring": ["accuracy", "f1_macro"]}, "'scoring' argument of layer_scores.*one score"),
        # Found before the images are read.
        ({"scoring": "acuracy", "X": None}, "'scoring' argument of layer_scores.*Got 'acuracy'"),
        ({"X": np.zeros((120, 9, 9))}, r"fitted on images of shape \(8, 8, 1\)"),
        ({"cv": 1}, "n_splits"),
    ],
)
def test_bad_arguments(embedder, images, labels, change, message):
    with pytest.raises(ValueError, match=message):
        layer_scores(embedder, **{"X": images, "y": labels, **change})
