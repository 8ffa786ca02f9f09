"""Features whitened by random views."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from sklssl import (
    FineTuneClassifier,
    MultiScaleEmbedder,
    PatchDictionaryEmbedder,
    RotNetEmbedder,
    ViewWhiteningEmbedder,
)
from sklssl._features.whitening import Whitening, WhiteningModule, find_whitening
from sklssl.datasets import load_digit_images
from sklssl.inspection import ViewsDisplay, layer_scores
from tests._estimators import quick
from tests._seed import SEED

X, y = load_digit_images(return_X_y=True)


@pytest.fixture(scope="module")
def dictionary():
    return PatchDictionaryEmbedder(n_atoms=32, random_state=SEED).fit(X[:300])


def apply(whitening, Z):
    return WhiteningModule(whitening)(torch.from_numpy(Z)).numpy()


def make_features(rng, n=200, d=12, n_views=5):
    """Make features whose views differ strongly along two directions."""
    directions = np.linalg.qr(rng.normal(size=(d, 2)))[0].T
    Z = rng.normal(3, 2, size=(n, d))
    noise = rng.normal(size=(n_views, n, 2)) * [8, 4] @ directions
    views = Z + noise + rng.normal(scale=0.1, size=(n_views, n, d))
    return Z.astype(np.float32), views.astype(np.float32)


@pytest.mark.parametrize("shrinkage", [1e-6, 0.3, 0.7])
def test_equals_the_inverse_root_of_the_covariance_of_views(shrinkage):
    Z, views = make_features(np.random.default_rng(SEED))
    found = apply(find_whitening(Z, views, shrinkage, seed=0), Z)

    mean, scale = Z.mean(axis=0), Z.std(axis=0)
    covariance = np.zeros((Z.shape[1],) * 2)
    for i in range(len(Z)):  # image by image
        centred = (views[:, i] - views[:, i].mean(axis=0)) / scale
        covariance += centred.T @ centred
    covariance *= Z.shape[1] / np.trace(covariance)
    shrunk = (1 - shrinkage) * covariance + shrinkage * np.eye(Z.shape[1])
    values, vectors = np.linalg.eigh(shrunk)
    expected = (Z - mean) / scale @ (vectors / np.sqrt(values)) @ vectors.T
    expected /= np.sqrt(expected.var(axis=0).mean())
    assert_allclose(found, expected, atol=1e-3)


def test_features_have_unit_variance_on_average():
    Z, views = make_features(np.random.default_rng(SEED))
    W = apply(find_whitening(Z, views, 0.7, seed=0), Z)
    assert_allclose(W.var(axis=0).mean(), 1, rtol=1e-3)
    assert_allclose(W.mean(axis=0), 0, atol=1e-4)


def test_full_shrinkage_only_standardises(dictionary):
    frozen = FrozenEstimator(dictionary)
    W = (
        ViewWhiteningEmbedder(frozen, shrinkage=1.0, random_state=SEED)
        .fit(X[:300])
        .transform(X[:300])
    )
    Z = dictionary.transform(X[:300])
    assert_allclose(W, (Z - Z.mean(axis=0)) / Z.std(axis=0), atol=0.01)


def test_views_of_an_image_get_closer_than_other_images(dictionary):
    embedder = ViewWhiteningEmbedder(FrozenEstimator(dictionary), random_state=SEED).fit(X[:300])
    darker = (X[300:400] * 0.6).astype(np.uint8)

    def ratio(estimator):
        Z, views = estimator.transform(X[300:400]), estimator.transform(darker)
        apart = np.linalg.norm(Z - np.roll(Z, 1, axis=0), axis=1).mean()
        return np.linalg.norm(Z - views, axis=1).mean() / apart

    standardised = clone(embedder).set_params(shrinkage=1.0).fit(X[:300])
    assert ratio(embedder) < 0.8 * ratio(standardised)


def test_neighbours_share_their_class_more_often_when_colours_vary():
    rng = np.random.default_rng(SEED)
    tinted = (X[:600] * rng.uniform(0.1, 1.0, size=(600, 1, 1, 3))).astype(np.uint8)
    dictionary = PatchDictionaryEmbedder(random_state=SEED)
    whitened = ViewWhiteningEmbedder(dictionary, random_state=SEED).fit(tinted)
    few = KNeighborsClassifier(5, metric="cosine")
    before, after = (
        cross_val_score(few, Z, y[:600]).mean()
        for Z in (whitened.estimator_.transform(tinted), whitened.transform(tinted))
    )
    assert after > before + 0.04


def test_constant_features_and_identical_views():
    rng = np.random.default_rng(SEED)
    Z = rng.normal(size=(50, 6)).astype(np.float32)
    Z[:, 2] = 5.0
    whitening = find_whitening(Z, np.stack([Z, Z]), 0.7, seed=0)
    assert_allclose(whitening.gains, 1)
    W = apply(whitening, Z)
    assert np.isfinite(W).all()
    assert_array_equal(W[:, 2], 0)


def test_equal_images():
    same = np.full((20, 8, 8, 1), 7, dtype=np.uint8)
    embedder = ViewWhiteningEmbedder(PatchDictionaryEmbedder(8, random_state=SEED))
    with pytest.warns(UserWarning, match="."):
        Z = embedder.fit(same).transform(same)
    assert np.isfinite(Z).all()


def test_frozen_embedder_is_not_fitted_again(dictionary):
    before = dictionary.transform(X[:20])
    embedder = ViewWhiteningEmbedder(FrozenEstimator(dictionary)).fit(X[300:500])
    assert embedder.estimator_ is dictionary
    assert_array_equal(dictionary.transform(X[:20]), before)


def test_of_two_scales():
    scales = MultiScaleEmbedder(quick(), scales=(0.75, 1.0)).fit(X[:60])
    embedder = ViewWhiteningEmbedder(FrozenEstimator(scales), random_state=SEED).fit(X[:60])
    assert embedder.estimator_ is scales.estimator_
    assert embedder.transform(X[:5]).shape == scales.transform(X[:5]).shape
    assert embedder.score(X[:60]) == scales.score(X[:60])


def test_default_is_a_dictionary_with_the_seed():
    one, again = (ViewWhiteningEmbedder(random_state=SEED).fit(X[:50]) for _ in range(2))
    assert isinstance(one.estimator_, PatchDictionaryEmbedder)
    assert_array_equal(one.transform(X[:5]), again.transform(X[:5]))
    assert one.estimator is None


def test_score_is_that_of_the_task():
    assert hasattr(ViewWhiteningEmbedder(quick()), "score")
    assert not hasattr(ViewWhiteningEmbedder(PatchDictionaryEmbedder()), "score")


def test_file_that_cannot_be_read_is_skipped(tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(12)]
    for path, image in zip(paths, X, strict=False):
        Image.fromarray(image[..., 0]).save(path)
    paths[3].write_bytes(b"no image")
    inner = PatchDictionaryEmbedder(8, on_error="skip", random_state=SEED)
    with pytest.warns(UserWarning, match="3.png"):
        embedder = ViewWhiteningEmbedder(inner, random_state=SEED).fit(paths)
    assert len(embedder.mean_) == len(embedder.get_feature_names_out())


def test_changed_layer_is_refused(dictionary):
    two = PatchDictionaryEmbedder((8, 8), random_state=SEED).fit(X[:50])
    embedder = ViewWhiteningEmbedder(FrozenEstimator(two)).fit(X[:50])
    two.set_layer("patches1")
    with pytest.raises(ValueError, match=r"fitted on \d+ features, but its embedder now has"):
        embedder.transform(X[:5])
    with pytest.raises(AttributeError, match="has no set_layer, because its features are"):
        embedder.set_layer("patches1")


def test_layers_and_fine_tuning_are_those_of_the_embedder():
    embedder = ViewWhiteningEmbedder(quick(), random_state=SEED).fit(X[:60])
    layers = embedder.transform_layers(X[:5])
    assert_array_equal(layers["block2"], embedder.estimator_.transform_layers(X[:5])["block2"])
    rows = layer_scores(embedder, X[:60], y[:60], pool_sizes=1, cv=2)
    assert [row["layer"] for row in rows] == list(embedder.layer_names_)
    tuned = FineTuneClassifier(embedder, max_epochs=1, random_state=SEED).fit(X[:60], y[:60])
    assert isinstance(tuned.to_embedder(), RotNetEmbedder)
    for shown in (embedder, clone(embedder), FrozenEstimator(embedder)):
        ViewsDisplay.from_estimator(shown, X[:60])


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"estimator": "rotnet"}, "'estimator' parameter of ViewWhiteningEmbedder must be"),
        ({"estimator": FrozenEstimator(KNeighborsClassifier())}, "FrozenEstimator of one"),
        ({"crop_scale": (0.0, 1.0)}, "'crop_scale' parameter of ViewWhiteningEmbedder"),
        ({"shrinkage": 0}, "'shrinkage' parameter of ViewWhiteningEmbedder"),
        ({"jitter_strength": 2}, "'jitter_strength' parameter of ViewWhiteningEmbedder"),
    ],
)
def test_invalid_parameters(params, problem):
    embedder = ViewWhiteningEmbedder(PatchDictionaryEmbedder(8)).set_params(**params)
    with pytest.raises((TypeError, ValueError), match=problem):
        embedder.fit(X[:20])
    assert not embedder.__sklearn_is_fitted__()


def test_frozen_embedder_must_be_fitted():
    with pytest.raises(NotFittedError):
        ViewWhiteningEmbedder(FrozenEstimator(PatchDictionaryEmbedder())).fit(X[:20])


def test_failed_fit_keeps_the_last_one(dictionary):
    embedder = ViewWhiteningEmbedder(clone(dictionary), random_state=SEED).fit(X[:50])
    Z = embedder.transform(X[:5])
    with pytest.raises(ValueError, match="minimum of 2"):
        embedder.fit(X[:1])
    assert_array_equal(embedder.transform(X[:5]), Z)


def test_precision_of_the_map_does_not_depend_on_autocast():
    rng = np.random.default_rng(SEED)
    Z, views = make_features(rng)
    module = WhiteningModule(find_whitening(Z, views, 0.7, seed=0))
    exact = module(torch.from_numpy(Z))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(module(torch.from_numpy(Z)), exact)


def test_whitening_is_a_plain_tuple_of_arrays():
    Z, views = make_features(np.random.default_rng(SEED))
    whitening = find_whitening(Z, views, 0.7, seed=0)
    assert isinstance(whitening, Whitening)
    assert {array.dtype for array in whitening} == {np.dtype(np.float32)}
    assert_allclose(
        whitening.components @ whitening.components.T,
        np.eye(12)[: len(whitening.gains), : len(whitening.gains)],
        atol=1e-5,
    )
