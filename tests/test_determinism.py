"""The same seed and the same number of threads give the same bytes, wherever a fit happens.

Twice in a process, on files as on arrays, and without touching the global generators: that is
what ``check_embedder`` asks of every embedder.
"""

# ruff: noqa: NPY002

import json
import os
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from torchvision.ops import StochasticDepth

from sklssl import FineTuneClassifier, RotationDecouplingEmbedder, RotNetEmbedder
from tests._determinism import CASES, digest, fit
from tests._estimators import quick
from tests._seed import SEED

ROOT = Path(__file__).parents[1]
# Twice in one process on two threads: tests/test_common.py has all embedders.
ON_TWO_THREADS = ["RotNet", "MultiScale", "FineTuneClassifier"]


@pytest.fixture
def numpy_generator():
    """Put numpy's global generator back as it was."""
    before = np.random.get_state()
    yield
    np.random.set_state(before)


# Places ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """Give the digests of a fresh process with so many threads; each is asked once."""
    found, names = {}, {1: list(CASES), 2: ON_TWO_THREADS}

    def ask(n_threads):
        if n_threads not in found:
            out = subprocess.run(
                [sys.executable, "-m", "tests._determinism", str(n_threads), *names[n_threads]],
                cwd=tmp_path_factory.mktemp("elsewhere"),
                env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": str(7 + n_threads)},
                stdout=subprocess.PIPE,
                check=True,
            )
            found[n_threads] = json.loads(out.stdout)
        return found[n_threads]

    return ask


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", CASES)
def test_a_fresh_process_gives_the_same_bytes(name, elsewhere, one_thread):
    assert digest(fit(clone(CASES[name]))) == elsewhere(1)[name]


@pytest.mark.parametrize("name", ON_TWO_THREADS)
def test_a_fresh_process_gives_the_same_bytes_on_two_threads(name, elsewhere, two_threads):
    assert digest(fit(clone(CASES[name]))) == elsewhere(2)[name]


def test_a_network_that_draws_leaves_the_global_generators_alone():
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    fitted = fit(clone(CASES["efficientnet"]))
    assert any(isinstance(module, StochasticDepth) for module in fitted.pretext_.modules())
    assert torch.equal(torch.get_rng_state(), torch_before)
    assert_array_equal(np.random.get_state()[1], numpy_before)


def test_what_goes_on_gives_the_same_bytes(X):
    pieces = [quick().partial_fit(X).partial_fit(X[::2]) for _ in range(2)]
    warm = [quick(warm_start=True).fit(X).fit(X) for _ in range(2)]
    for first, second in (pieces, warm):
        assert digest(first) == digest(second)
        assert first.score(X) == second.score(X)


# Workers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "estimator",
    [
        RotNetEmbedder(max_epochs=2, random_state=SEED),
        RotationDecouplingEmbedder("convnet", max_epochs=2, random_state=SEED),
        FineTuneClassifier("convnet", max_epochs=2, random_state=SEED),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_threads_of_one_process_give_the_same_bytes(X, y, estimator):
    alone = clone(estimator).fit(X, y).transform(X)
    before = torch.get_rng_state()
    fit = joblib.delayed(lambda: clone(estimator).fit(X, y).transform(X))
    for Z in joblib.Parallel(n_jobs=3, backend="threading")(fit() for _ in range(6)):
        assert_array_equal(Z, alone)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_search_in_two_processes_finds_the_same(X, y, one_thread):
    pipe = Pipeline([("emb", quick()), ("clf", LogisticRegression(max_iter=1000))])
    grid = {"emb__learning_rate": [0.01, 0.1]}
    with joblib.parallel_config("loky", inner_max_num_threads=1):
        one, two = (GridSearchCV(pipe, grid, cv=2, n_jobs=n).fit(X, y) for n in (1, 2))
        scores = [cross_val_score(quick(), X, cv=2, n_jobs=n) for n in (1, 2)]
    for k in range(2):
        split = f"split{k}_test_score"
        assert_array_equal(one.cv_results_[split], two.cv_results_[split])
    assert digest(one.best_estimator_[0]) == digest(two.best_estimator_[0])
    assert_array_equal(*scores)


# Seeds -----------------------------------------------------------------------------------------


def _estimators(random_state):
    return [
        quick(random_state=random_state),
        FineTuneClassifier(quick(max_epochs=0), max_epochs=1, random_state=random_state),
    ]


@pytest.mark.parametrize("i", [0, 1], ids=["RotNetEmbedder", "FineTuneClassifier"])
def test_random_state_none_differs_each_time(i):
    estimator = _estimators(None)[i]
    assert digest(fit(estimator)) != digest(fit(estimator))


@pytest.mark.parametrize("i", [0, 1], ids=["RotNetEmbedder", "FineTuneClassifier"])
def test_random_state_none_draws_from_the_generator_of_numpy(i, numpy_generator):
    found = []
    for _ in range(2):
        np.random.seed(SEED)
        found.append(digest(fit(_estimators(None)[i])))
    assert found[0] == found[1]


@pytest.mark.parametrize("i", [0, 1], ids=["RotNetEmbedder", "FineTuneClassifier"])
def test_a_generator_as_random_state_moves_on(i):
    """As everywhere in scikit-learn: a copy starts where its original stands."""
    estimator = _estimators(np.random.RandomState(SEED))[i]
    copied = clone(estimator)
    first, second = (digest(fit(estimator)) for _ in range(2))
    assert first != second
    assert digest(fit(copied)) == first == digest(fit(_estimators(SEED)[i]))


def test_a_cached_step_without_a_seed_is_fitted_once(X, y, tmp_path):
    def features(memory):
        pipe = make_pipeline(
            quick(random_state=None), LogisticRegression(max_iter=1000), memory=memory
        )
        return pipe.fit(X, y)[0].transform(X)

    assert not np.array_equal(features(None), features(None))
    assert_array_equal(features(str(tmp_path)), features(str(tmp_path)))
