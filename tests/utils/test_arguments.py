"""Numbers of numpy as parameters are Python's, whatever their width."""

from numbers import Real

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone

import sklssl
from sklssl import (
    FineTuneClassifier,
    FineTuneRegressor,
    MultiScaleEmbedder,
    PatchDictionaryEmbedder,
    RotationDecouplingEmbedder,
    RotNetEmbedder,
    SimCLREmbedder,
)
from sklssl._training.fingerprint import settings_repr
from sklssl.callbacks import EarlyStopping, ProbeMonitor
from sklssl.utils import Interval, StrOptions
from sklssl.utils._arguments import to_builtin

SHORT = {"max_epochs": 2, "random_state": 0}
INTEGERS = (np.int8, np.uint8, np.int16, np.int64)
FLOATS = (np.float16, np.float32, np.float64)
ESTIMATORS = [
    RotNetEmbedder("convnet", max_grad_norm=1.0, image_size=8, lr_schedule="cosine", **SHORT),
    SimCLREmbedder("convnet", **SHORT),
    RotationDecouplingEmbedder("convnet", **SHORT),
    PatchDictionaryEmbedder(n_atoms=(20, 30), patch_size=3, random_state=0),
    MultiScaleEmbedder(RotNetEmbedder("convnet", **SHORT), learning_rates=0.1, max_epochs=(1, 1)),
    FineTuneClassifier("convnet", pool_size=2, early_stopping=True, **SHORT),
    FineTuneRegressor("convnet", pool_size=2, backbone_learning_rate=1e-3, **SHORT),
]


def narrow(value, integer, real):
    if isinstance(value, tuple):
        return tuple(narrow(item, integer, real) for item in value)
    if isinstance(value, bool):
        return np.bool_(value)
    if isinstance(value, int) and value <= np.iinfo(integer).max:
        return integer(value)
    return real(value) if isinstance(value, float) else value


@pytest.mark.parametrize(("integer", "real"), zip(INTEGERS, (*FLOATS, np.float64), strict=True))
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_every_parameter_at_once(estimator, integer, real, digits, tmp_path):
    X, y = digits[0][:140], digits[1][:140]  # more images than 8 bits count
    params = estimator.get_params(deep=False)
    given = {name: narrow(value, integer, real) for name, value in params.items()}
    model = clone(type(estimator)(**given))
    same = clone(estimator).set_params(**{name: to_builtin(v) for name, v in given.items()})
    assert settings_repr(model) == settings_repr(same)
    assert repr(model) == repr(same)
    Z = same.fit(X, y).transform(X)
    assert_array_equal(model.fit(X, y).transform(X), Z)
    sklssl.save(model, tmp_path / "model")
    assert_array_equal(sklssl.load(tmp_path / "model").transform(X), Z)


def test_what_is_plain_is_the_same_object():
    for value in (
        3,
        0.5,
        "auto",
        None,
        (1, 2.0),
        [np.int8(3)],
        np.zeros(3),
        np.random.RandomState(),
    ):
        assert to_builtin(value) is value
    assert [type(to_builtin(t(1))) for t in (np.int8, np.float16, np.longdouble, np.bool_)] == [
        int,
        float,
        float,
        bool,
    ]
    assert type(to_builtin(np.str_("auto"))) is str


def test_parameters_that_are_set_later():
    embedder = RotNetEmbedder().set_params(max_epochs=np.int8(100))
    embedder.batch_size = np.uint8(200)
    assert type(embedder.max_epochs) is type(embedder.batch_size) is int


def test_callbacks(X, y):
    stop = EarlyStopping(patience=np.int8(2), min_delta=np.float16(0.5))
    monitor = ProbeMonitor(X, y, every=np.int8(3), n_neighbors=np.uint8(4), cv=np.int16(2))
    assert [type(v) for v in (stop.patience, stop.min_delta)] == [int, float]
    assert [type(v) for v in (monitor.every, monitor.n_neighbors, monitor.cv)] == [int] * 3
    row = {"epoch": 200}
    monitor(RotNetEmbedder("convnet", max_epochs=0, random_state=0).fit(X), {**row, "epoch": 300})


def test_constraints_of_authors_are_those_of_the_package(X):
    class Heated(RotNetEmbedder):
        _parameter_constraints = {
            **RotNetEmbedder._parameter_constraints,
            "heat": [Interval(Real, 0, 1, closed="right"), StrOptions({"auto"})],
        }

        def __init__(self, heat="auto"):
            super().__init__("convnet", max_epochs=0)
            self.heat = heat

    Heated().fit(X)
    for heat in (0, True, "hot"):
        with pytest.raises(ValueError, match=f"'heat' parameter of Heated .*Got {heat!r}"):
            Heated(heat).fit(X)
