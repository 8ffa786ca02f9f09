"""What is saved comes back: parameters, what was learned, and the bytes of every answer."""

import gzip
import json
import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import sklssl
from sklssl import (
    FineTuneClassifier,
    FineTuneRegressor,
    HarrisCornerMasker,
    ImageResizer,
    MultiScaleEmbedder,
    PseudoGrayscaler,
    RotationDecouplingEmbedder,
    RotNetEmbedder,
    ScaleNetEmbedder,
    SemiSupervisedClassifier,
    SimCLREmbedder,
    load,
    save,
)
from sklssl.backbones import make_backbone
from sklssl.callbacks import EarlyStopping
from sklssl.inspection import compare_embedders
from sklssl.utils._sklearn_compat import requests_of
from tests._estimators import EMBEDDERS, with_params

QUICK = {"max_epochs": 1, "random_state": 0}
SMALL = {"backbone": "convnet", **QUICK}  # where the default network would add nothing
DATA = Path(__file__).parent / "data"
pytestmark = pytest.mark.filterwarnings("ignore::sklssl.exceptions.CollapseWarning")


@pytest.fixture(scope="module")
def fitted(X):
    return RotNetEmbedder(**SMALL).fit(X)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def saved(estimator, path, **settings):
    save(estimator, path)
    return load(path, **settings)


def plain(value):
    """Turn parameters into what can be compared."""
    if isinstance(value, BaseEstimator):
        return type(value).__name__, plain(value.get_params(deep=False))
    if isinstance(value, partial):
        return value.func, value.args, value.keywords
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value), [plain(item) for item in value]
    return value


def assert_same(loaded, estimator, X):
    assert type(loaded) is type(estimator)
    assert plain(loaded.get_params()) == plain(estimator.get_params())
    for name in ("history_", "image_shape_", "layer_names_", "n_features_in_", "n_epochs_"):
        assert getattr(loaded, name, None) == getattr(estimator, name, None)
    for method in ("transform", "predict", "predict_proba", "decision_function"):
        if hasattr(estimator, method):
            expected, got = getattr(estimator, method)(X), getattr(loaded, method)(X)
            assert got.dtype == expected.dtype
            assert_array_equal(got, expected)
            if expected.dtype.kind == "f":
                assert got.tobytes() == expected.tobytes()


# What comes back -------------------------------------------------------------------------------


def test_every_public_estimator_is_tried_here():
    classes = [getattr(sklssl, name) for name in sklssl._PUBLIC_NAMES]
    public = {c for c in classes if isinstance(c, type) and issubclass(c, BaseEstimator)}
    assert public - {sklssl.BaseEmbedder} == {type(estimator) for estimator in ESTIMATORS}


ESTIMATORS = [
    EMBEDDERS["RotNetEmbedder"],  # of the default network
    *(with_params(embedder, backbone="convnet") for embedder in EMBEDDERS.values()),
    RotationDecouplingEmbedder(instance_task="nt_xent", **SMALL),
    FineTuneClassifier(RotNetEmbedder(**QUICK), **QUICK),
    FineTuneClassifier("resnet8", head="mlp", frozen_until="all", **QUICK),
    FineTuneClassifier(RotNetEmbedder(**SMALL), head="conv", layer="block2", **QUICK),
    FineTuneRegressor(RotNetEmbedder(**SMALL), **QUICK),
    FineTuneRegressor("convnet", head="conv", **QUICK),
    SemiSupervisedClassifier(RotNetEmbedder(**SMALL)),
    SemiSupervisedClassifier(RotNetEmbedder(**SMALL), LogisticRegression(max_iter=1000)),
    HarrisCornerMasker(fraction=0.5, random_state=0),
    ImageResizer((6, 4)),
    PseudoGrayscaler(),
]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_estimator(estimator, X, y, path):
    estimator = clone(estimator)
    assert plain(saved(estimator, path).get_params()) == plain(estimator.get_params())
    few = np.where(np.arange(len(y)) < 30, y, -1)
    estimator.fit(X, few if isinstance(estimator, SemiSupervisedClassifier) else y)
    loaded = saved(estimator, path)
    assert_same(loaded, estimator, X)
    loaded.fit(X, y)


