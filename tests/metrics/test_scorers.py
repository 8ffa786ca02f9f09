import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklssl import (
    ImageResizer,
    MultiScaleEmbedder,
    RotNetEmbedder,
    SemiSupervisedClassifier,
    metrics,
)
from sklssl.metrics import _views as views
from tests._seed import SEED

SCORERS = {
    name.removesuffix("_scorer"): getattr(metrics, name)
    for name in metrics.__all__
    if name.endswith("_scorer")
}


@pytest.fixture(scope="module")
def kinds(trained, X):
    """What the scorers take: an embedder, a frozen one, a pipeline and a wrapped one."""
    pipe = make_pipeline(
        ImageResizer(8), RotNetEmbedder("convnet", max_epochs=1, random_state=SEED)
    ).fit(X)
    multiscale = MultiScaleEmbedder(RotNetEmbedder("convnet", max_epochs=1, random_state=SEED)).fit(
        X
    )
    return trained, FrozenEstimator(trained), pipe, multiscale


@pytest.fixture(scope="module")
def frame(X):
    return pd.DataFrame(X.reshape(len(X), -1), columns=[f"p{i}" for i in range(64)])


@pytest.fixture(scope="module")
def named(frame):
    return RotNetEmbedder("convnet", max_epochs=1, random_state=SEED).fit(frame)


class Recorder(TransformerMixin, BaseEstimator):
    """Gives the pixels as features and keeps what it was asked to transform."""

    def __init__(self):
        self.seen = []

    def fit(self, X, y=None):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def transform(self, X):
        self.seen.append(X)
        return np.asarray(X).reshape(len(X), -1)


def test_scorers_give_the_scores_of_the_features(trained, X, y):
    Z = trained.transform(X)
    assert metrics.rankme_scorer(trained, X) == metrics.rankme_score(Z)
    assert metrics.effective_rank_scorer(trained, X) == metrics.effective_rank(Z)
    assert metrics.uniformity_scorer(trained, X, y) == metrics.uniformity_score(Z)
    assert metrics.dead_feature_scorer(trained, X) == -metrics.dead_feature_share(Z)
    assert metrics.knn_scorer(trained, X, y) == metrics.knn_score(Z, y)


def test_every_score_has_a_scorer():
    assert metrics.__all__ == sorted(metrics.__all__)
    for name in metrics.__all__:
        function = getattr(metrics, name)
        assert function.__name__ == name
        assert "\nExamples\n" in function.__doc__.replace("    ", "")
    docs = " ".join(scorer.__doc__ for scorer in SCORERS.values())
    for name in metrics.__all__:
        assert name.endswith("_scorer") or f":func:`{name}` of the features" in docs, name


