"""Weights of rows on their way through scikit-learn's metadata routing."""

import numpy as np
import pytest
import sklearn
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline

from sklssl import (
    FineTuneClassifier,
    FineTuneRegressor,
    ImageResizer,
    RotNetEmbedder,
    SemiSupervisedClassifier,
)


@pytest.fixture(autouse=True)
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.fixture(scope="module")
def models(digits):
    embedder = FrozenEstimator(
        RotNetEmbedder("convnet", max_epochs=1, random_state=0).fit(digits[0][:40])
    )
    short = {"max_epochs": 1, "random_state": 0}
    probe = LogisticRegression(max_iter=1000)
    return {
        "semi": (lambda: SemiSupervisedClassifier(embedder, probe), accuracy_score),
        "classifier": (lambda: FineTuneClassifier(embedder, **short), accuracy_score),
        "regressor": (lambda: FineTuneRegressor(embedder, **short), r2_score),
    }


@pytest.mark.parametrize("name", ["semi", "classifier", "regressor"])
def test_score_behind_a_pipeline(name, models, X, y):
    make, measure = models[name]
    y, weights = y % 2, np.linspace(0, 1, len(y))
    for asked in (True, None):
        last = make().set_score_request(sample_weight=asked)
        pipe = make_pipeline(ImageResizer(8), last).fit(X, y)
        predicted = pipe.predict(X)
        assert pipe.score(X, y) == pytest.approx(measure(y, predicted))
        if asked:
            expected = measure(y, predicted, sample_weight=weights)
            assert pipe.score(X, y, sample_weight=weights) == pytest.approx(expected)
        else:
            with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
                pipe.score(X, y, sample_weight=weights)


@pytest.mark.parametrize("name", ["classifier", "regressor"])
def test_cross_validation_with_weights(name, models, X, y):
    model = models[name][0]().set_fit_request(sample_weight=True)
    model.set_score_request(sample_weight=True)
    weights = np.ones(len(y))
    results = [
        cross_validate(model, X, y % 2, cv=2, params=params)["test_score"]
        for params in ({"sample_weight": weights}, {"sample_weight": 2 * weights}, None)
    ]
    for scores in results:
        np.testing.assert_allclose(scores, results[0])
