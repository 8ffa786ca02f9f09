"""The contract of the embedders on real digits, and what bad input does."""

import copy
import gc
import pickle
import weakref

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.ensemble import BaggingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from sklssl import (
    FineTuneClassifier,
    PatchDictionaryEmbedder,
    RotNetEmbedder,
    ScaleNetEmbedder,
    SimCLREmbedder,
)
from sklssl.backbones import Backbone
from sklssl.base import BaseEmbedder, Pretext
from sklssl.exceptions import (
    CollapseWarning,
    NonFiniteLossError,
    NonFiniteLossWarning,
    StopTraining,
)
from sklssl.preprocessing import HarrisCornerMasker, PseudoGrayscaler
from tests._estimators import EMBEDDERS, LEARNERS, VIEW_LEARNERS, quick, with_params, without_roots
from tests._estimators import every_embedder as every_trained_embedder
from tests._seed import SEED

# One of each kind: of a scale, of several, around another, and one that remembers its images.
KINDS = [
    with_params(EMBEDDERS["RotNetEmbedder"], max_epochs=2),
    EMBEDDERS["ScaleNetEmbedder"],
    EMBEDDERS["MultiScaleEmbedder"],
    EMBEDDERS["RotationDecouplingEmbedder"],
]
every_embedder = pytest.mark.parametrize("embedder", KINDS, ids=lambda e: type(e).__name__)


# What comes out --------------------------------------------------------------------------------


by_name = {"ids": lambda embedder: type(embedder).__name__}


def few_label_accuracy(digits, embedder):
    """Ten draws of five labels a class, on digits that the embedder never saw."""
    X, y = digits
    order = np.random.default_rng(SEED).permutation(len(X))
    X, y = X[order], y[order]
    Z = X.reshape(len(X), -1) if embedder is None else embedder.fit(X[:700]).transform(X)
    classifier = LogisticRegression(C=5 / Z.shape[1], max_iter=2000)
    probe, scores = make_pipeline(StandardScaler(), classifier), []
    for seed in range(10):
        draw = np.random.default_rng(seed)
        few = np.concatenate(
            [draw.choice(np.flatnonzero(y[:1000] == c), 5, replace=False) for c in range(10)]
        )
        scores.append(probe.fit(Z[few], y[few]).score(Z[1000:], y[1000:]))
    return np.mean(scores)


def on_last_map(embedder, **params):
    """The small network, of which the last map is taken."""
    settings = {"backbone": "convnet", "layer": "block4", "pool_size": 1, **params}
    return with_params(embedder, **settings)


@pytest.fixture(scope="module")
def baselines(digits):
    """The accuracies on raw pixels and with an untrained network."""
    untrained = RotNetEmbedder("convnet", max_epochs=0, random_state=SEED)
    return [few_label_accuracy(digits, start) for start in (None, untrained)]


@pytest.mark.parametrize("embedder", LEARNERS, **by_name)
def test_embedding_beats_raw_pixels_and_an_untrained_network(digits, baselines, embedder):
    # Of the default network, for which one epoch is enough.
    learned = few_label_accuracy(digits, clone(embedder).set_params(max_epochs=1))
    assert learned > baselines[0] + 0.04
    assert learned > baselines[1] + 0.02


@pytest.fixture(scope="module")
def without_learning(digits):
    """The accuracy with random weights, but the batch-norm statistics of the digits.

    These alone make an untrained network several points better.
    """
    still = SimCLREmbedder(max_epochs=2, learning_rate=1e-12, random_state=SEED)
    return few_label_accuracy(digits, on_last_map(still))


@pytest.mark.parametrize("embedder", VIEW_LEARNERS, **by_name)
def test_training_makes_the_last_map_better(digits, without_learning, embedder):
    learned = few_label_accuracy(digits, on_last_map(embedder))
    assert learned > without_learning + 0.02


@pytest.mark.parametrize("pool_size", [1, 2, 3])
@pytest.mark.parametrize("layer", ["block1", "block4"])
def test_layer_and_pool_size(X, layer, pool_size):
    embedder = quick(layer=layer, pool_size=pool_size, precision="float32").fit(X)
    backbone = embedder.pretext_.backbone
    assert embedder.layer_names_ == backbone.layer_names
    images = torch.from_numpy(X).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        expected = nn.functional.adaptive_avg_pool2d(backbone(images, layer), pool_size)
    Z = embedder.transform(X)
    assert Z.shape == (len(X), backbone.widths[layer] * pool_size**2)
    assert_allclose(without_roots(Z), expected.flatten(1), rtol=1e-3, atol=1e-5)