@pytest.mark.parametrize("scorer", SCORERS.values(), ids=SCORERS)
class TestEveryScorer:
    def test_any_estimator_with_features(self, scorer, kinds, X, y):
        scores = [scorer(estimator, X, y) for estimator in kinds]
        assert all(type(score) is float and np.isfinite(score) for score in scores)
        assert scores[0] == scores[1] == pytest.approx(scores[2])

    # scikit-learn 1.7 knows no names of polars' columns.
    @pytest.mark.filterwarnings("ignore:X does not have valid feature names:UserWarning")
    def test_rows_give_what_images_give(self, scorer, trained, frame, named, X, y):
        rows = X.reshape(len(X), -1)
        assert scorer(trained, rows, y) == scorer(trained, X, y) == scorer(trained, X[..., 0], y)
        assert scorer(named, frame, y) == scorer(trained, X, y)
        # scikit-learn reads polars' bytes as floats, of which views are not rounded.
        polars = pl.DataFrame(rows, schema=list(frame.columns))
        assert scorer(named, polars, y) == pytest.approx(scorer(trained, X, y), rel=1e-3)

    def test_columns_of_images(self, scorer, trained, kinds, X, y):
        expected = scorer(trained, X, y)
        images = list(X)
        frame = pd.DataFrame({"image": images, "label": y}, index=np.arange(40) + 7)
        assert scorer(trained, frame[["image"]], frame["label"]) == expected
        assert scorer(trained, frame["image"], frame["label"]) == expected
        polars = pl.DataFrame({"image": pl.Series(images, dtype=pl.Object)})
        assert scorer(trained, polars, y) == expected
        assert scorer(kinds[2], frame[["image"]], y) == scorer(kinds[2], X, y)

    def test_data_frames_as_features(self, scorer, trained, X, y):
        expected = scorer(trained, X, y)
        framed = pickle.loads(pickle.dumps(trained)).set_output(transform="pandas")
        assert scorer(framed, X, y) == expected

    def test_unfitted(self, scorer, X, y):
        for estimator in (RotNetEmbedder(), MultiScaleEmbedder(RotNetEmbedder())):
            with pytest.raises(NotFittedError, match="not fitted"):
                scorer(estimator, X, y)
            with pytest.raises(NotFittedError, match="not fitted"):
                scorer(make_pipeline(ImageResizer(8), estimator), X, y)

    def test_without_transform(self, scorer, X, y):
        pipe = make_pipeline(
            RotNetEmbedder("convnet", max_epochs=0), LogisticRegression(max_iter=1000)
        )
        pipe.fit(X, y)
        with pytest.raises(ValueError, match=f"of {scorer.__name__} must have.*Pipeline"):
            scorer(pipe, X, y)
        assert np.isfinite(scorer(pipe[:-1], X, y))

    def test_pickles_by_name(self, scorer):
        assert pickle.loads(pickle.dumps(scorer)) is scorer
        assert len(pickle.dumps(scorer)) < 100

    def test_random_generators_are_left_alone(self, scorer, trained, X, y):
        before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
        assert scorer(trained, X, y) == scorer(trained, X, y)
        assert torch.equal(before[0], torch.get_rng_state())
        np.testing.assert_array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("name", sorted(set(SCORERS) - {"knn"}))
def test_grid_search_without_labels(name, X):
    search = GridSearchCV(
        RotNetEmbedder("convnet", max_epochs=1, random_state=SEED),
        {"learning_rate": [0.01, 0.1]},
        scoring=SCORERS[name],
        cv=2,
    ).fit(X)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.transform(X).shape == (40, 2016)


def test_grid_search_with_labels(X, y):
    grid = {"learning_rate": [0.01, 0.1]}
    estimator = RotNetEmbedder("convnet", max_epochs=1, random_state=SEED)
    search = GridSearchCV(estimator, grid, scoring=metrics.knn_scorer, cv=[(range(10), range(40))])
    search.fit(X, y)
    assert 0 < search.best_score_ <= 1


def test_several_scores_in_two_processes(X, y):
    search = GridSearchCV(
        make_pipeline(ImageResizer(8), RotNetEmbedder("convnet", max_epochs=1, random_state=SEED)),
        {"rotnetembedder__layer": ["block1", "block2"]},
        scoring=SCORERS,
        refit="rankme",
        cv=[(range(20), range(40))],
        n_jobs=2,
    ).fit(X, y)
    for name in SCORERS:
        assert np.isfinite(search.cv_results_[f"mean_test_{name}"]).all()
    assert search.best_index_ == np.argmax(search.cv_results_["mean_test_rankme"])


def test_cross_validation(X):
    results = cross_validate(
        RotNetEmbedder("convnet", max_epochs=0, random_state=SEED),
        X,
        scoring=SCORERS["alignment"],
        cv=2,
    )
    assert np.all((results["test_score"] <= 0) & (results["test_score"] >= -4))


def test_labels_are_missing(trained, X):
    with pytest.raises(ValueError, match="'y' argument of knn_score.*Got None"):
        metrics.knn_scorer(trained, X)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("layout", [(8, 8, 1), (8, 8, 3), (8, 8)])
