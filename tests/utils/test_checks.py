"""What is checked beyond scikit-learn's constraints, on the estimators that ask for it."""

import itertools
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.utils.validation import check_is_fitted

from sklssl import (
    FineTuneClassifier,
    MultiScaleEmbedder,
    RotNetEmbedder,
    ScaleNetEmbedder,
    SemiSupervisedClassifier,
    SimCLREmbedder,
    ViewWhiteningEmbedder,
)
from sklssl.exceptions import NonFiniteLossError
from tests._estimators import quick


def failing(*args, **kwargs):
    raise RuntimeError("a word of the user's own")


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        (torch.optim.Optimizer, "unexpected keyword"),
        (torch.optim.SparseAdam, "weight_decay|sparse"),
        (partial(torch.optim.SGD, momentum=-1), "momentum"),
        (
            partial(torch.optim.AdamW, lr=1e-4, weight_decay=0.3),
            r"must not set lr and weight_decay.*Set learning_rate=0\.0001 and weight_decay=0\.3 of",
        ),
        (partial(torch.optim.SGD, weight_decay=0), "Set weight_decay=0 of"),
        (lambda *args, **kwargs: None, r"must be callable as optimizer\(params.*returns None"),
        (failing, "a word of the user's own"),
    ],
)
def test_optimizers_are_tried_before_anything_is_trained(X, optimizer, message):
    for estimator in (quick(optimizer=optimizer), FineTuneClassifier(quick(), optimizer=optimizer)):
        name = type(estimator).__name__
        with pytest.raises(
            (TypeError, ValueError), match=f"'optimizer' parameter of {name}.*({message})"
        ):
            estimator.fit(X, np.arange(len(X)) % 2)


def test_a_backbone_that_fails_is_named(X):
    with pytest.raises(ValueError, match="'backbone' parameter of RotNetEmbedder: a word"):
        quick(backbone=failing).fit(X)


@pytest.mark.parametrize("callbacks", [np.array([]), np.array([print, print]), {1: print}])
def test_callbacks_are_a_list(X, callbacks):
    with pytest.raises(TypeError, match="'callbacks' parameter.*must be a list or tuple"):
        quick(callbacks=callbacks).fit(X)


@pytest.mark.parametrize(
    "params",
    [
        {"pool_size": True},
        {"max_epochs": True},
        {"learning_rate": True},
        {"learning_rate": Fraction(1, 10)},
        {"weight_decay": 10**400},
        {"image_size": 2**40},
    ],
)
def test_numbers_that_are_none(X, params):
    (name,) = params
    with pytest.raises(ValueError, match=f"'{name}' parameter of RotNetEmbedder"):
        quick(**params).fit(X)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"image_size": 8.0}, "'image_size'"),
        ({"pool_size": None}, "'pool_size'"),
        ({"layer": 3}, "'layer'"),
        ({"precision": "half"}, "'precision'"),
        ({"backbone": 3}, "'backbone'"),
    ],
)
def test_parameters_changed_after_fit_are_checked(X, params, message):
    embedder = quick().fit(X)
    Z = embedder.transform(X)
    embedder.set_params(**params)
    uses = embedder.transform, embedder.score, embedder.transform_layers, embedder.transform_iter
    for use in uses:
        with pytest.raises(ValueError, match=f"{message} parameter of RotNetEmbedder"):
            use(X)
    embedder.set_params(**quick().get_params())
    np.testing.assert_array_equal(embedder.transform(X), Z)


@pytest.mark.parametrize("make", [ScaleNetEmbedder, partial(MultiScaleEmbedder, quick())])
@pytest.mark.parametrize("scales", [np.array(1.0), torch.tensor(1.0)])
def test_scales_are_a_sequence(X, make, scales):
    with pytest.raises(ValueError, match="'scales' parameter.*must be a sequence of numbers"):
        make(scales=scales).fit(X)


def test_scales_may_be_any_numbers(X):
    embedder = MultiScaleEmbedder(quick(), scales=(Fraction(1, 2), np.float16(1)), max_epochs=1)
    assert [row["scale"] for row in embedder.fit(X).history_] == [0.5, 1.0]


@pytest.mark.parametrize(
    ("make", "inner"),
    [
        (MultiScaleEmbedder, None),  # for the others, the default
        *itertools.product(
            [MultiScaleEmbedder, SemiSupervisedClassifier, ViewWhiteningEmbedder],
            [(), 3, "embedder", RotNetEmbedder],
        ),
    ],
)
def test_what_is_no_estimator_can_be_shown_and_is_refused(X, make, inner):
    estimator = make(inner)
    assert type(estimator).__name__ in repr(estimator)
    with pytest.raises((TypeError, ValueError), match=r"'(estimator|embedder)' parameter of"):
        estimator.fit(X, np.arange(len(X)) % 2)
    with pytest.raises(ValueError, match="not fitted"):
        check_is_fitted(estimator)


@pytest.mark.filterwarnings("ignore:RotNetEmbedder was fitted on images with values")
def test_images_far_from_those_of_fit_give_no_infinities(X):
    embedder = quick().fit(X / 255)
    far = np.full((2, 8, 8), 3e38)
    for use in (
        embedder.transform,
        embedder.transform_layers,
        lambda X: [*embedder.transform_iter(X)],
    ):
        with pytest.raises(ValueError, match="the values in X are so far from this range"):
            use(far)


@pytest.mark.parametrize("settings", [{"learning_rate": 1e30}, {"weight_decay": 1e30}])
def test_a_training_that_diverges_is_no_fit(X, settings):
    estimator = FineTuneClassifier(quick(), max_epochs=1, optimizer="sgd", **settings)
    with pytest.raises(NonFiniteLossError):
        estimator.fit(X, np.arange(len(X)) % 2)
    assert not hasattr(estimator, "classes_")


def test_a_projection_beyond_all_memory_is_refused(X):
    with pytest.raises(ValueError, match="'projection_dim' parameter of SimCLREmbedder"):
        SimCLREmbedder(projection_dim=2**31).fit(X)