def test_auto_takes_all_stages_in_no_more_than_6000_features(X):
    embedder = quick().fit(X)
    assert_array_equal(embedder.transform(X), embedder.set_layer("all").transform(X))
    many = quick(backbone="resnet18", max_epochs=0).fit(X)
    for pool_size, n_features in ((3, 1024 * 4), (2, 1024 * 4), (1, 1024)):
        assert many.set_params(pool_size=pool_size)._n_features_out <= n_features
        assert many.transform(X[:2]).shape == (2, many._n_features_out)


def test_layer_can_change_after_fit(X):
    embedder = quick().fit(X)
    embedder.set_params(layer="block1", pool_size=1)
    assert_array_equal(embedder.transform(X), quick(layer="block1", pool_size=1).fit_transform(X))


def test_no_epochs_leave_the_network_untrained(X):
    embedder = RotNetEmbedder(max_epochs=0, random_state=SEED).fit(X)
    assert embedder.history_ == []
    assert embedder.n_epochs_ == 0
    assert_array_equal(embedder.transform(X), clone(embedder).fit(X).transform(X))


def test_fitted_attributes(X):
    embedder = quick().fit(X)
    assert embedder.n_features_in_ == 64
    assert embedder.image_shape_ == (8, 8, 1)
    assert embedder.value_range_ == (0.0, 255.0)
    assert not embedder.pretext_.training
    assert not any(isinstance(value, torch.optim.Optimizer) for value in vars(embedder).values())
    (row,) = embedder.history_
    assert list(row) == ["epoch", "phase", "scale", "learning_rate", "loss", "accuracy", "duration"]


@pytest.mark.parametrize("shape", [(40, 8, 8, 3), (40, 16, 16), (40, 12, 12, 2), (40, 300)])
def test_colours_sizes_and_rows(shape):
    X = np.random.default_rng(SEED).random(shape)
    params = {"image_shape": (10, 10, 3)} if len(shape) == 2 else {}
    Z = quick(**params).fit_transform(X)
    assert Z.dtype == np.float32
    assert np.isfinite(Z).all()


def test_precision_bfloat16_is_close_to_float32(X):
    Z = {p: quick(precision=p, max_epochs=3).fit_transform(X) for p in ("float32", "bfloat16")}
    correlation = np.corrcoef(Z["float32"].ravel(), Z["bfloat16"].ravel())[0, 1]
    assert 0.9 < correlation < 1


@pytest.mark.gpu
def test_cuda_agrees_with_the_cpu(X):
    embedder = quick(device="cuda").fit(X)
    assert next(embedder.pretext_.parameters()).is_cuda
    on_cpu = pickle.loads(pickle.dumps(embedder)).set_params(device="cpu")
    assert_allclose(embedder.transform(X), on_cpu.transform(X), rtol=1e-2, atol=1e-3)


# Training --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [0.1] * 10),
        ("step", [0.1] * 3 + [0.02] * 3 + [0.004] * 2 + [0.0008] * 2),
        ("cosine", [0.05, *(0.05 * (1 + np.cos(np.pi * step / 9)) for step in range(9))]),
    ],
)
def test_lr_schedule(X, schedule, expected):
    embedder = quick(max_epochs=10, lr_schedule=schedule, learning_rate=0.1).fit(X[:8])
    assert_allclose([row["learning_rate"] for row in embedder.history_], expected, rtol=1e-6)


@pytest.mark.parametrize("max_epochs", [1, 2, 3])
def test_few_epochs_start_at_the_full_rate(X, max_epochs):
    embedder = quick(max_epochs=max_epochs, learning_rate=0.1).fit(X[:8])
    assert embedder.history_[0]["learning_rate"] == 0.1


