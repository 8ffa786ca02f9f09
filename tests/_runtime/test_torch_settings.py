"""What a program has set for torch as a whole changes nothing of what sklssl does."""

import contextlib
import copy
import pickle
import threading

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from torch import nn

import sklssl
from sklssl import (
    FineTuneClassifier,
    FineTuneRegressor,
    MultiScaleEmbedder,
    PatchDictionaryEmbedder,
    PatchRelEmbedder,
    PatchRotEmbedder,
    RotationDecouplingEmbedder,
    RotNetEmbedder,
    SemiSupervisedClassifier,
    SimCLREmbedder,
)
from sklssl._runtime.device import plain_torch
from sklssl.callbacks import ProbeMonitor
from sklssl.inspection import compare_embedders, layer_scores
from sklssl.metrics import alignment_scorer, rankme_scorer

SHORT = {"max_epochs": 1, "random_state": 0, "precision": "float32"}


@contextlib.contextmanager
def default_dtype():
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextlib.contextmanager
def deterministic():
    """Also fills new memory with NaN, so that none is read before it is written."""
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


SETTINGS = {
    "float64": default_dtype,
    "meta": lambda: torch.device("meta"),
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "deterministic": deterministic,
    "inference_mode": torch.inference_mode,
    "no_grad": torch.no_grad,
}


def features(estimator, X):
    """Give what an embedder or classifier makes of images, in every way that it has."""
    ways = ("transform", "predict", "predict_proba", "score")
    return [np.asarray(getattr(estimator, way)(X)) for way in ways if _takes_x(estimator, way)]


def _takes_x(estimator, way):
    return hasattr(estimator, way) and not (way == "score" and hasattr(estimator, "predict"))


ESTIMATORS = {
    "RotNet": RotNetEmbedder(**SHORT),
    "SimCLR": SimCLREmbedder("convnet", **SHORT),
    "PatchRel": PatchRelEmbedder("convnet", **SHORT),
    "PatchRot": PatchRotEmbedder("convnet", **SHORT),
    "RotationDecoupling": RotationDecouplingEmbedder(**SHORT),
    "PatchDictionary": PatchDictionaryEmbedder(random_state=0, precision="float32"),
    "MultiScale": MultiScaleEmbedder(RotNetEmbedder("convnet", **SHORT)),
    "FineTuneClassifier": FineTuneClassifier(
        RotNetEmbedder("convnet", **SHORT),
        augment=True,
        early_stopping=True,
        validation_fraction=0.5,
        max_epochs=1,
        random_state=0,
    ),
    "FineTuneRegressor": FineTuneRegressor(
        RotNetEmbedder("convnet", **SHORT), frozen_until="all", max_epochs=1, random_state=0
    ),
    "SemiSupervised": SemiSupervisedClassifier(
        RotNetEmbedder("convnet", **SHORT), LogisticRegression(max_iter=1000)
    ),
}


def assert_alike(one, other):
    assert len(one) == len(other)
    for here, there in zip(one, other, strict=True):
        np.testing.assert_array_equal(here, there)


@pytest.fixture(scope="module")
def expected(digits):
    """What each estimator gives where nothing is set; computed as it is asked for."""
    X, y = digits[0][:40], digits[1][:40]
    known = {}

    def give(name):
        if name not in known:
            fitted = clone(ESTIMATORS[name]).fit(X, y)
            known[name] = fitted, features(fitted, X)
        return known[name]

    return give


# The dtype reaches farthest. The others are tried where most of the ways come together.
CASES = [
    *(("float64", name) for name in ESTIMATORS),
    *((s, name) for s in SETTINGS for name in ("RotNet", "FineTuneClassifier") if s != "float64"),
]


@pytest.mark.parametrize(("setting", "name"), CASES)
def test_fit_and_what_follows_are_the_same(name, setting, expected, X, y):
    before, values = expected(name)
    with SETTINGS[setting]():
        assert_alike(features(clone(ESTIMATORS[name]).fit(X, y), X), values)
        assert_alike(features(before, X), values)


