"""Every public estimator keeps scikit-learn's whole contract."""

import inspect

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_dict_unchanged,
    check_estimators_dtypes,
    check_estimators_pickle,
    check_fit_idempotent,
    check_get_feature_names_out_error,
    check_global_output_transform_pandas,
    check_global_set_output_transform_polars,
    check_methods_subset_invariance,
    check_n_features_in_after_fitting,
    check_param_validation,
    check_set_output_transform,
    check_set_output_transform_pandas,
    check_set_output_transform_polars,
    check_transformer_general,
    check_transformer_get_feature_names_out,
    check_transformer_get_feature_names_out_pandas,
    parametrize_with_checks,
)
from torch import nn

import sklssl
from sklssl import (
    FineTuneClassifier,
    FineTuneRegressor,
    HarrisCornerMasker,
    ImageResizer,
    MultiScaleEmbedder,
    PseudoGrayscaler,
    RotationDecouplingEmbedder,
    RotNetEmbedder,
    SemiSupervisedClassifier,
    SimCLREmbedder,
)
from sklssl.utils.estimator_checks import check_embedder
from tests import _estimators
from tests._estimators import with_params
from tests._seed import SEED

# Random weights and orders: a fixed random_state, as the checks compare two fits.
EMBEDDERS = list(_estimators.every_embedder().values())
CLOSED_FORM = [e for e in _estimators.EMBEDDERS.values() if not _estimators.trains(e)]
# Another task in an estimator that scikit-learn has checked: only what sklssl promises is new.
VARIANTS = [
    MultiScaleEmbedder(SimCLREmbedder(max_epochs=1, random_state=SEED)),
    RotationDecouplingEmbedder(instance_task="nt_xent", max_epochs=1, random_state=SEED),
]
IMAGE_TRANSFORMERS = [
    HarrisCornerMasker(),
    HarrisCornerMasker(fraction=0.5, random_state=SEED),
    ImageResizer(),
    PseudoGrayscaler(),
]
UNTRAINED = RotNetEmbedder("convnet", max_epochs=0, random_state=SEED)
FEW_FEATURES = clone(UNTRAINED).set_params(layer="block2")
PREDICTORS = [
    # Six epochs of fifty images: enough for what the checks ask only where the head learns fast.
    FineTuneClassifier(
        UNTRAINED,
        layer="block2",
        optimizer="sgd",
        learning_rate=0.1,
        backbone_learning_rate=1e-3,
        max_epochs=6,
        random_state=SEED,
    ),
    FineTuneRegressor(UNTRAINED, max_epochs=6, random_state=SEED),
    SemiSupervisedClassifier(FEW_FEATURES),
    SemiSupervisedClassifier(FEW_FEATURES, LogisticRegression()),
]