@pytest.mark.filterwarnings("ignore::sklssl.exceptions.DivergenceWarning")  # it stalls
def test_plateau_cuts_the_rate_when_the_loss_stalls(X):
    # Too small a rate to learn by, but above what the scheduler ignores (1e-8).
    embedder = quick(
        max_epochs=60, lr_schedule="plateau", learning_rate=1e-6, weight_decay=0.0
    ).fit(X[:8])
    rates = sorted({row["learning_rate"] for row in embedder.history_}, reverse=True)
    assert_allclose(rates, 1e-6 * 0.2 ** np.arange(len(rates)))
    assert len(rates) > 1


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", torch.optim.RMSprop])
def test_optimizers_lower_the_loss(X, optimizer):
    rate = 0.05 if optimizer == "sgd" else 0.003
    embedder = quick(max_epochs=12, optimizer=optimizer, learning_rate=rate, batch_size=16).fit(X)
    losses = [row["loss"] for row in embedder.history_]
    assert losses[-1] < losses[0]


@pytest.mark.filterwarnings("ignore::sklssl.exceptions.CollapseWarning")
@pytest.mark.filterwarnings("ignore::sklssl.exceptions.DivergenceWarning")
def test_weight_decay_shrinks_the_weights(X):
    norms = [
        sum(p.norm() for p in quick(max_epochs=5, weight_decay=d).fit(X).pretext_.parameters())
        for d in (0.0, 1.0)
    ]
    assert norms[1] < 0.9 * norms[0]


def test_micro_batches_train_like_the_whole_batch(X):
    def network(in_channels, image_size):
        return nn.Sequential(nn.Conv2d(in_channels, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3))

    settings = {"batch_size": 20, "max_epochs": 2, "random_state": SEED, "precision": "float32"}
    # Adam would make whole steps of the rounding error of a gradient that is 0.
    embedder = SimCLREmbedder(network, optimizer="sgd", learning_rate=0.1, **settings)
    whole, parts = (clone(embedder).set_params(micro_batch_size=size).fit(X) for size in (None, 7))
    Z_parts, Z_whole = (without_roots(fitted.transform(X)) for fitted in (parts, whole))
    assert_allclose(Z_parts, Z_whole, rtol=1e-3, atol=1e-5)
    for row, expected in zip(parts.history_, whole.history_, strict=True):
        assert row["loss"] == pytest.approx(expected["loss"], rel=1e-4)


def test_warm_start_goes_on(X):
    embedder = quick(warm_start=True).fit(X)
    before = copy.deepcopy(embedder.pretext_.state_dict())
    embedder.fit(X)
    assert [row["epoch"] for row in embedder.history_] == [1, 2]
    assert embedder.n_epochs_ == 2
    assert any(
        not torch.equal(tensor, before[name])
        for name, tensor in embedder.pretext_.state_dict().items()
    )
    with pytest.raises(ValueError, match=r"fitted on images of shape \(8, 8, 1\)"):
        embedder.fit(np.zeros((4, 16, 16)))
    assert embedder.n_epochs_ == 2


def test_warm_start_starts_from_the_weights_it_has(X):
    embedder = quick(max_epochs=3, warm_start=True).fit(X)
    Z = embedder.transform(X)
    embedder.set_params(learning_rate=1e-12, weight_decay=0.0, max_epochs=1).fit(X)
    weights = embedder.pretext_.backbone.stages.block1[0].weight
    other = quick(max_epochs=3).fit(X)
    assert_allclose(
        weights.detach(), other.pretext_.backbone.stages.block1[0].weight.detach(), atol=1e-6
    )
    assert Z.shape == embedder.transform(X).shape


def test_partial_fit_learns_from_pieces(digits):
    X = digits[0]
    embedder = RotNetEmbedder(random_state=SEED, batch_size=32, learning_rate=0.05)
    for start in (0, 300, 600, 900) * 2:
        embedder.partial_fit(X[start : start + 300])
    assert embedder.n_epochs_ == 8
    assert {row["learning_rate"] for row in embedder.history_} == {0.05}
    assert embedder.score(X[1200:]) > 0.5  # 0.25 by chance


def test_init_weights_come_from_a_fitted_embedder(X):
    source = ScaleNetEmbedder(max_epochs=1, random_state=1).fit(X)
    untouched = RotNetEmbedder(max_epochs=0, random_state=SEED).fit(X)
    for wrapped in (source, FrozenEstimator(source)):
        embedder = RotNetEmbedder(max_epochs=0, init_weights=wrapped, random_state=SEED).fit(X)
        assert_array_equal(embedder.transform(X), source.transform(X))
        # The head is the task's own.
        assert torch.equal(embedder.pretext_.head.weight, untouched.pretext_.head.weight)
    copied = clone(RotNetEmbedder(max_epochs=0, init_weights=FrozenEstimator(source))).fit(X)
    assert_array_equal(copied.transform(X), source.transform(X))