@pytest.mark.parametrize(
    "params",
    [
        {"backbone": partial(make_backbone, "resnet8"), "callbacks": []},
        {"backbone": "mobilenet_v3_small", "image_size": 32, "device": torch.device("cpu")},
        {"optimizer": torch.optim.AdamW, "learning_rate": np.float64(1e-3)},
        {"optimizer": partial(torch.optim.SGD, momentum=0.5), "max_epochs": np.int64(1)},
        {"cache_dir": Path("some", "folder"), "image_shape": [8, 8], "warm_start": np.True_},
    ],
    ids=", ".join,
)
def test_parameters(params, X, path):
    estimator = RotNetEmbedder(**{**SMALL, **params}).fit(X)
    loaded = saved(estimator, path)
    assert_same(loaded, estimator, X)
    for name in params:
        assert type(getattr(loaded, name)) is type(getattr(estimator, name))


def test_names_of_weights_and_arrays(path):
    from torchvision.models import ResNet18_Weights

    params = {"init_weights": ResNet18_Weights.IMAGENET1K_V1, "scales": np.array([0.5, 1.0])}
    loaded = saved(ScaleNetEmbedder(**params), path)
    assert loaded.init_weights is ResNet18_Weights.IMAGENET1K_V1
    assert_array_equal(loaded.scales, params["scales"])


def test_a_random_state_goes_on_where_it_was(path):
    random_state = np.random.RandomState(3)
    random_state.standard_normal(5)
    loaded = saved(RotNetEmbedder(random_state=random_state), path).random_state
    assert_array_equal(loaded.standard_normal(700), random_state.standard_normal(700))


def test_labels_of_strings_and_names_of_columns(X, y, path):
    frame = pd.DataFrame(X.reshape(len(X), -1)).add_prefix("pixel")
    labels = np.array(["a", "a long name"])[y % 2]
    model = FineTuneClassifier(RotNetEmbedder(**SMALL), **QUICK).fit(frame, labels)
    loaded = saved(model.set_output(transform="pandas"), path)
    assert loaded.classes_.dtype == model.classes_.dtype
    assert loaded.feature_names_in_.tolist() == frame.columns.tolist()
    pd.testing.assert_frame_equal(loaded.transform(frame), model.transform(frame))
    assert_array_equal(loaded.predict(frame), model.predict(frame))


def test_labels_that_are_dates(X, y, path):
    dates = np.datetime64("2020-01-01") + y % 3
    model = FineTuneClassifier("convnet", **QUICK).fit(X, dates)
    loaded = saved(model, path)
    assert loaded.classes_.dtype == dates.dtype
    assert_array_equal(loaded.predict(X), model.predict(X))


def test_arrays_that_cannot_be_saved(X, y, path):
    model = FineTuneClassifier("convnet", **QUICK).fit(X, y % 3)
    model.classes_ = model.classes_ * 1j
    with pytest.raises(TypeError, match=r"complex128 .*neither numbers.*before fit.*astype\(str\)"):
        save(model, path)


@pytest.mark.parametrize("n_columns", [1, 2])
def test_regressor_columns(n_columns, X, y, path):
    targets = y * 1.0 if n_columns == 1 else np.stack([y * 1.0, -y], axis=1)
    model = FineTuneRegressor("convnet", **QUICK).fit(X, targets)
    assert_array_equal(saved(model, path).predict(X), model.predict(X))


# Estimators in estimators ----------------------------------------------------------------------


