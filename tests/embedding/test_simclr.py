"""SimCLR: its views, its loss, its memory of colours and crops."""

from functools import partial

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from sklssl import MultiScaleEmbedder, SimCLREmbedder
from tests import _estimators
from tests._seed import SEED

quick = partial(_estimators.quick, SimCLREmbedder, batch_size=16)


def test_views_are_two_of_every_image(X):
    pretext = quick(crop_scale=(1.0, 1.0), jitter_strength=0.0, horizontal_flip=False).fit(X)
    images = torch.rand(5, 1, 8, 8)
    views, targets = pretext.pretext_.views(images, torch.Generator().manual_seed(SEED), None)
    assert targets is None
    assert views.shape == (10, 1, 8, 8)
    # With every change switched off but the aspect of the crop, a view of the whole image.
    views, _ = quick().fit(X).pretext_.views(images, torch.Generator().manual_seed(SEED), None)
    assert not torch.equal(views[:5], views[5:])


def test_loss_and_accuracy_against_a_slow_loop(X):
    pretext = quick(temperature=0.3).fit(X).pretext_
    views = torch.rand(8, 1, 8, 8)
    with torch.no_grad():
        terms = pretext(views, None)
        z = pretext.head(pretext.backbone(views).mean((2, 3))).numpy()
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    losses, correct = [], []
    for i in range(8):
        partner = (i + 4) % 8
        scores = {k: z[i] @ z[k] / 0.3 for k in range(8) if k != i}
        losses.append(-scores[partner] + np.log(sum(np.exp(s) for s in scores.values())))
        correct.append(max(scores, key=scores.get) == partner)
    assert_allclose(terms["loss"], np.mean(losses), rtol=1e-5)
    assert_allclose(terms["accuracy"], np.mean(correct))


def test_knows_the_views_of_images_it_has_not_seen(digits):
    X, _ = digits
    params = {"batch_size": 128, "horizontal_flip": False, "crop_scale": (0.5, 1.0)}
    embedder = quick(max_epochs=8, **params).fit(X[:800])
    untrained = quick(max_epochs=0, **params).fit(X[:800])
    assert embedder.history_[-1]["accuracy"] > 2 * embedder.history_[0]["accuracy"]
    assert embedder.score(X[800:1600]) > 2 * untrained.score(X[800:1600])


def test_the_rate_warms_up_and_falls(X):
    embedder = quick(max_epochs=20, batch_size=8, learning_rate=0.002).fit(X[:16])
    rates = [row["learning_rate"] for row in embedder.history_]
    assert rates[0] < rates[2] == 0.002
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert rates[-1] < 0.0002


def test_images_need_not_be_square():
    X = np.random.default_rng(SEED).integers(0, 256, (12, 10, 16, 3), dtype=np.uint8)
    assert quick().fit(X).transform(X).shape[0] == 12


def test_two_images_are_enough(X):
    assert np.isfinite(quick().fit(X[:2]).history_[0]["loss"])


def test_multi_scale_simclr_trains_at_the_papers_scales_and_rates(X):
    embedder = MultiScaleEmbedder(quick()).fit(X)
    assert [(row["scale"]) for row in embedder.history_] == [0.5, 1.0]
    single = clone(embedder).set_params(scales=[1.0]).fit(X)
    assert_array_equal(single.transform(X), quick().fit(X).transform(X))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"temperature": 0}, "'temperature' parameter of SimCLREmbedder must be .*Got 0"),
        ({"batch_size": 1}, "'batch_size' parameter of SimCLREmbedder .*Got 1"),
        ({"projection_dim": 0}, "'projection_dim' parameter of SimCLREmbedder .*Got 0"),
        ({"jitter_strength": 2.0}, "'jitter_strength' parameter of SimCLREmbedder .*Got 2"),
        ({"crop_scale": (0.5, 0.2)}, "'crop_scale' parameter of SimCLREmbedder: .*low <= high"),
        ({"crop_scale": (0, 1)}, r"'crop_scale' parameter .*Got \(0, 1\)"),
        ({"crop_scale": (0.2, 1.5)}, "'crop_scale' parameter .*high <= 1"),
        ({"crop_scale": 0.2}, "'crop_scale' parameter of SimCLREmbedder"),
        ({"crop_scale": (0.2, "1")}, "'crop_scale' parameter of SimCLREmbedder"),
    ],
)
def test_bad_parameters_are_named(X, params, message):
    embedder = quick(**params)
    with pytest.raises(ValueError, match=message):
        embedder.fit(X)
    assert not hasattr(embedder, "pretext_")


def test_one_image_is_too_few(X):
    with pytest.raises(ValueError, match="minimum of 2 is required by SimCLREmbedder"):
        quick().fit(X[:1])