def test_init_weights_that_cannot_serve(X):
    with pytest.raises(ValueError, match="'init_weights'.*not fitted.*FrozenEstimator"):
        quick(init_weights=RotNetEmbedder()).fit(X)
    source = quick().fit(X)
    with pytest.raises(
        ValueError, match="'init_weights'.*none of the weights of RotNetEmbedder match"
    ):
        quick(init_weights=source, backbone="nin").fit(X)
    with pytest.raises(ValueError, match="'init_weights' parameter of RotNetEmbedder must be"):
        quick(init_weights="weights.pt").fit(X)


def test_callbacks_see_the_estimator_and_extend_the_row(X):
    seen = []

    def callback(embedder, row):
        seen.append((type(embedder).__name__, embedder.transform(X).shape))
        row["mine"] = len(seen)

    embedder = quick(max_epochs=3, callbacks=[callback]).fit(X)
    assert seen == [("RotNetEmbedder", embedder.transform(X).shape)] * 3
    assert [row["mine"] for row in embedder.history_] == [1, 2, 3]
    plain = quick(max_epochs=3).fit(X)
    assert_array_equal(embedder.transform(X), plain.transform(X))  # looking changes nothing


def test_a_callback_can_stop_the_training(X):
    def stop_after_two(embedder, row):
        if row["epoch"] == 2:
            raise StopTraining

    assert quick(max_epochs=9, callbacks=[stop_after_two]).fit(X).n_epochs_ == 2


# The tools around it ---------------------------------------------------------------------------


@every_embedder
def test_joblib_pickle_and_deepcopy(X, embedder, tmp_path):
    embedder = clone(embedder).fit(X)
    joblib.dump(embedder, tmp_path / "embedder.joblib")
    loaded = [
        joblib.load(tmp_path / "embedder.joblib"),
        joblib.load(tmp_path / "embedder.joblib", mmap_mode="r"),
        pickle.loads(pickle.dumps(embedder)),
        copy.deepcopy(embedder),
    ]
    for other in loaded:
        assert_array_equal(other.transform(X), embedder.transform(X))
        assert other.get_feature_names_out().tolist() == embedder.get_feature_names_out().tolist()
        assert joblib.hash(other) == joblib.hash(embedder)


def test_a_pickle_holds_little_more_than_the_weights(X):
    embedder = quick().fit(X)
    n_bytes = sum(t.numel() * t.element_size() for t in embedder.pretext_.state_dict().values())
    assert len(pickle.dumps(embedder)) < n_bytes + 64_000


@every_embedder
def test_a_changed_parameter_does_not_break_the_pickle(X, embedder):
    embedder = clone(embedder).fit(X)
    Z = embedder.transform(X)
    name = "estimator__backbone" if "estimator" in embedder.get_params() else "backbone"
    embedder.set_params(**{name: "nin"})  # applies to the next fit
    assert_array_equal(pickle.loads(pickle.dumps(embedder)).transform(X), Z)


@every_embedder
def test_set_output_and_names(X, embedder):
    embedder = clone(embedder).fit(X)
    with config_context(transform_output="polars"):
        assert type(embedder.transform(X)).__module__.startswith("polars")
    frame = embedder.set_output(transform="pandas").transform(X)
    prefix = type(embedder).__name__.lower()
    assert isinstance(frame, pd.DataFrame)
    assert frame.columns[:2].tolist() == [f"{prefix}0", f"{prefix}1"]


def test_pipeline_with_memory_hits(X, y, tmp_path):
    embedder = quick(callbacks=[_count_fits])
    _FITS.clear()
    pipe = Pipeline(
        [("emb", embedder), ("clf", LogisticRegression(max_iter=1000))], memory=str(tmp_path)
    )
    first = clone(pipe).fit(X, y)
    second = clone(pipe).set_params(clf__C=0.1).fit(X, y)
    assert len(_FITS) == 1
    assert_array_equal(first[0].transform(X), second[0].transform(X))