def test_pipelines(X, y, path):
    both = FeatureUnion([("rot", RotNetEmbedder(**SMALL)), ("sim", SimCLREmbedder(**SMALL))])
    pipe = Pipeline(
        [
            ("size", ImageResizer(10)),
            ("none", "passthrough"),
            ("features", both),
            ("inner", make_pipeline(StandardScaler(), FunctionTransformer(np.tanh))),
            ("clf", LogisticRegression(max_iter=1000)),
        ]
    ).fit(X, y)
    loaded = saved(pipe, path)
    assert_same(loaded, pipe, X)
    assert [name for name, _ in loaded.steps] == [name for name, _ in pipe.steps]


def test_the_raw_pixels_of_a_comparison(X, y, path):
    pixels = compare_embedders(X, y, RotNetEmbedder(**SMALL), n_labels=1).estimators["raw pixels"]
    pipe = make_pipeline(pixels, LogisticRegression(max_iter=1000)).fit(X, y)
    semi = SemiSupervisedClassifier(FrozenEstimator(pixels)).fit(X, y)
    for model in (pixels, pipe, semi):
        assert_same(saved(model, path), model, X)
    assert plain(saved(clone(pixels), path)) == plain(clone(pixels))


def test_the_order_of_arrays_is_kept(X, path):
    """Those of a PCA have gaps, which are closed, in an order in which sums end otherwise."""
    pipe = make_pipeline(RotNetEmbedder(**QUICK), PCA(5, random_state=0)).fit(X)
    assert not pipe[-1].components_.flags.c_contiguous
    assert_array_equal(saved(pipe, path).transform(X), pipe.transform(X))


def test_frozen_and_shared(X, y, fitted, path):
    model = SemiSupervisedClassifier(FrozenEstimator(fitted)).fit(X, y)
    loaded = saved(model, path)
    assert_same(loaded, model, X)
    assert loaded.embedder_ is loaded.embedder  # as it was, and its weights are there once
    n_bytes = sum(t.nbytes for t in fitted.pretext_.state_dict().values())
    assert path.stat().st_size < 2 * n_bytes + 3_500_000  # the classifier has most of it


def test_a_fitted_embedder_as_a_parameter_stays_fitted(X, y, fitted, path):
    model = FineTuneClassifier(fitted, **QUICK).fit(X, y)
    loaded = saved(model, path)
    assert_array_equal(loaded.embedder.transform(X), fitted.transform(X))
    assert_array_equal(loaded.fit(X, y).predict_proba(X), model.predict_proba(X))
    loaded = saved(RotNetEmbedder("convnet", init_weights=fitted, max_epochs=0), path)
    assert_array_equal(loaded.init_weights.transform(X), fitted.transform(X))


def test_what_holds_ours_and_is_not_ours_is_refused(X, y, path):
    pipe = make_pipeline(RotNetEmbedder(**SMALL), LogisticRegression(max_iter=1000))
    search = GridSearchCV(pipe, {"rotnetembedder__max_epochs": [0]}, cv=2).fit(X, y)
    with pytest.raises(
        TypeError, match=r"GridSearchCV contains RotNet.*save\(search.best_estimator_"
    ):
        save(search, path)
    assert not path.exists()
    assert_array_equal(saved(search.best_estimator_, path).predict(X), search.predict(X))


# Going on --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "estimator",
    [
        RotNetEmbedder(warm_start=True, **SMALL),
        RotationDecouplingEmbedder(warm_start=True, pu_weighting=True, **SMALL),
        MultiScaleEmbedder(RotationDecouplingEmbedder(warm_start=True, **SMALL)),
    ],
    ids=lambda e: type(e).__name__,
)
def test_training_goes_on(estimator, X, path):
    estimator = clone(estimator).fit(X)
    loaded = saved(estimator, path)
    assert_array_equal(loaded.fit(X).transform(X), estimator.fit(X).transform(X))
    assert loaded.n_epochs_ == estimator.n_epochs_


def test_callbacks_are_left_out(X, path):
    embedder = RotNetEmbedder(callbacks=[EarlyStopping()], **SMALL).fit(X)
    with pytest.warns(UserWarning, match="callbacks of RotNetEmbedder are not saved"):
        save(embedder, path)
    assert load(path).callbacks is None


