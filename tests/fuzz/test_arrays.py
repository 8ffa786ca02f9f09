"""Images of any kind, laid out in any way."""

import copy
import functools

import numpy as np
import pytest
from hypothesis import strategies as st

from sklssl import (
    FineTuneClassifier,
    FineTuneRegressor,
    MultiScaleEmbedder,
    PatchDictionaryEmbedder,
    RotNetEmbedder,
    SemiSupervisedClassifier,
    SimCLREmbedder,
)
from sklssl.preprocessing import HarrisCornerMasker, ImageResizer, PseudoGrayscaler
from sklssl.utils import check_images
from tests._estimators import EMBEDDERS as ALL
from tests._estimators import with_params
from tests.fuzz._answers import labels
from tests.fuzz._parameters import tiny
from tests.fuzz._property import attempt, check_fit, check_use, fuzzed
from tests.fuzz._strategies import good_images, images, things

_QUICK = {"backbone": tiny, "max_epochs": 1, "random_state": 0, "pool_size": 2}
_GOOD = good_images()
_ANY = st.one_of(images(), images(), things())

EMBEDDERS = {
    **{name: with_params(e, **_QUICK, n_atoms=(4, 6), image_size=32) for name, e in ALL.items()},
    "rotnet": RotNetEmbedder(**_QUICK),
    "dictionary": PatchDictionaryEmbedder((4, 6), random_state=0),
    "rotnet resized": RotNetEmbedder(**_QUICK, image_size=12),
    "simclr": SimCLREmbedder(**_QUICK),
    "multiscale": MultiScaleEmbedder(SimCLREmbedder(**_QUICK)),
}


def _use(estimator):
    return estimator.transform(_GOOD)


@functools.cache
def _fitted(name):
    return copy.deepcopy(EMBEDDERS[name]).fit(_GOOD)


@fuzzed(35, X=_ANY, again=st.booleans(), method=st.sampled_from(["fit", "fit", "partial_fit"]))
def test_fit(X, again, method):
    fitted = _fitted("rotnet") if again else None
    estimator = RotNetEmbedder(**_QUICK)
    estimator = check_fit(estimator, X, fitted=fitted, use=_use, method=method)
    if estimator is not None and not hasattr(X, "__next__"):
        assert check_use(estimator, X) is not None, "what was learned from cannot be transformed"


@fuzzed(15, X=images(), name=st.sampled_from(sorted(EMBEDDERS)))
def test_fit_any_embedder(X, name):
    estimator = check_fit(copy.deepcopy(EMBEDDERS[name]), X)
    if estimator is not None:
        assert check_use(estimator, X) is not None


@fuzzed(15, X=_ANY, name=st.sampled_from(["rotnet", "rotnet resized", "multiscale"]))
def test_use(X, name):
    embedder = _fitted(name)
    before = _use(embedder)
    Z = check_use(embedder, X)
    if Z is not None:
        np.testing.assert_array_equal(Z, check_use(embedder, X))
    in_pieces, blocks = attempt(lambda: list(embedder.transform_iter(X)), X)
    if Z is not None:
        assert in_pieces, blocks
        np.testing.assert_array_equal(np.concatenate(blocks), Z)
    worked, score = attempt(lambda: embedder.score(X), X)
    assert not worked or np.isfinite(score)
    attempt(lambda: embedder.transform_layers(X), X)
    np.testing.assert_array_equal(_use(embedder), before)


@fuzzed(
    15,
    X=_ANY,
    transformer=st.sampled_from(
        [
            HarrisCornerMasker(random_state=0),
            HarrisCornerMasker(fraction=0.5, random_state=0),
            PseudoGrayscaler(),
            ImageResizer(5),
            ImageResizer((3, 20)),
        ]
    ),
)
def test_transformers(X, transformer):
    fitted = copy.deepcopy(transformer).fit(_GOOD)
    attempt(lambda: fitted.transform(X), X)
    transformer = check_fit(copy.deepcopy(transformer), X)
    if transformer is None or hasattr(X, "__next__"):
        return
    worked, images = attempt(lambda: transformer.transform(X), X)
    assert worked, images
    assert isinstance(images, np.ndarray)
    assert images.dtype in (np.uint8, np.float32, np.float64)
    assert np.isfinite(images).all()


@fuzzed(10, X=_ANY)
def test_check_images(X):
    worked, images = attempt(lambda: check_images(X), X)
    if worked:
        assert images.dtype in (np.uint8, np.float32)
        assert np.isfinite(images).all()


@functools.cache
def _tuners():
    embedder = _fitted("rotnet")
    quick = {"max_epochs": 1, "random_state": 0}
    return [
        FineTuneClassifier(embedder, **quick),
        FineTuneClassifier(embedder, frozen_until="all", head="mlp", **quick),
        FineTuneClassifier(embedder, early_stopping=True, validation_fraction=0.4, **quick),
        FineTuneClassifier(RotNetEmbedder(**_QUICK), **quick),
        FineTuneRegressor(embedder, **quick),
        FineTuneRegressor(tiny, head="conv", **quick),
        SemiSupervisedClassifier(RotNetEmbedder(**_QUICK)),
    ]


def _predict(estimator):
    return estimator.predict(_GOOD)


@functools.cache
def _fitted_tuner(which):
    y = [0, 1, 0, 1, 0, 1]
    return copy.deepcopy(_tuners()[which]).fit(_GOOD, y)


def _check_tuner(which, X, args, again):
    estimator = copy.deepcopy(_tuners()[which])
    fitted = _fitted_tuner(which) if again else None
    estimator = check_fit(estimator, X, *args, fitted=fitted, use=_predict)
    if estimator is not None:
        worked, answers = attempt(lambda: estimator.predict(X), X)
        assert worked, answers
        assert len(answers) == len(args[0])
        assert answers.dtype.kind != "f" or np.isfinite(answers).all()


@fuzzed(20, y=labels(len(_GOOD)), which=st.integers(0, 6), again=st.booleans())
def test_labels(y, which, again):
    _check_tuner(which, _GOOD, [y], again)


@fuzzed(15, X=_ANY, which=st.integers(0, 6), again=st.booleans(), data=st.data())
def test_images_with_labels(X, which, again, data):
    n = X.shape[0] if hasattr(X, "shape") and len(X.shape) else 3
    y = np.arange(n) % 2
    _check_tuner(which, X, [data.draw(st.sampled_from([y, y, y.astype(float)]))], again)
    fitted = _fitted_tuner(which)
    attempt(lambda: fitted.predict(X), X)
    if hasattr(fitted, "transform"):
        attempt(lambda: fitted.transform(X), X)


@fuzzed(5, weights=labels(len(_GOOD)), which=st.integers(0, 5))
def test_sample_weight(weights, which):
    estimator = copy.deepcopy(_tuners()[which])
    check_fit(estimator, _GOOD, [0, 1, 0, 1, 0, 1], weights)


@pytest.mark.parametrize("name", sorted(EMBEDDERS))
def test_good_images_work(name):
    assert check_use(_fitted(name), _GOOD) is not None