def test_frozen_embedder_hits_the_memory(X, y, tmp_path):
    embedder = quick().fit(X)
    for _ in range(2):
        pipe = Pipeline(
            [("emb", FrozenEstimator(embedder)), ("clf", LogisticRegression(max_iter=1000))],
            memory=joblib.Memory(tmp_path, verbose=0),
        ).fit(X, y)
        embedder = pickle.loads(pickle.dumps(embedder))  # as another process would have it
    stored = list(tmp_path.rglob("output.pkl"))
    assert len(stored) == 1
    assert pipe.score(X, y) > 0.9


def test_feature_union(X, y):
    union = FeatureUnion([("shallow", quick(layer="block1")), ("deep", quick(layer="block3"))]).fit(
        X
    )
    parts = [transformer.transform(X) for _, transformer in union.transformer_list]
    assert_array_equal(union.transform(X), np.hstack(parts))


@pytest.mark.parametrize("flat", [False, True])
def test_cross_val_score_on_images_and_rows(digits, flat):
    X, y = digits[0][:150], digits[1][:150]
    pipe = make_pipeline(quick(), LogisticRegression(max_iter=1000))
    scores = cross_val_score(pipe, X.reshape(len(X), -1) if flat else X, y, cv=3)
    assert scores.min() > 0.6


def test_grid_search_over_scales(digits):
    X, y = digits[0][:120], digits[1][:120]
    pipe = Pipeline(
        [
            ("emb", ScaleNetEmbedder(max_epochs=1, random_state=SEED)),
            ("clf", LogisticRegression(max_iter=1000)),
        ]
    )
    grid = {"emb__scales": [(1.0,), (0.5, 1.0)], "clf__C": [0.1, 1.0]}
    search = GridSearchCV(pipe, grid, cv=2, error_score="raise").fit(X, y)
    assert search.best_score_ > 0.5


def test_grid_search_without_labels(X):
    search = GridSearchCV(quick(), {"learning_rate": [1e-6, 0.1]}, cv=2, error_score="raise")
    search.fit(X)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert 0 <= search.best_score_ <= 1


def test_bagging_takes_rows(X, y):
    pipe = make_pipeline(quick(), LogisticRegression(max_iter=1000))
    bag = BaggingClassifier(pipe, n_estimators=2, random_state=SEED).fit(X.reshape(len(X), -1), y)
    assert bag.score(X.reshape(len(X), -1), y) > 0.6


def test_preprocessing_composes(X, y):
    pipe = make_pipeline(
        PseudoGrayscaler(),
        HarrisCornerMasker(fraction=0.5, random_state=SEED),
        ScaleNetEmbedder(max_epochs=1, random_state=SEED),
        LogisticRegression(max_iter=1000),
    ).fit(X.repeat(3, axis=3), y)
    assert pipe.score(X.repeat(3, axis=3), y) > 0.8


# Bad input -------------------------------------------------------------------------------------


@every_embedder
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((0, 8, 8)), "0 sample"),
        (np.zeros((1, 8, 8)), "a minimum of 2 is required by (RotNet|ScaleNet|RotationDecoupling)"),
        (np.zeros((5, 0, 8)), "at least one pixel"),
        (np.full((5, 8, 8), np.nan), "NaN"),
        ([np.zeros((8, 8)), np.zeros((9, 9))], "one size"),
        (["no_file.png"] * 3, "no_file.png"),
        (np.zeros((5, 8, 10)), "image_size"),
    ],
)
def test_bad_images_leave_the_estimator_as_it_was(X, embedder, bad, message):
    fresh, fitted = clone(embedder), clone(embedder).fit(X)
    Z = fitted.transform(X)
    for estimator in (fresh, fitted):
        with pytest.raises(ValueError, match=message):
            estimator.fit(bad)
    with pytest.raises(NotFittedError):
        fresh.transform(X)
    assert fitted.n_features_in_ == 64
    assert_array_equal(fitted.transform(X), Z)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"backbone": "resnet81"}, "'backbone' parameter of RotNetEmbedder.*Did you mean 'resne"),
        ({"layer": "block9"}, r"'layer' parameter of RotNetEmbedder.*\['patches1'.*Got 'block9'"),
        ({"device": "tpu9"}, "'device' parameter of RotNetEmbedder.*Got 'tpu9'"),
        ({"optimizer": "sdg"}, "'optimizer' parameter of RotNetEmbedder.*'adam'.*Got 'sdg'"),
        ({"lr_schedule": "linear"}, "'lr_schedule' parameter.*'cosine'.*Got 'linear'"),
        ({"precision": "float16"}, "'precision' parameter.*Got 'float16'"),
        ({"max_epochs": -1}, "'max_epochs' parameter"),
        ({"batch_size": 1}, "'batch_size' parameter"),
        ({"learning_rate": 0}, "'learning_rate' parameter"),
        ({"pool_size": 0}, "'pool_size' parameter"),
        ({"image_size": 3}, "'image_size' parameter"),
        ({"image_shape": (4, 4)}, r"'image_shape' parameter.*is \(4, 4\), but X holds"),
        ({"callbacks": [3]}, "'callbacks' parameter of RotNetEmbedder.*Got 3"),
        ({"random_state": "x"}, "'random_state' parameter"),
    ],
)
def test_bad_parameters_are_named(X, params, message):
    embedder = RotNetEmbedder(**params)
    with pytest.raises(ValueError, match=message):
        embedder.fit(X)
    assert not embedder.__sklearn_is_fitted__()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"backbone": "squeezenet1_1"}, "8x8 pixels are too small.*side of 17"),
        ({"backbone": "resnet_18"}, "Unknown backbone 'resnet_18'.*Did you mean 'resnet18'"),
        ({"backbone": "vit_b_16", "image_size": 40}, "multiple of 16 pixels. Got 40"),
    ],
)
def test_networks_that_cannot_serve_are_named(X, params, message):
    with pytest.raises(ValueError, match=f"'backbone' parameter of RotNetEmbedder.*{message}"):
        quick(**params).fit(X)


