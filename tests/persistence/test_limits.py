"""What is not of sklssl has to be trusted, and what cannot come back is not saved."""

import errno
import os
from functools import partial

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from scipy.sparse import csr_matrix
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from sklssl import ImageResizer, MultiScaleEmbedder, RotNetEmbedder, SimCLREmbedder, load, save
from sklssl._storage import state_file
from sklssl.exceptions import StateFileError
from sklssl.persistence import _estimators as estimators
from tests import _own_method
from tests._own_method import KeptTensorEmbedder, MeanEmbedder, double, small_net

QUICK = {"max_epochs": 1, "random_state": 0}
pytestmark = pytest.mark.filterwarnings("ignore::sklssl.exceptions.CollapseWarning")


@pytest.fixture(scope="module")
def fitted(X):
    return RotNetEmbedder("convnet", **QUICK).fit(X)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model"


def assert_same(loaded, estimator, X):
    assert loaded.get_params(deep=False).keys() == estimator.get_params(deep=False).keys()
    assert loaded.history_ == estimator.history_
    assert_array_equal(loaded.transform(X), estimator.transform(X))


# Methods and networks of one's own -------------------------------------------------------------


def test_a_method_of_ones_own(X, path):
    embedder = MeanEmbedder(width=5, random_state=0).fit(X)
    save(embedder, path)
    with pytest.raises(
        StateFileError, match=r"_own_method:MeanEmbedder'.*trusted=\[MeanEmbedder\]"
    ):
        load(path)
    loaded = load(path, trusted=[MeanEmbedder])
    assert_same(loaded, embedder, X)
    assert loaded.note_ == "made"
    assert_array_equal(loaded.pretext_.memory, torch.arange(len(X)))
    two_scales = MultiScaleEmbedder(embedder).fit(X)
    save(two_scales, path)
    assert_same(load(path, trusted=[MeanEmbedder]), two_scales, X)


@pytest.mark.parametrize(
    "backbone", [small_net, partial(small_net, width=6)], ids=["function", "partial"]
)
def test_a_network_of_ones_own(backbone, X, path):
    embedder = RotNetEmbedder(backbone, **QUICK).fit(X)
    save(embedder, path)
    _own_method.CALLS.clear()
    with pytest.raises(StateFileError, match=r"_own_method:small_net'.*trusted=\[small_net\]"):
        load(path)
    assert not _own_method.CALLS
    assert_same(load(path, trusted=[small_net]), embedder, X)


def test_a_script_becomes_a_module(X, path, monkeypatch):
    monkeypatch.setattr(small_net, "__module__", "__main__")
    save(RotNetEmbedder(small_net, **QUICK).fit(X), path)
    monkeypatch.undo()
    assert load(path, trusted=[small_net]).backbone is small_net


def test_functions_that_skops_does_not_trust(X, path):
    pipe = make_pipeline(RotNetEmbedder("convnet", **QUICK), FunctionTransformer(double)).fit(X)
    save(pipe, path)
    with pytest.raises(
        StateFileError, match=r"it refers to \['tests._own_method.double'\].*trusted"
    ):
        load(path)
    assert_array_equal(load(path, trusted=[double]).transform(X), pipe.transform(X))


def test_trusted_are_classes_and_functions(fitted, path):
    save(fitted, path)
    with pytest.raises(TypeError, match="must contain classes and functions. Got 'os.system'"):
        load(path, trusted=["os.system"])


# What cannot be saved --------------------------------------------------------------------------


def test_what_has_no_name_is_refused(path):
    def local(in_channels, image_size):
        return small_net(in_channels, image_size)

    for backbone in (local, lambda in_channels, image_size: None, partial(local)):
        with pytest.raises(TypeError, match="parameter 'backbone' of RotNetEmbedder.*no name"):
            save(RotNetEmbedder(backbone), path)
    with pytest.raises(
        TypeError,
        match="parameter 'image_shape' of ImageResizer: .*has a type that cannot be saved",
    ):
        save(make_pipeline(ImageResizer(image_shape=[object()])), path)
    assert not path.exists()


