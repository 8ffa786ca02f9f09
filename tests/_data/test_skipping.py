"""Files that cannot be read are skipped behind every estimator and function, if on_error says so.

What is then learned is what would be without them.
"""

from functools import partial

import cv2
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklssl import (
    BaseEmbedder,
    FineTuneClassifier,
    FineTuneRegressor,
    MultiScaleEmbedder,
    RotNetEmbedder,
    SemiSupervisedClassifier,
    embed_to_files,
)
from sklssl.callbacks import ProbeMonitor
from sklssl.embedding._rotnet import RotationPretext
from sklssl.exceptions import ImageFileError
from sklssl.inspection import compare_embedders, layer_scores
from tests import _estimators

SHORT = {"max_epochs": 1, "random_state": 0}
BAD = [3, 25]
GOOD = np.delete(np.arange(40), BAD)
pytestmark = pytest.mark.filterwarnings("ignore:.*are skipped:UserWarning")


@pytest.fixture
def paths(tmp_path, X):
    """Names of forty digits, of which one file is missing and one is damaged."""
    paths = np.array([str(tmp_path / f"{i}.png") for i in range(len(X))], dtype=object)
    for path, image in zip(paths[GOOD], X[GOOD], strict=True):
        cv2.imwrite(path, image)
    (tmp_path / "25.png").write_bytes(b"no image")
    return paths


quick = partial(_estimators.quick, image_shape=(8, 8, 1))
skipping = quick(on_error="skip")


def few(y):
    return np.where(np.arange(len(y)) < 20, y > 4, -1)


MODELS = {
    "MultiScale": (MultiScaleEmbedder(skipping), None),
    "FineTuneClassifier": (FineTuneClassifier(skipping, **SHORT), None),
    "FineTuneRegressor": (FineTuneRegressor(skipping, **SHORT), None),
    "SemiSupervised": (SemiSupervisedClassifier(skipping, LogisticRegression()), few),
    "all rows": (SemiSupervisedClassifier(skipping), few),
    "a pipeline within": (
        SemiSupervisedClassifier(make_pipeline(skipping, StandardScaler()), LogisticRegression()),
        few,
    ),
    "two around": (SemiSupervisedClassifier(MultiScaleEmbedder(skipping)), few),
}


@pytest.mark.parametrize("name", MODELS)
def test_estimators(name, paths, y):
    model, mark = MODELS[name]
    y = y if mark is None else mark(y)
    left = clone(model).fit(paths, y)
    alone = clone(model).fit(paths[GOOD], y[GOOD])
    ways = ("transform", "predict", "predict_proba")
    for way in (way for way in ways if hasattr(left, way)):
        assert_array_equal(getattr(left, way)(paths[GOOD]), getattr(alone, way)(paths[GOOD]))


@pytest.mark.parametrize("wrap", [FrozenEstimator, lambda e: FrozenEstimator(make_pipeline(e))])
def test_a_frozen_embedder(wrap, paths, y):
    model = SemiSupervisedClassifier(wrap(clone(skipping).fit(paths)), LogisticRegression())
    with pytest.warns(UserWarning, match="2 of 40 image files cannot be read and are skipped"):
        model.fit(list(paths), few(y))
    assert model.predict(paths[GOOD]).shape == (38,)


def test_a_class_whose_files_are_all_bad_is_none(paths):
    y = np.full(len(paths), -1)
    y[:3], y[10:13], y[BAD] = 5, 6, 7
    model = SemiSupervisedClassifier(skipping, LogisticRegression()).fit(paths, y)
    assert_array_equal(model.classes_, [5, 6])
    assert model.predict_proba(paths[:3]).shape == (3, 2)


def test_layer_scores(paths, y):
    embedder = clone(skipping).fit(paths)
    folds = [(np.arange(20), np.arange(20, 40)), (np.arange(20, 40), np.arange(20))]
    left = [(np.arange(19), np.arange(19, 38)), (np.arange(19, 38), np.arange(19))]
    settings = {"pool_sizes": 1}
    rows = layer_scores(embedder, paths, y > 4, cv=folds, **settings)
    alone = layer_scores(embedder, paths[GOOD], y[GOOD] > 4, cv=left, **settings)
    assert_allclose([r["mean_score"] for r in rows], [r["mean_score"] for r in alone])
    with pytest.raises(ImageFileError, match="3.png"):
        layer_scores(embedder.set_params(on_error="raise"), paths, y > 4, **settings)


@pytest.mark.parametrize("embedders", [skipping, [quick(), ("b", skipping)], {"a": skipping}])
def test_compare_embedders(embedders, paths, y):
    settings = {"n_labels": 2, "n_draws": 2, "random_state": 0, "image_shape": (8, 8, 1)}
    groups = np.arange(40) // 2
    comparison = compare_embedders(paths, y > 4, embedders, groups=groups, **settings)
    alone = compare_embedders(paths[GOOD], y[GOOD] > 4, embedders, groups=groups[GOOD], **settings)
    assert [row["mean_score_2"] for row in comparison.rows] == [
        row["mean_score_2"] for row in alone.rows
    ]


@pytest.mark.parametrize("first", [0, 3])
def test_probe_monitor(first, paths, X, y):
    """The first file may be bad, too."""
    monitor = ProbeMonitor(list(paths[first:]), y[first:], every=2, n_neighbors=3)
    embedder = quick(on_error="skip", max_epochs=2, callbacks=[monitor]).fit(X)
    kept = [i for i in GOOD if i >= first]
    monitor = ProbeMonitor(X[kept], y[kept], every=2, n_neighbors=3)
    alone = quick(max_epochs=2, callbacks=[monitor]).fit(X)
    assert embedder.history_[1]["knn_accuracy"] == alone.history_[1]["knn_accuracy"]


class IndexPretext(RotationPretext):
    """Keeps the brightness of each row as it comes by."""

    def before_fit(self, n_images):
        self.register_buffer("seen", torch.full((n_images,), -1.0))

    def views(self, images, rng, index):
        self.seen[index] = images.mean((1, 2, 3))
        return super().views(images, rng, index)


class IndexEmbedder(BaseEmbedder):
    def _make_pretext(self, backbone):
        return IndexPretext(backbone)


def test_rows_of_a_task_are_those_that_could_be_read(paths, X):
    embedder = IndexEmbedder("convnet", on_error="skip", image_shape=(8, 8, 1), **SHORT)
    seen = embedder.fit(paths).pretext_.seen.numpy()
    assert_allclose(seen, X[GOOD].mean((1, 2, 3)) / 255, atol=1e-6)


@pytest.mark.filterwarnings("ignore:1 of 40.*is skipped:UserWarning")
@pytest.mark.parametrize("n_odd", [1, 3])
def test_odd_files_at_the_start_do_not_decide_the_depth(n_odd, tmp_path, X):
    paths = [str(tmp_path / f"{i}.png") for i in range(len(X))]
    for i, (path, image) in enumerate(zip(paths, X, strict=True)):
        cv2.imwrite(path, image.astype(np.uint16) * 200 if i < n_odd else image)
    embedder = RotNetEmbedder("convnet", on_error="skip", **SHORT).fit(paths)
    assert embedder.value_range_ == (0, 255)
    files = embed_to_files(embedder, paths, tmp_path / "features")
    lost = np.isnan(np.concatenate(list(map(np.load, files)))).any(axis=1)
    assert lost.tolist() == [i < n_odd for i in range(len(X))]