def test_views_look_like_the_images(dtype, layout):
    X = np.random.default_rng(SEED).integers(60, 200, size=(20, *layout)).astype(dtype)
    recorder = Recorder()
    score = metrics.alignment_scorer(recorder, X)
    first, second = recorder.seen
    assert -4 <= score < 0
    for view in (first, second):
        assert view.dtype == X.dtype
        assert view.shape == X.shape
        assert view.min() >= (0 if dtype == np.uint8 else X.min())
        assert view.max() <= (255 if dtype == np.uint8 else X.max())
        assert (view != X).reshape(20, -1).any(axis=1).all()
    assert (first != second).any()
    assert score == pytest.approx(
        metrics.alignment_score(*(z.reshape(20, -1) for z in (first, second)))
    )


def test_the_same_views_for_every_estimator_and_block_of_images(X, monkeypatch):
    seen = []
    for _ in range(2):
        recorder = Recorder()
        metrics.alignment_scorer(recorder, X)
        seen.append(recorder.seen)
    np.testing.assert_array_equal(seen[0], seen[1])
    monkeypatch.setattr(views, "_IMAGES_AT_ONCE", 16)
    recorder = Recorder()
    assert metrics.alignment_scorer(recorder, X) < 0
    assert [len(part) for part in recorder.seen] == [16, 16, 16, 16, 8, 8]


def test_floats_keep_the_range_that_the_embedder_learned(X):
    embedder = RotNetEmbedder("convnet", max_epochs=0, random_state=SEED).fit(X / 255)
    expected = metrics.alignment_scorer(embedder, X / 255)
    # The darkest ones alone: brighter views are not cut at their greatest value.
    dark = X[:20] // 2
    as_bytes = RotNetEmbedder("convnet", max_epochs=0, random_state=SEED).fit(X)
    assert metrics.alignment_scorer(embedder, dark / 255) == pytest.approx(
        metrics.alignment_scorer(as_bytes, dark), abs=5e-3
    )
    assert expected == pytest.approx(metrics.alignment_scorer(as_bytes, X), abs=5e-3)


def halved(X):
    return X / 2


def test_rows_through_a_function_and_padded_rows(X):
    rows = X.reshape(len(X), -1)
    pipe = make_pipeline(
        FunctionTransformer(halved), RotNetEmbedder("convnet", max_epochs=0, random_state=SEED)
    ).fit(rows)
    assert -4 <= metrics.alignment_scorer(pipe, rows) <= 0
    short = RotNetEmbedder("convnet", max_epochs=0, random_state=SEED).fit(rows[:, :60])
    assert -4 <= metrics.alignment_scorer(short, rows[:, :60]) <= 0


def test_rows_for_an_embedder_inside_of_other_estimators(trained, X, y):
    rows = X.reshape(len(X), -1) / 255
    plain = RotNetEmbedder("convnet", max_epochs=0, random_state=SEED).fit(rows)
    # Whose values are between those of fit, so that the range is not that of the images.
    some = rows[:20] / 2
    expected = metrics.alignment_scorer(plain, some)
    few = SemiSupervisedClassifier(FrozenEstimator(plain)).fit(rows, y)
    assert metrics.alignment_scorer(few, some) == expected
    assert metrics.alignment_scorer(make_pipeline(plain), some) == expected


def test_rows_that_do_not_fold(X):
    rows = X.reshape(len(X), -1)
    with pytest.raises(
        ValueError, match="alignment_scorer draws views of images.*PCA has no image shape"
    ):
        metrics.alignment_scorer(PCA(4).fit(rows), rows)
    pipe = make_pipeline(PCA(16), RotNetEmbedder("convnet", max_epochs=0)).fit(rows)
    with pytest.raises(ValueError, match="64 values, and RotNetEmbedder.*a step before it"):
        metrics.alignment_scorer(pipe, rows)
    assert metrics.rankme_scorer(pipe, rows) > 1


def test_nothing_heavy_is_loaded():
    code = "import sys, sklssl.metrics; print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
