"""What distinguishes one training run from another."""

import collections
import functools
import pickle
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, MappingProxyType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.frozen import FrozenEstimator

import sklssl
from sklssl import FineTuneClassifier, MultiScaleEmbedder
from sklssl._training.canonical import canonical_repr
from tests._estimators import quick


def make(width, activation=torch.nn.ReLU):
    def build(in_channels, image_size):
        return [width, activation]

    return build


class Builder:
    def __init__(self, width):
        self.width = width

    def __call__(self, in_channels, image_size):
        return self.width

    def build(self, in_channels, image_size):
        return self.width


class Silent(Builder):
    def __repr__(self):
        return "Silent()"


@dataclass(slots=True)
class Slots:
    width: int
    activation: Any = torch.relu


class Recursive:
    def __init__(self):
        self.me = self


def linear(seed):
    torch.manual_seed(seed)
    return torch.nn.Linear(2, 2)


def cluster(value):
    return KMeans(1, random_state=0).fit([[value], [value + 2]])


def countdown():
    def count(n):
        return count(n - 1) if n else 0

    return count


def reading(function, **names):
    """Return a function with other global variables."""
    return FunctionType(function.__code__, {"__name__": __name__, **names})


@pytest.mark.parametrize(
    ("one", "same", "another"),
    [
        (lambda p: p + 1, lambda p: p + 1, lambda p: p + 2),
        (lambda p, n=1: n, lambda p, n=1: n, lambda p, n=2: n),
        (lambda p: [p for _ in "ab"], lambda p: [p for _ in "ab"], lambda p: [p for _ in "abc"]),
        (make(16), make(16), make(32)),
        (make(16), make(16), make(16, torch.nn.Tanh)),
        (Builder(1), Builder(1), Builder(2)),
        (Builder(1).build, Builder(1).build, Builder(2).build),
        (
            functools.partial(make(1), 3),
            functools.partial(make(1), 3),
            functools.partial(make(2), 3),
        ),
        (linear(0), linear(0), linear(1)),
        (torch.arange(5000), torch.arange(5000), torch.arange(5000) % 4999),
        (torch.ones(2).bfloat16(), torch.ones(2).bfloat16(), torch.ones(2).half()),
        (torch.tensor(1.0), torch.tensor(1.0), torch.ones(1)),
        (np.arange(5000), np.arange(5000), np.arange(5000) % 4999),
        (countdown(), countdown(), make(1)),
        (Recursive(), Recursive(), Builder(1)),
        (torch.optim.SGD, torch.optim.SGD, torch.optim.Adam),
        *(
            (reading(function, RATE=0.1), reading(function, RATE=0.1), reading(function, RATE=0.9))
            for function in (
                lambda p: RATE,  # noqa: F821
                lambda p: [RATE for _ in p],  # noqa: F821
                lambda p: lambda q: q + RATE,  # noqa: F821
            )
        ),
        (
            reading(lambda p: f(p), f=make(1)),  # noqa: F821
            reading(lambda p: f(p), f=make(1)),  # noqa: F821
            reading(lambda p: f(p), f=make(2)),  # noqa: F821
        ),
        (Silent(1), Silent(1), Silent(2)),
        (Slots(1), Slots(1), Slots(2)),
        (Slots(1, make(1)), Slots(1, make(1)), Slots(1, make(2))),
        (SimpleNamespace(a=make(1)), SimpleNamespace(a=make(1)), SimpleNamespace(a=make(2))),
        (MappingProxyType({1: make(1)}), {1: make(1)}, MappingProxyType({1: make(2)})),
        ({1: "a"}, {1: "a"}, {"1": "a"}),
        (collections.deque([make(1)]), collections.deque([make(1)]), collections.deque([make(2)])),
        (np.random.default_rng(0), np.random.default_rng(0), np.random.default_rng(1)),
        (functools.lru_cache(make(1)), functools.lru_cache(make(1)), functools.lru_cache(make(2))),
        (torch.nn.Dropout(0.1), torch.nn.Dropout(0.1).eval(), torch.nn.Dropout(0.9)),
        (np.array(1.0), np.array(1.0), np.array(2.0)),
        (np.array(["2020"], "M8[Y]"), np.array(["2020"], "M8[Y]"), np.array(["2021"], "M8[Y]")),
        (KMeans(2, random_state=0), KMeans(2, random_state=0), KMeans(2, random_state=1)),
        (cluster(0), cluster(0), cluster(1)),
        (quick(random_state=0), quick(random_state=0), quick(random_state=1)),
    ],
)
def test_values_that_do_the_same_are_equal_and_others_are_not(one, same, another):
    assert canonical_repr(one) == canonical_repr(same)
    assert canonical_repr(one) != canonical_repr(another)


def test_it_is_the_same_in_every_process():
    code = """if True:
        import logging, threading
        from dataclasses import dataclass
        from typing import Any
        from sklssl._training.canonical import canonical_repr

        def he(layer):
            pass

        @dataclass
        class Make:
            init: Any

        logger = logging.getLogger("make")
        print(canonical_repr(lambda p: p in {'a', 'b', 'c', 'd', 'e'}))
        print(canonical_repr([Make(he), Make(threading.Lock()), Make(x for x in 'ab')]))
        print(canonical_repr(lambda p: logger.info(p)))
    """
    found = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
        for _ in range(3)
    }
    assert len(found) == 1
    assert b"he" in found.pop()


def test_an_object_tells_what_it_consists_of():
    assert canonical_repr(Silent(make)) == f"{__name__}.Silent({{'width': {__name__}.make}})"


def test_what_a_function_reads_may_be_left_out():
    one, another = (reading(lambda p: RATE, RATE=rate) for rate in (0.1, 0.9))  # noqa: F821
    assert canonical_repr(one, reads=False) == canonical_repr(another, reads=False)


def test_objects_that_share_others_are_described_once():
    tree = [0]
    for _ in range(100):
        tree = [tree, tree]
    assert len(canonical_repr(tree)) < 1000


def test_a_long_description_is_shortened():
    one, another = ([Path(f"\udc80{'x' * 5000}{i}")] for i in range(2))
    assert canonical_repr(one) != canonical_repr(another)
    assert len(canonical_repr(one)) < 1000


def fitted_estimators(X):
    y = np.arange(len(X)) % 2
    yield quick(random_state=None).fit(X)
    yield FineTuneClassifier("convnet", max_epochs=1).fit(X, y)
    yield MultiScaleEmbedder(quick(random_state=None)).fit(X)


def test_a_fitted_estimator_is_the_same_after_it_was_stored(tmp_path, X):
    for fitted in fitted_estimators(X):
        description = canonical_repr(fitted)
        assert canonical_repr(FrozenEstimator(fitted)) == description
        assert canonical_repr(pickle.loads(pickle.dumps(fitted))) == description
        sklssl.save(fitted, tmp_path / "fitted")
        assert canonical_repr(sklssl.load(tmp_path / "fitted")) == description


def test_estimators_with_other_weights_are_told_apart(X):
    for one, another in zip(fitted_estimators(X), fitted_estimators(X), strict=True):
        assert canonical_repr(one) != canonical_repr(another)
