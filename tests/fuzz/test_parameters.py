"""Any value for any parameter."""

import copy
import functools
import shutil

import numpy as np
from hypothesis import strategies as st

from sklssl import (
    FineTuneClassifier,
    FineTuneRegressor,
    RotNetEmbedder,
    SemiSupervisedClassifier,
)
from sklssl.preprocessing import HarrisCornerMasker, ImageResizer, PseudoGrayscaler
from tests._estimators import EMBEDDERS, with_params
from tests.fuzz._parameters import diverging, junk, tiny, writing
from tests.fuzz._property import attempt, check_fit, fuzzed
from tests.fuzz._strategies import good_images

_QUICK = {"backbone": tiny, "max_epochs": 1, "random_state": 0, "pool_size": 2}
_GOOD = good_images()
_LARGE = good_images(side=32)
_Y = [0, 1, 0, 1, 0, 1]


@functools.cache
def _estimators():
    embedder = RotNetEmbedder(**_QUICK).fit(_GOOD)
    quick = {"max_epochs": 1, "random_state": 0}
    return [
        RotNetEmbedder(**_QUICK),
        *(with_params(e, **_QUICK, n_atoms=(4, 6)) for e in EMBEDDERS.values()),
        FineTuneClassifier(embedder, **quick),
        FineTuneClassifier(embedder, early_stopping=True, validation_fraction=0.4, **quick),
        FineTuneRegressor(embedder, **quick),
        SemiSupervisedClassifier(embedder),
        HarrisCornerMasker(),
        PseudoGrayscaler(),
        ImageResizer(5),
    ]


def _images(estimator):
    return _LARGE if "Patch" in type(estimator).__name__ else _GOOD


def _use(estimator):
    how = estimator.transform if hasattr(estimator, "transform") else estimator.predict
    return how(_images(estimator))


@functools.cache
def _fitted(which):
    estimator = copy.deepcopy(_estimators()[which])
    return estimator.fit(_images(estimator), _Y)


@st.composite
def _settings(draw):
    """Draw an estimator by number, and values for one or two of its parameters."""
    which = draw(st.integers(0, len(_estimators()) - 1))
    names = sorted(_estimators()[which].get_params(deep=False))
    chosen = draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True))
    return which, {name: draw(junk(name)) for name in chosen}


@fuzzed(95, drawn=_settings(), again=st.booleans())
def test_fit(drawn, again):
    which, params = drawn
    estimator = copy.deepcopy(_estimators()[which]).set_params(**params)
    told = {"names": tuple(params), "diverges": diverging(params), "writes": writing(params)}
    X = _images(estimator)
    fitted = _fitted(which) if again else None
    estimator = check_fit(estimator, X, _Y, fitted=fitted, use=_use, **told)
    if estimator is not None:
        worked, out = attempt(lambda: _use(estimator), params, **told)
        assert worked, out
        assert out.dtype.kind not in "f" or np.isfinite(out).all()
    _remove_files()


@fuzzed(20, drawn=_settings())
def test_changed_after_fit(drawn):
    """What ``transform`` reads may change after ``fit``: the same words then."""
    which, params = drawn
    estimator = copy.deepcopy(_fitted(which)).set_params(**params)
    told = {"names": tuple(params), "writes": writing(params)}
    worked, out = attempt(lambda: _use(estimator), params, **told)
    if worked:
        assert out.dtype.kind not in "f" or np.isfinite(out).all()
    _remove_files()


def _remove_files():
    """Remove what was asked for."""
    from tests.fuzz import _property

    for folder in _property._FOLDERS:
        for path in folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
