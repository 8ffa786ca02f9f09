"""Rotation decoupling: the halves of the features, the memory, the weights of ambiguous images."""

import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.testing import assert_allclose, assert_array_equal

from sklssl import MultiScaleEmbedder, RotationDecouplingEmbedder
from sklssl.embedding import _decoupling_tasks
from tests._seed import SEED

both = pytest.mark.parametrize("instance_task", ["nce", "nt_xent"])


def quick(instance_task="nce", **params):
    settings = {"backbone": "convnet", "max_epochs": 1, "random_state": SEED, **params}
    return RotationDecouplingEmbedder(instance_task=instance_task, **settings)


def get_terms(pretext, n_images):
    """Give the terms of a step, and the features (4, b, d) of both halves."""
    images = torch.rand(n_images, 1, 8, 8)
    rng = torch.Generator().manual_seed(SEED)
    views, targets = pretext.views(images, rng, torch.arange(n_images))
    with torch.no_grad():
        features = pretext.backbone(views).mean((2, 3)).unflatten(0, (4, -1))
        return pretext(views, targets), features


@both
def test_rotation_loss_reads_the_first_half_alone(X, instance_task):
    pretext = quick(instance_task).fit(X).pretext_
    terms, features = get_terms(pretext, 5)
    with torch.no_grad():
        logits = pretext.head(features[..., :32])
    losses = [-F.log_softmax(logits[k, i], 0)[k].item() for k in range(4) for i in range(5)]
    assert_allclose(terms["rotation_loss"], np.mean(losses), rtol=1e-5)
    right = [(logits[k, i].argmax() == k).item() for k in range(4) for i in range(5)]
    assert_allclose(terms["accuracy"], np.mean(right), rtol=1e-5)
    parts = [value for name, value in terms.items() if name.endswith("_loss")]
    assert_allclose(terms["loss"], sum(parts), rtol=1e-6)


def test_invariance_is_of_the_second_half(X):
    terms, features = get_terms(quick("nce").fit(X).pretext_, 5)
    second = features[..., 32:]
    assert_allclose(terms["invariance_loss"], second.var(dim=0, correction=0).mean(), rtol=1e-5)


@both
def test_the_rotations_of_a_fit_are_learned(digits, instance_task):
    X, _ = digits
    embedder = quick(instance_task, max_epochs=5).fit(X[:800])
    assert embedder.score(X[800:1400]) > 0.4
    first, last = embedder.history_[0], embedder.history_[-1]
    assert last["rotation_loss"] < first["rotation_loss"]
    assert last["instance_loss"] < first["instance_loss"]


def test_memory_holds_every_row_and_follows_the_features(X):
    embedder = quick("nce", max_epochs=0).fit(X)
    before = embedder.pretext_.bank.clone()
    assert before.shape == (len(X), 128)
    after = quick("nce", max_epochs=1).fit(X).pretext_.bank
    assert (after != before).any(dim=1).all()  # every image was seen
    assert_allclose(after.norm(dim=1), 1, rtol=1e-5)


def test_memory_survives_pickling_and_goes_on(X):
    embedder = quick("nce", warm_start=True).fit(X)
    copy = pickle.loads(pickle.dumps(embedder))
    assert torch.equal(copy.pretext_.bank, embedder.pretext_.bank)
    assert_array_equal(copy.fit(X).transform(X), embedder.fit(X).transform(X))


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_memory_of_other_images_is_refused(X, method):
    embedder = quick("nce", warm_start=True).fit(X)
    Z = embedder.transform(X)
    with pytest.raises(ValueError, match=r"memory of the 40 images.*X has 30.*warm_start=False"):
        getattr(embedder, method)(X[:30])
    assert_array_equal(embedder.transform(X), Z)
    embedder.set_params(warm_start=False).fit(X[:30])
    assert len(embedder.pretext_.bank) == 30


def test_memory_is_renewed_for_the_images_of_the_next_piece(X):
    embedder = quick("nce", max_epochs=3, learning_rate=1e-6).fit(X[:20])
    old = embedder.pretext_.bank.clone()
    pretext = embedder.partial_fit(X[20:]).pretext_
    with torch.no_grad():
        images = torch.from_numpy(X[20:]).permute(0, 3, 1, 2) / 255
        z = F.normalize(pretext.embed_instances(images), dim=1)
    # Half of what is remembered is of shifted images, with the batch's own statistics.
    assert (z * pretext.bank).sum(dim=1).mean() > 0.6
    assert (z * old).sum(dim=1).mean() < 0.3


def test_nt_xent_goes_on_with_any_images(X):
    embedder = quick("nt_xent", warm_start=True).fit(X).fit(X[:30]).partial_fit(X[:20])
    assert embedder.n_epochs_ == 3


def test_score_takes_other_images_than_the_memory(digits, X):
    assert 0 <= quick("nce").fit(X).score(digits[0][100:200]) <= 1


@pytest.mark.parametrize(
    ("embed", "weighted"),
    [
        (lambda e: e, [*[False] * 9, True]),
        (lambda e: MultiScaleEmbedder(e), [*[False] * 18, True, True]),
    ],
)
def test_pu_weights_set_in_in_the_last_seventh_of_all_epochs(X, monkeypatch, embed, weighted):
    seen = []

    def estimate(features):
        seen.append(features.shape)
        return np.zeros((4, len(features)), dtype=np.float32)

    monkeypatch.setattr(_decoupling_tasks, "estimate_pu_weights", estimate)
    embedder = embed(quick("nt_xent", max_epochs=10, pu_weighting=True)).fit(X)
    assert seen == [(len(X), 4, 32)]
    assert [row["rotation_loss"] == 0 for row in embedder.history_] == weighted


def test_pu_weights_come_from_the_networks_own_rotation_features(X):
    pretext = quick("nt_xent", max_epochs=10, pu_weighting=True).fit(X).pretext_
    assert pretext.pu_weights.shape == (4, len(X))
    assert (pretext.pu_weights[0] == 1).all()
    assert 0 < pretext.pu_weights[1:].min() < 1
    assert quick("nt_xent", max_epochs=10).fit(X).pretext_.pu_weights is None


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"instance_task": "ntxent"}, "'instance_task' parameter of RotationDecoupling.*'ntxent'"),
        ({"temperature": 0}, "'temperature' parameter of RotationDecouplingEmbedder .*Got 0"),
        ({"pu_weighting": "yes"}, "'pu_weighting' parameter of RotationDecoupling.*'yes'"),
    ],
)
def test_bad_parameters_are_named(X, params, message):
    embedder = quick(**params)
    with pytest.raises(ValueError, match=message):
        embedder.fit(X)
    assert not hasattr(embedder, "pretext_")


def test_images_must_be_square():
    with pytest.raises(ValueError, match="RotationDecouplingEmbedder rotates images"):
        quick().fit(np.zeros((4, 8, 12)))