def test_a_size_that_the_network_cannot_go_on_with_is_named(X):
    embedder = quick(backbone="squeezenet1_1", image_size=32, warm_start=True, max_epochs=0).fit(X)
    embedder.set_params(image_size=8)
    with pytest.raises(
        ValueError, match="'backbone' parameter of RotNet.*8x8 pixels are too small"
    ):
        embedder.fit(X)


def test_a_built_network_is_no_backbone(X):
    with pytest.raises(TypeError, match="'backbone' parameter of RotNetEmbedder.*built network"):
        quick(backbone=nn.Sequential(nn.Conv2d(1, 2, 3))).fit(X)


@every_embedder
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((3, 8, 8, 3)), r"shape \(8, 8, 3\).*fitted on images of shape \(8, 8, 1\)"),
        (np.zeros((3, 9, 8)), r"shape \(9, 8, 1\).*ImageResizer"),
        (np.zeros((3, 65)), "65 features.*expecting 64"),
    ],
)
def test_other_images_at_transform(X, embedder, bad, message):
    embedder = clone(embedder).fit(X)
    for method in (embedder.transform, embedder.score):
        with pytest.raises(ValueError, match=message):
            method(bad)


@pytest.mark.parametrize(("fit_scale", "scale"), [(1, 1 / 255), (1 / 255, 1)])
def test_images_of_another_range_warn(X, fit_scale, scale):
    embedder = quick().fit(X if fit_scale == 1 else X * fit_scale)
    with pytest.warns(UserWarning, match="RotNetEmbedder was fitted on images with values from 0"):
        embedder.transform(X * scale)


def test_the_same_values_in_another_dtype_are_the_same_images(X):
    embedder = quick().fit(X)
    for dtype in (np.float64, np.int64):
        assert_array_equal(embedder.transform(X.astype(dtype)), embedder.transform(X))


@every_embedder
def test_unfitted(X, embedder):
    for method in ("transform", "score"):
        with pytest.raises(NotFittedError):
            getattr(clone(embedder), method)(X)
    assert not hasattr(clone(embedder), "history_")


def test_a_loss_that_is_not_finite_stops_the_training(X):
    fresh, fitted = quick(learning_rate=1e30, max_epochs=3), quick().fit(X)
    with pytest.raises(NonFiniteLossError, match=r"RotNetEmbedder: the loss became .* in epoch "):
        fresh.fit(X)
    assert not fresh.__sklearn_is_fitted__()
    Z = fitted.transform(X)
    with pytest.raises(NonFiniteLossError, match=r"learning rate of 1e\+30. Try"):
        fitted.set_params(learning_rate=1e30, max_epochs=3).fit(X)
    assert_array_equal(fitted.transform(X), Z)


