"""Slips of an author: each is named in the first step, with what to do about it."""

import pytest
import torch
from torch import nn

from sklssl import BaseEmbedder, Pretext
from sklssl._training import loop
from sklssl.backbones import pool_map


class SlippingPretext(Pretext):
    """Returns what its embedder says."""

    def __init__(self, backbone, give, make):
        super().__init__(backbone)
        self.give, self.make = give, make

    def views(self, images, rng, index):
        return self.make(images)

    def forward(self, views, targets):
        return self.give(pool_map(self.backbone(views)).square())


class SlippingEmbedder(BaseEmbedder):
    def __init__(self, give=lambda z: {"loss": z.mean()}, make=lambda x: (x, None)):
        super().__init__("convnet", max_epochs=1, random_state=0)
        self.give, self.make = give, make

    def _make_pretext(self, backbone):
        return SlippingPretext(backbone, self.give, self.make)


TERMS = (
    r"SlippingPretext\.forward must return a dict of scalar tensors by name, of which 'loss' is "
    r"minimised\. Got "
)


@pytest.mark.parametrize(
    ("give", "error", "message"),
    [
        (lambda z: z.mean(), TypeError, r"a tensor of shape \(\)\. Return \{'loss': loss\}\."),
        (lambda z: None, TypeError, r"None\. Return"),
        (lambda z: (z.mean(), z.mean()), TypeError, r"a tuple of 2\. Return"),
        (lambda z: {"mse": z.mean()}, ValueError, r"the names \['mse'\]\. Call .* 'loss'\."),
        (lambda z: {}, ValueError, r"the names \[\]"),
        (lambda z: {"loss": z}, TypeError, r"a tensor of shape \(20, 64\) for 'loss'\. Average"),
        (
            lambda z: {"loss": z.mean(), "n": 3},
            TypeError,
            r"an int for 'n'\. Average .*leave it out",
        ),
        (lambda z: {"loss": z.mean(), 3: z.mean()}, TypeError, r"a tensor of shape \(\) for 3\."),
    ],
)
def test_terms(X, give, error, message):
    with pytest.raises(error, match=TERMS + message):
        SlippingEmbedder(give).fit(X[:20])


def test_a_loss_without_gradient(X):
    with pytest.raises(ValueError, match=r"forward must return a 'loss' with a gradient.*detach"):
        SlippingEmbedder(lambda z: {"loss": z.detach().mean()}).fit(X)


@pytest.mark.parametrize("name", ["epoch", "scale", "learning_rate", "duration", "batches"])
def test_names_that_rows_have_anyway(X, monkeypatch, name):
    with pytest.raises(ValueError, match=rf"SlippingPretext\.forward .* Got '{name}'\. Rename"):
        SlippingEmbedder(lambda z: {"loss": z.mean(), name: z.mean()}).fit(X)
    monkeypatch.setattr(SlippingPretext, "after_epoch", lambda task: {name: 1.0})
    with pytest.raises(ValueError, match=rf"SlippingPretext\.after_epoch .* Got '{name}'"):
        SlippingEmbedder().fit(X)


@pytest.mark.parametrize(
    ("make", "came"),
    [
        (lambda x: x, r"a tensor of shape \(20, 1, 8, 8\)"),
        (lambda x: x[:2], r"a tensor of shape \(2, 1, 8, 8\)"),  # which would come apart in two
        (lambda x: [x, x], "a list of 2"),
        (lambda x: (x, x, None), "a tuple of 3"),
        (lambda x: None, "None"),
    ],
)
def test_views(X, make, came):
    message = rf"SlippingPretext\.views must return a tuple \(views, targets\).*Got {came}\. Where"
    with pytest.raises(TypeError, match=message):
        SlippingEmbedder(make=make).fit(X[:20])


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (None, r"Got None\. End it with a 'return'"),
        (nn.Identity(), r"Got an Identity\. Derive the task from sklssl\.Pretext"),
    ],
)
def test_the_task(X, made, message):
    class ForgetfulEmbedder(BaseEmbedder):
        def _make_pretext(self, backbone):
            return made

    expected = r"ForgetfulEmbedder\._make_pretext must return the task to train, a Pretext\. "
    with pytest.raises(TypeError, match=expected + message):
        ForgetfulEmbedder("convnet").fit(X)


def test_a_compiled_task_is_named_too(X, monkeypatch):
    original = torch.compile
    monkeypatch.setattr(torch, "compile", lambda module, **_: original(module, backend="eager"))
    embedder = SlippingEmbedder(lambda z: z.mean())
    embedder.compile = True
    with pytest.raises(TypeError, match=TERMS):
        embedder.fit(X)


def test_the_first_step_alone_is_checked(X, monkeypatch):
    checked = []
    monkeypatch.setattr(loop, "check_terms", lambda pretext, terms: checked.append(terms))
    embedder = SlippingEmbedder()
    embedder.max_epochs, embedder.batch_size = 3, 10
    embedder.fit(X)
    assert len(checked) == 1
