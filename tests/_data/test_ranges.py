"""Images of another range than in fit are told of, whichever way they come in."""

import warnings
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator

from sklssl import (
    FineTuneClassifier,
    FineTuneRegressor,
    MultiScaleEmbedder,
    SemiSupervisedClassifier,
)
from sklssl.callbacks import ProbeMonitor
from sklssl.inspection import layer_scores
from sklssl.metrics import alignment_scorer, knn_scorer
from sklssl.utils._checks import warn_if_other_range
from tests._estimators import quick


@pytest.fixture(scope="module")
def embedder(digits):
    return quick().fit(digits[0][:40])


def frozen(cls):
    return lambda e, F, y: cls(FrozenEstimator(e), max_epochs=1, random_state=0).fit(F, y)


def monitored(e, F, y):
    monitor = ProbeMonitor(F, y, every=1, n_neighbors=3)
    return e.set_params(callbacks=[monitor]).fit((255 * F).round().astype(np.uint8))


WAYS = {
    "transform": lambda e, F, y: e.transform(F),
    "transform_iter": lambda e, F, y: e.transform_iter(F),
    "transform_layers": lambda e, F, y: e.transform_layers(F),
    "score": lambda e, F, y: e.score(F),
    "partial_fit": lambda e, F, y: e.partial_fit(F),
    "warm_start": lambda e, F, y: e.set_params(warm_start=True).fit(F),
    "FineTuneClassifier": frozen(FineTuneClassifier),
    "FineTuneRegressor": frozen(FineTuneRegressor),
    "SemiSupervised": lambda e, F, y: SemiSupervisedClassifier(FrozenEstimator(e)).fit(F, y > 4),
    "layer_scores": lambda e, F, y: layer_scores(e, F, y > 4, cv=2, pool_sizes=1),
    "alignment": lambda e, F, y: alignment_scorer(e, F),
    "knn": lambda e, F, y: knn_scorer(e, F, y),
    "ProbeMonitor": monitored,
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("way", WAYS)
def test_every_way_in(way, digits, y):
    X = digits[0][:40]
    with pytest.warns(UserWarning, match=r"values from 0 to 255, but X has values from 0 to 1\."):
        WAYS[way](quick().fit(X), (X / 255).astype(np.float32), y)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_multi_scale_training_that_goes_on(method, X):
    model = MultiScaleEmbedder(quick(warm_start=True)).fit(X)
    with pytest.warns(UserWarning, match="RotNetEmbedder was fitted on images with values"):
        getattr(model, method)(X / 255)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function", "transform"])
def test_a_classifier_that_answers(method, embedder, X, y):
    model = FineTuneClassifier(FrozenEstimator(embedder), max_epochs=1, random_state=0).fit(X, y)
    with pytest.warns(UserWarning, match="RotNetEmbedder was fitted on images with values"):
        getattr(model, method)(X / 255)


@pytest.mark.parametrize(("mean", "deviation"), [(0.1307, 0.3081), (0.5, 0.5), (0.456, 0.225)])
@pytest.mark.parametrize("top", [1, 255])
def test_standardised_images(mean, deviation, top, X):
    """As torchvision's Normalize gives them, where 0 to 1 or 0 to 255 was fitted."""
    with pytest.warns(UserWarning, match="Pass images of the range seen in fit"):
        warn_if_other_range(seen(0.0, float(top)), (X / 255 - mean) / deviation)


def test_files_are_not_decoded_for_it(X, tmp_path):
    paths = [str(tmp_path / f"{i}.png") for i in range(3)]
    for path, image in zip(paths, X, strict=False):
        cv2.imwrite(path, image)
    embedder = quick(image_shape=(8, 8, 1)).fit(X / 255)
    with pytest.warns(UserWarning, match="from 0 to 1, but X has values from 0 to 255"):
        embedder.transform(paths)


def seen(low, high):
    return SimpleNamespace(value_range_=(low, high))


def upscaled(images):
    return np.stack([cv2.resize(i, (32, 32), interpolation=cv2.INTER_LANCZOS4) for i in images])


@pytest.mark.parametrize(
    ("low", "high", "make"),
    [
        (0.0, 255.0, lambda X: X),
        (0.0, 255.0, lambda X: X // 16),
        (0.0, 255.0, lambda X: X / 16),
        (0.0, 255.0, lambda X: 0.0 * X),
        (0.0, 255.0, lambda X: upscaled(X.astype(np.float32))[..., None]),
        (0.0, 255.0, lambda X: upscaled(X.astype(np.float32) / 16)[..., None]),
        (0.0, 1.0, lambda X: upscaled(X.astype(np.float32) / 255)[..., None]),
        (0.0, 1.0, lambda X: X / 2550),
        (0.0, 35.0, lambda X: X / 255 * 30 - 10),  # degrees in summer, and in winter
        (-3.0, 3.0, lambda X: (X / 255 - 0.5) / 0.5),
        (0.2, 0.9, lambda X: X / 255),
        (0.0, 0.0, lambda X: 0 * X),
    ],
)
def test_ordinary_images_are_not_told_of(low, high, make, X):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_if_other_range(seen(low, high), make(X))


def test_each_channel_has_a_range_of_its_own(X):
    """Where it is one for each: what is usual in one channel is far away in another."""
    bands = np.concatenate([X / 255, X * 10.0], axis=3)
    learned = seen(np.array([0.0, 0.0]), np.array([1.0, 2550.0]))
    warn_if_other_range(learned, bands)
    with pytest.warns(UserWarning, match="values from 0 to 2550, but X has values from 0 to 2550"):
        warn_if_other_range(learned, bands[..., ::-1])


def test_what_has_learned_no_range_is_not_asked(X):
    warn_if_other_range(SimpleNamespace(), X / 255)