@pytest.mark.parametrize("warm_start", [False, True])
def test_ctrl_c_raises_and_leaves_the_estimator_as_it_was(X, warm_start):
    def interrupt(embedder, row):
        raise KeyboardInterrupt

    fresh, fitted = quick(callbacks=[interrupt]), quick(warm_start=warm_start).fit(X)
    Z = fitted.transform(X)
    for estimator in (fresh, fitted.set_params(callbacks=[interrupt])):
        with pytest.raises(KeyboardInterrupt):
            estimator.fit(X)
    assert not fresh.__sklearn_is_fitted__()
    assert fitted.n_epochs_ == 1
    assert_array_equal(fitted.transform(X), Z)


def test_a_collapsed_embedding_warns(X):
    with pytest.warns(CollapseWarning, match="RotNetEmbedder: the embedding collapsed"):
        quick().fit(np.repeat(X[:1], 10, axis=0))


class RecordingPretext(Pretext):
    """Writes down what it is told; learns the mean of the images."""

    def __init__(self, backbone, calls):
        super().__init__(backbone)
        self.calls = calls

    def views(self, images, rng, index):
        return images, index

    def forward(self, views, targets):
        self.calls.append(("forward", self.training))
        return {
            "loss": (self.backbone(views).mean((1, 2, 3)) - views.mean((1, 2, 3))).square().mean()
        }

    def before_fit(self, n_images):
        self.calls.append(("before_fit", n_images))
        if n_images == 13:
            raise ValueError("not 13 images")

    def before_epoch(self, embed, rng):
        features, means = embed(), embed(lambda images: images.mean((2, 3)))
        self.calls.append(("before_epoch", tuple(features.shape), means.flatten().tolist()))
        assert self.training

    def after_step(self, progress):
        self.calls.append(("after_step", progress))


class RecordingEmbedder(BaseEmbedder):
    def _make_pretext(self, backbone):
        self.calls_ = []
        return RecordingPretext(backbone, self.calls_)


def test_hooks_are_called_in_order(X):
    embedder = RecordingEmbedder(max_epochs=2, batch_size=20, learning_rate=1e-3, random_state=SEED)
    embedder.fit(X)
    epoch = ("before_epoch", (40, 128), pytest.approx((X / 255).mean((1, 2, 3)).tolist(), rel=1e-4))
    expected = [("before_fit", 40)]
    for progress in (0.25, 0.75):
        expected += [epoch, ("forward", True), ("after_step", progress)]
        expected += [("forward", True), ("after_step", progress + 0.25)]
    assert embedder.calls_ == expected


def test_a_task_may_refuse_the_images(X):
    embedder = RecordingEmbedder(max_epochs=1)
    with pytest.raises(ValueError, match="not 13 images"):
        embedder.fit(X[:13])
    assert not hasattr(embedder, "pretext_")


def test_score_without_an_accuracy_is_minus_the_loss(X):
    embedder = RecordingEmbedder(max_epochs=1, batch_size=8, precision="float32", random_state=SEED)
    embedder.fit(X)
    with torch.no_grad():
        images = torch.from_numpy(X).permute(0, 3, 1, 2) / 255
        loss = embedder.pretext_(images, None)["loss"].item()
    assert_allclose(embedder.score(X), -loss, rtol=1e-4)


def test_score_mixes_rows_that_may_be_sorted(X, monkeypatch):
    embedder = quick(batch_size=8).fit(X)
    seen, views = [], embedder.pretext_.views

    def spy(images, rng, index):
        seen.append(index.tolist())
        return views(images, rng, index)

    monkeypatch.setattr(embedder.pretext_, "views", spy)
    assert embedder.score(X) == embedder.score(X)
    assert seen[:5] == seen[5:]
    assert sorted(row for rows in seen[:5] for row in rows) == list(range(40))
    assert all(max(rows) - min(rows) >= 10 for rows in seen)


@pytest.mark.parametrize("name", every_trained_embedder(backbone="convnet"))
def test_the_keys_of_the_history_are_documented(X, name):
    embedder = every_trained_embedder(backbone="convnet")[name].fit(X)
    text = embedder._attribute_docs["history_"].text
    assert [key for key in embedder.history_[0] if key not in text] == []


@pytest.mark.parametrize("name", every_trained_embedder(backbone="convnet"))
def test_every_task_may_diverge(X, name):
    def spoil(embedder, row):
        if row["epoch"] == 1:
            with torch.no_grad():
                next(embedder.pretext_.backbone.parameters()).fill_(np.inf)

    params = {"max_epochs": 2, "callbacks": [spoil]}
    embedder = every_trained_embedder(backbone="convnet", **params)[name]
    with pytest.warns(NonFiniteLossWarning):
        embedder.fit(X)
    assert embedder.n_epochs_ == 1


