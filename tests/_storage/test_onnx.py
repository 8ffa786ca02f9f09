"""The graph of ONNX computes what transform computes."""

import errno
import importlib.util
import operator
import os

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.exceptions import NotFittedError

from sklssl import MultiScaleEmbedder, RotNetEmbedder, SimCLREmbedder

onnxruntime = pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")

SETTINGS = {"max_epochs": 0, "precision": "float32", "random_state": 0}
pytestmark = pytest.mark.filterwarnings("ignore::sklssl.exceptions.CollapseWarning")


@pytest.fixture(scope="module")
def colours():
    return np.random.default_rng(0).integers(0, 256, (6, 36, 36, 3), dtype=np.uint8)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "embedder.onnx"


def assert_same_features(embedder, X, path):
    before, weights = embedder.transform(X), list(embedder.pretext_.parameters())
    embedder.export_onnx(path)
    assert os.listdir(path.parent) == [path.name]  # one file
    onnx.checker.check_model(path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (taken,), (given,) = session.get_inputs(), session.get_outputs()
    assert (taken.name, taken.type, taken.shape[1:]) == ("images", "tensor(float)", [*X.shape[1:]])
    assert given.name == "features"
    expected = embedder.transform(X)
    assert expected.tobytes() == before.tobytes()  # the embedder stays as it was
    assert all(map(operator.is_, embedder.pretext_.parameters(), weights))
    for n in (1, 3, len(X)):
        (Z,) = session.run(None, {"images": X[:n].astype(np.float32)})
        assert Z.dtype == np.float32
        assert_allclose(Z, expected[:n], atol=1e-4)


# Each export takes seconds, so each has several things to get right.
def test_a_layer_of_images_that_are_made_larger(colours, path):
    params = {"backbone": "resnet8", "pool_size": 1, "image_size": 48}
    assert_same_features(RotNetEmbedder(**params, **SETTINGS).fit(colours), colours, path)


def test_a_layer_of_floats_of_another_shape_that_are_made_smaller(colours, path):
    X = (colours / np.float32(100) - 1)[:, :30, :20]
    params = {"backbone": "convnet", "layer": "block2", "pool_size": 4, "image_size": 12}
    assert_same_features(SimCLREmbedder(**params, **SETTINGS).fit(X), X, path)


def test_all_orientations_of_small_images_that_are_enlarged(X, path):
    X = X[:, 2:6, 1:6]
    params = {"backbone": "convnet", "layer": "block1", "symmetry": "all", "image_size": 8}
    assert_same_features(RotNetEmbedder(**params, **SETTINGS).fit(X), X, path)


def test_multiscale(X, path):
    embedder = MultiScaleEmbedder(RotNetEmbedder("convnet", **{**SETTINGS, "max_epochs": 1})).fit(X)
    assert_same_features(embedder, X, path)


def test_errors(X, tmp_path, monkeypatch):
    path = tmp_path / "embedder.onnx"
    for embedder in (RotNetEmbedder(), MultiScaleEmbedder(RotNetEmbedder())):
        with pytest.raises(NotFittedError):
            embedder.export_onnx(path)
    embedder = RotNetEmbedder(**SETTINGS).fit(X)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        embedder.export_onnx(tmp_path / "nowhere" / "file")
    path.write_text("before")

    def full(*args, **settings):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(torch.onnx, "export", full)
        with pytest.raises(OSError, match="No space left"):
            embedder.export_onnx(path)
    with monkeypatch.context() as patch:
        patch.setattr("sklssl._storage.onnx._MAX_BYTES", 1000)
        with pytest.raises(ValueError, match="bytes of weights.*limited to 2 GiB"):
            embedder.export_onnx(path)
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnxscript" else find(name)
    )
    with pytest.raises(ImportError, match=r'needs onnxscript.*pip install "sklssl\[onnx\]"'):
        embedder.export_onnx(path)
    monkeypatch.undo()
    monkeypatch.setattr("onnxscript.__version__", "0.6.2")
    with pytest.raises(ImportError, match=r"needs onnxscript>=0.7\. Install"):
        embedder.export_onnx(path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
