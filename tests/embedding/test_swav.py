import numpy as np
import pytest
import torch

from sklssl import SwAVEmbedder
from sklssl.backbones import Backbone
from sklssl.losses import sinkhorn
from tests.embedding._views import QUICK, draw, unit


@pytest.fixture
def pretext(X):
    return (
        SwAVEmbedder(n_prototypes=5, n_small_views=2, projection_dim=8, **QUICK)
        .fit(X)
        .pretext_.eval()
    )


def test_views_are_two_large_ones_and_small_ones(pretext):
    views, targets = draw(pretext, side=32)
    assert targets is None
    assert [(len(view), view.shape[2]) for view in views] == [(12, 32), (12, 16)]
    assert [view.shape[2] for view in draw(pretext, side=8)[0]] == [8, 8]


def test_small_views_are_as_large_as_the_network_needs(X):
    def demanding(in_channels, image_size):
        return Backbone({"conv": torch.nn.Conv2d(in_channels, 4, 13)}, in_channels, image_size)

    params = {**QUICK, "backbone": demanding, "image_size": 16}
    pretext = SwAVEmbedder(n_prototypes=5, n_small_views=1, **params).fit(X).pretext_
    assert [view.shape[2] for view in draw(pretext, side=16)[0]] == [16, 13]


def test_loss_against_a_slow_loop(pretext):
    views, _ = draw(pretext)
    with torch.no_grad():
        loss = pretext(views, None)["loss"].item()
        z = [unit(pretext.projector(view)) for same in views for view in same.split(6)]
    prototypes = unit(pretext.prototypes.weight.detach())
    slow = []
    for i in range(2):
        shares = sinkhorn(torch.tensor(z[i] @ prototypes.T), 0.05).numpy()
        for j in range(4):
            if i == j:
                continue
            scores = z[j] @ prototypes.T / 0.1
            logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
            slow.append(-(shares * logs).sum(axis=1).mean())
    assert loss == pytest.approx(np.mean(slow), rel=1e-3)


def test_no_gradient_through_the_assignment(pretext):
    views, _ = draw(pretext)
    pretext(views, None)["loss"].backward()
    assert pretext.prototypes.weight.grad.abs().max() > 0


def test_bad_parameters_are_named(X):
    with pytest.raises(ValueError, match="'n_prototypes' parameter of SwAVEmbedder .*Got 1"):
        SwAVEmbedder(n_prototypes=1, **QUICK).fit(X)