def test_what_no_longer_goes_together_is_refused(X, y, path):
    embedder = RotNetEmbedder("convnet", **QUICK).fit(X).set_params(backbone="resnet8")
    with pytest.raises(ValueError, match=r"'pretext_' cannot be rebuilt.*must be the same"):
        save(embedder, path)
    with pytest.raises(ValueError, match="'max_epochs' parameter of RotNetEmbedder"):
        save(RotNetEmbedder(max_epochs=-1), path)
    with pytest.raises(ValueError, match="has a tensor 'scale'.*register_buffer"):
        save(KeptTensorEmbedder(random_state=0).fit(X), path)
    embedder = RotNetEmbedder("convnet", **QUICK)
    embedder.note = "mine"
    with pytest.raises(ValueError, match="RotNetEmbedder has no attribute 'note'"):
        save(embedder, path)
    with pytest.raises(TypeError, match="save expects an estimator.*Got 'convnet'"):
        save("convnet", path)
    assert not path.exists()


@pytest.mark.parametrize(
    "hide", [FrozenEstimator, lambda pipe: FrozenEstimator(FrozenEstimator(pipe))]
)
@pytest.mark.parametrize("wrap", [FixedThresholdClassifier, lambda e: VotingClassifier([("a", e)])])
def test_ours_hidden_in_one_of_theirs_is_refused(wrap, hide, X, y, path):
    probe = LogisticRegression(max_iter=1000)
    pipe = make_pipeline(RotNetEmbedder(**QUICK), probe).fit(X, y > 4)
    model = wrap(hide(pipe)).fit(X.reshape(len(X), -1), y > 4)
    with pytest.raises(TypeError, match="contains RotNetEmbedder, but is saved with skops, which"):
        save(model, path)
    assert list(path.parent.iterdir()) == []


def test_ours_that_one_of_theirs_has_learned_is_refused(X, fitted, path):
    model = FunctionTransformer().fit(X)
    model.helper_ = fitted
    with pytest.raises(TypeError, match="FunctionTransformer contains RotNetEmbedder"):
        save(model, path)


@pytest.mark.parametrize(
    ("where", "what", "limit", "message"),
    [
        (estimators, "_MAX_UNPACKED_BYTES", 10, "sparse matrix that is too large"),
        (state_file, "_MAX_HEADER", 10, "header"),
    ],
)
def test_what_load_would_refuse_is_not_saved(
    where, what, limit, message, X, path, monkeypatch, fitted
):
    """Whatever the reason: here the limits of what is read, lowered."""
    path.write_text("before")
    onehot = OneHotEncoder().fit(X[:, 3, 3])
    onehot.sparse_ = csr_matrix(np.eye(5))
    monkeypatch.setattr(where, what, limit)
    with pytest.raises(TypeError, match=f"Pipeline was not saved, because load.*{message}"):
        save(make_pipeline(fitted, onehot), path)
    assert path.read_text() == "before"
    assert list(path.parent.iterdir()) == [path]


def test_bad_paths(fitted, tmp_path):
    with pytest.raises(IsADirectoryError, match=str(tmp_path)):
        save(fitted, tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere'"):
        save(fitted, tmp_path / "nowhere" / "model")
    with pytest.raises(FileNotFoundError, match="nothing"):
        load(tmp_path / "nothing")
    with pytest.raises(StateFileError, match="it is not a regular file"):
        load(tmp_path)
    (tmp_path / "text").write_text("Dear reader")
    with pytest.raises(StateFileError, match="corrupt, or not a file of sklssl"):
        load(tmp_path / "text")


def test_a_full_disk_leaves_the_file_that_was_there(X, fitted, path, monkeypatch):
    save(fitted, path)
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save(SimCLREmbedder("convnet", **QUICK).fit(X), path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