class TinyNetwork(nn.Sequential):  # a class: the names of tests would have a function's address
    def __init__(self, in_channels, image_size):
        super().__init__(*(self._stage(n) for n in (in_channels, 8)))

    def _stage(self, n_in):
        return nn.Sequential(nn.Conv2d(n_in, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())


# One of every family, besides the first one.
OTHERS = [
    _estimators.EMBEDDERS[name]
    for name in ("MultiScaleEmbedder", "PatchRelEmbedder", "DINOEmbedder")
]
# What is asked of the estimator, whatever its network. The first one has the default network.
ON_SMALL_NETWORKS = [
    EMBEDDERS[0],
    *(with_params(embedder, backbone=TinyNetwork) for embedder in EMBEDDERS[1:]),
]


def _quickest(estimator, max_epochs):
    """Make it as quick as it can be, and of few features, for checks of names and containers."""
    wraps = [name for name in ("estimator", "embedder") if hasattr(estimator, name)]
    params = {
        "__".join([*wraps, name]): value
        for name, value in {"backbone": "convnet", "layer": "block1", "pool_size": 1}.items()
    }
    if hasattr(estimator, "max_epochs"):
        params["max_epochs"] = max_epochs
    return clone(estimator).set_params(**params)


QUICKEST = [
    *(_quickest(embedder, 0) for embedder in [EMBEDDERS[0], *OTHERS]),
    *CLOSED_FORM,
    *(_quickest(predictor, 1) for predictor in PREDICTORS),
]
# scikit-learn's data hold 1x1 to 4x4 "images" at which an embedding may well collapse.
pytestmark = pytest.mark.filterwarnings("ignore::sklssl.exceptions.CollapseWarning")


def test_every_public_estimator_is_checked():
    public = {
        name
        for name in sklssl.__all__
        if inspect.isclass(obj := getattr(sklssl, name))
        and issubclass(obj, BaseEstimator)
        and name != "BaseEmbedder"
    }
    checked = EMBEDDERS + CLOSED_FORM + IMAGE_TRANSFORMERS + PREDICTORS
    assert public == {type(estimator).__name__ for estimator in checked}


@parametrize_with_checks(ON_SMALL_NETWORKS + CLOSED_FORM + IMAGE_TRANSFORMERS + PREDICTORS)
def test_estimator(estimator, check):
    check(estimator)


@pytest.mark.parametrize("embedder", OTHERS, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize(
    "check",
    [
        check_dict_unchanged,
        check_estimators_dtypes,
        check_estimators_pickle,
        check_fit_idempotent,
        check_methods_subset_invariance,
        check_transformer_general,
    ],
    ids=lambda check: check.__name__,
)
def test_embedder_of_the_default_network(embedder, check):
    """Those of scikit-learn's checks for which the network may matter."""
    check(type(embedder).__name__, clone(embedder))


@pytest.mark.parametrize("estimator", QUICKEST, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize(
    "check",
    [
        check_dataframe_column_names_consistency,
        check_get_feature_names_out_error,
        check_global_output_transform_pandas,
        check_global_set_output_transform_polars,
        check_n_features_in_after_fitting,
        check_set_output_transform,
        check_set_output_transform_pandas,
        check_set_output_transform_polars,
        check_transformer_get_feature_names_out,
        check_transformer_get_feature_names_out_pandas,
    ],
    ids=lambda check: check.__name__,
)
@pytest.mark.filterwarnings("ignore:X (has|does not have) .*feature names:UserWarning")
def test_checks_that_check_estimator_leaves_out(estimator, check):
    check(type(estimator).__name__, clone(estimator))


@pytest.mark.parametrize(
    "estimator", [*EMBEDDERS, *CLOSED_FORM, *PREDICTORS], ids=lambda e: type(e).__name__
)
def test_constraints(estimator):
    check_param_validation(type(estimator).__name__, clone(estimator))


@pytest.mark.parametrize(
    "embedder",
    [
        *ON_SMALL_NETWORKS,
        *OTHERS,
        *CLOSED_FORM,
        *VARIANTS,
    ],
    ids=lambda e: type(e).__name__,
)
def test_embedder(embedder):
    check_embedder(embedder)


@pytest.mark.parametrize("embedder", EMBEDDERS + CLOSED_FORM, ids=lambda e: type(e).__name__)
def test_the_same_seed_gives_the_same_bytes_with_two_threads(X, embedder, two_threads):
    first, second = clone(embedder).fit(X), clone(embedder).fit(X)
    Z = first.transform(X)
    assert_array_equal(second.transform(X), Z)
    assert_array_equal(first.transform(X[3:4]), Z[3:4])


@pytest.mark.parametrize(
    "embedder",
    ON_SMALL_NETWORKS + [with_params(variant, backbone="convnet") for variant in VARIANTS],
    ids=lambda e: type(e).__name__,
)
def test_an_embedder_can_be_searched_without_labels_and_with(X, y, embedder):
    search = GridSearchCV(embedder, {"max_epochs": [0, 1]}, cv=2, error_score="raise").fit(X)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    pipe = Pipeline([("emb", embedder), ("clf", LogisticRegression(max_iter=1000))])
    search = GridSearchCV(pipe, {"emb__max_epochs": [0, 1]}, cv=2, error_score="raise").fit(X, y)
    assert search.best_estimator_.predict(X).shape == y.shape