def test_another_process_with_other_threads(X, fitted, path, tmp_path):
    save(fitted, path)
    np.save(tmp_path / "X.npy", X)
    code = (
        "import sys, numpy as np, torch, sklssl; torch.set_num_threads(2);"
        "np.save(sys.argv[3], sklssl.load(sys.argv[1]).transform(np.load(sys.argv[2])))"
    )
    files = [path, tmp_path / "X.npy", tmp_path / "Z.npy"]
    subprocess.run([sys.executable, "-c", code, *map(str, files)], check=True)
    assert_allclose(np.load(files[2]), fitted.transform(X), atol=1e-5)


@pytest.mark.gpu
def test_trained_on_a_gpu_loaded_on_the_cpu(X, path):
    embedder = RotNetEmbedder(device="cuda", precision="float32", **QUICK).fit(X)
    loaded = saved(embedder, path)
    assert next(loaded.pretext_.parameters()).device.type == "cpu"
    assert_allclose(loaded.set_params(device="cpu").transform(X), embedder.transform(X), atol=1e-4)


def test_the_file_gives_first_weights(X, y, fitted, path):
    pipe = make_pipeline(fitted, LogisticRegression(max_iter=1000)).fit(X, y)
    for estimator in (fitted, pipe):
        save(estimator, path)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            other = RotNetEmbedder("convnet", init_weights=path, max_epochs=0, random_state=7).fit(
                X
            )
        expected = estimator[0] if estimator is pipe else estimator
        assert_array_equal(other.transform(X), expected.transform(X))


@pytest.mark.parametrize("backbone", ["convnet", "resnet18", "resnet50"])
def test_size(backbone, X, path):
    embedder = RotNetEmbedder(backbone, max_epochs=0, random_state=0).fit(X[:4])
    save(embedder, path)
    tensors = embedder.pretext_.state_dict().values()
    assert path.stat().st_size <= sum(tensor.nbytes for tensor in tensors) + 64_000


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
@pytest.mark.parametrize("version", [1])
def test_files_of_every_format_are_read(version, digits, tmp_path):
    (tmp_path / "model").write_bytes(gzip.decompress((DATA / f"format_{version}.gz").read_bytes()))
    pipe = load(tmp_path / "model")
    expected = json.loads((DATA / f"format_{version}.json").read_text())
    X = digits[0][:5]
    assert_allclose(pipe[:-1].transform(X), expected["features"], atol=1e-4)
    assert pipe.predict(X).tolist() == expected["classes"]
    assert pipe[0].n_epochs_ == 1


# The other ways --------------------------------------------------------------------------------


@pytest.mark.parametrize(("compress", "mmap_mode"), [(3, None), (0, "r"), (0, None)])
def test_joblib(X, fitted, tmp_path, compress, mmap_mode):
    joblib.dump(fitted, tmp_path / "model.joblib", compress=compress)
    loaded = joblib.load(tmp_path / "model.joblib", mmap_mode=mmap_mode)
    assert_array_equal(loaded.transform(X), fitted.transform(X))
    loaded.set_params(warm_start=True).fit(X)
    assert loaded.transform(X).shape == fitted.transform(X).shape


def test_requests_for_metadata_come_back(X, y, tmp_path):
    with sklearn.config_context(enable_metadata_routing=True):
        model = FineTuneClassifier("convnet", max_epochs=1).set_fit_request(sample_weight="w")
    sklssl.save(model.fit(X, y), tmp_path / "model")
    assert requests_of(sklssl.load(tmp_path / "model"))["fit"] == {"sample_weight": "w"}


def test_long_names_of_many_bytes(X, tmp_path):
    path = tmp_path / ("字" * 80 + ".st")
    sklssl.save(RotNetEmbedder("convnet", max_epochs=0).fit(X), path)
    assert path.exists()