def test_an_author_who_forgets_a_method_is_told(X):
    class Nothing(BaseEmbedder):
        def __init__(self):
            self.backbone = "convnet"

    with pytest.raises(NotImplementedError, match="Nothing must define _make_pretext"):
        Nothing()._make_pretext(None)
    with pytest.raises(NotImplementedError, match="Pretext must define views"):
        Pretext(None).views(None, None, None)
    with pytest.raises(NotImplementedError, match="Pretext must define forward"):
        Pretext(None)(None, None)


# At module level, since the memory hashes and pickles its steps.
_FITS = []


def _count_fits(embedder, row):
    _FITS.append(row["epoch"])


def test_warm_start_refuses_another_network(X):
    embedder = quick(warm_start=True).fit(X)
    embedder.set_params(backbone="nin3")
    with pytest.raises(ValueError, match="'backbone' parameter of RotNetEmbedder is 'nin3', but"):
        embedder.fit(X)
    with pytest.raises(ValueError, match="'backbone' parameter"):
        embedder.partial_fit(X)
    assert embedder.set_params(warm_start=False).fit(X).layer_names_[-1] == "block3"


@pytest.mark.parametrize(
    ("change", "value"),
    [("temperature", 0.1), ("crop_scale", (0.9, 1.0)), ("horizontal_flip", False)],
)
def test_warm_start_refuses_another_task(X, change, value):
    embedder = SimCLREmbedder("convnet", max_epochs=1, random_state=SEED, warm_start=True).fit(X)
    before = embedder.transform(X)
    embedder.set_params(**{change: value})
    for go_on in (embedder.fit, embedder.partial_fit):
        with pytest.raises(ValueError, match=f"'{change}' parameter of SimCLREmbedder is .* where"):
            go_on(X)
    np.testing.assert_array_equal(embedder.transform(X), before)
    old = SimCLREmbedder().get_params()[change]
    embedder.set_params(**{change: old}, learning_rate=0.01, batch_size=16, pool_size=1).fit(X)
    assert embedder.n_epochs_ == 2


NET = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 8, 3))


def test_training_continues_whatever_the_backbone_reads_meanwhile(X):
    backbone = lambda in_channels, image_size: NET  # noqa: E731
    embedder = quick(backbone=backbone).partial_fit(X)  # which changes the weights of NET
    assert embedder.partial_fit(X).n_epochs_ == 2


@pytest.mark.parametrize("pool_size", [0, -2, 2.7, "3", True])
def test_bad_pool_size_of_all_layers(X, pool_size):
    embedder = quick().fit(X)
    with pytest.raises(ValueError, match="'pool_size' argument of RotNetEmbedder.transform_layers"):
        embedder.transform_layers(X, pool_size)


def test_what_was_fine_tuned_is_a_start(X):
    y = np.arange(len(X)) % 2
    tuned = FineTuneClassifier(quick().fit(X), max_epochs=1, random_state=SEED).fit(X, y)
    started = quick(max_epochs=0, init_weights=tuned).fit(X)
    expected = tuned.to_embedder().pretext_.encoder.state_dict()
    for name, weight in started.pretext_.encoder.state_dict().items():
        assert weight.equal(expected[name]), name


def test_memory_is_free_after_fit():
    gc.collect()
    gc.disable()
    try:
        images = np.zeros((20, 8, 8, 1), np.float32) + np.arange(20).reshape(20, 1, 1, 1)
        alive = weakref.ref(images)
        quick().fit(images)
        del images
        assert alive() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(("side", "expected"), [(96, [30, 30]), (300, 6 * [10]), (1200, 2 * [1])])
def test_dictionary_is_learned_from_few_large_images_at_once(monkeypatch, side, expected):
    sizes = []
    monkeypatch.setattr(
        Backbone, "learn_from", lambda self, batches, n: sizes.extend(map(len, batches()))
    )
    X = np.random.default_rng(SEED).integers(0, 256, (sum(expected), 1, side, 1), dtype=np.uint8)
    X = np.repeat(X, side, axis=1)
    PatchDictionaryEmbedder(4, symmetry=None, random_state=SEED).fit(X)
    assert sizes == expected