@pytest.mark.parametrize("setting", SETTINGS)
def test_what_is_read_or_copied_there_trains_on(setting, expected, X, tmp_path):
    before, values = expected("RotNet")
    sklssl.save(before, tmp_path / "before")
    pickled = pickle.dumps(before)
    with SETTINGS[setting]():
        sklssl.save(before, tmp_path / "within")
        copies = [
            sklssl.load(tmp_path / "before"),
            sklssl.load(tmp_path / "within"),
            pickle.loads(pickled),
            copy.deepcopy(before),
        ]
        for copied in copies:
            assert_alike(features(copied, X), values)
    trained = [features(copied.partial_fit(X), X) for copied in copies]
    for values in trained[1:]:
        assert_alike(values, trained[0])


@pytest.mark.parametrize("setting", ["float64", "meta", "inference_mode"])
def test_other_ways_in_are_the_same(setting, expected, X, y):
    embedder, _ = expected("RotNet")
    few = X[:20]

    def measure():
        rows = layer_scores(embedder, few, y[:20] > 4, pool_sizes=1, cv=2)
        comparison = compare_embedders(
            X, y > 4, [clone(embedder)], n_labels=2, n_draws=2, random_state=0
        )
        return [
            *embedder.transform_layers(few).values(),
            *embedder.transform_iter(few),
            alignment_scorer(embedder, few),
            rankme_scorer(embedder, few),
            *(row["mean_score"] for row in rows),
            *(row["mean_score_2"] for row in comparison.rows),
            embedder.get_feature_names_out(),
        ]

    outside = measure()
    with SETTINGS[setting]():
        assert_alike(measure(), outside)


def test_onnx_is_the_same(expected, X, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    embedder, (Z, _) = expected("RotNet")
    with SETTINGS["float64"](), SETTINGS["meta"](), SETTINGS["inference_mode"]():
        embedder.export_onnx(tmp_path / "file.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "file.onnx")
    (features,) = session.run(None, {"images": X.astype(np.float32)})
    np.testing.assert_allclose(features, Z, atol=1e-4)


@pytest.mark.parametrize("setting", SETTINGS)
def test_steps_of_training_by_a_head_and_callbacks(setting, X, y):
    """Continued trainings, weights that come from elsewhere, and what looks on meanwhile."""

    def train():
        first = RotNetEmbedder("convnet", warm_start=True, **SHORT).fit(X)
        monitor = ProbeMonitor(X, y, every=1, n_neighbors=3)
        second = RotNetEmbedder("convnet", init_weights=first, callbacks=[monitor], **SHORT).fit(X)
        head = FineTuneRegressor(FrozenEstimator(first), max_epochs=1, random_state=0)
        rows = [row["knn_accuracy"] for row in second.history_]
        return [*features(first.fit(X), X), *features(second, X), *rows, head.fit(X, y).predict(X)]

    outside = train()
    with SETTINGS[setting]():
        assert_alike(train(), outside)


def test_a_network_of_ones_own_is_built_and_run_in_float32(X):
    def build(in_channels, image_size):
        class Shift(nn.Module):
            def forward(self, x):
                return x + torch.linspace(0, 1, x.shape[1])[:, None, None]

        return nn.Sequential(nn.Conv2d(in_channels, 8, 3), Shift())

    with default_dtype():
        assert RotNetEmbedder(build, **SHORT).fit(X).transform(X).dtype == np.float32


def test_what_was_set_is_put_back(X):
    with default_dtype(), torch.device("meta"), torch.autocast("cpu", torch.bfloat16):
        RotNetEmbedder("convnet", **SHORT).fit(X[:10])
        assert torch.get_default_dtype() == torch.float64
        assert torch.get_default_device().type == "meta"
        assert torch.is_autocast_enabled("cpu")
    with torch.inference_mode():
        RotNetEmbedder("convnet", **SHORT).fit(X[:10])
        assert torch.is_inference_mode_enabled()


def test_blocks_of_several_threads_may_overlap():
    with default_dtype():
        first, second = plain_torch(), plain_torch()
        first.__enter__()
        thread = threading.Thread(target=second.__enter__)
        thread.start()
        thread.join()
        first.__exit__(None, None, None)
        assert torch.get_default_dtype() == torch.float32
        thread = threading.Thread(target=second.__exit__, args=(None, None, None))
        thread.start()
        thread.join()
        assert torch.get_default_dtype() == torch.float64
