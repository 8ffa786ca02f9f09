import pytest
import torch

from sklssl import BarlowTwinsEmbedder
from sklssl.losses import barlow_twins
from tests.embedding._views import QUICK, draw


def test_loss_is_that_of_the_projections(X):
    embedder = BarlowTwinsEmbedder(projection_dim=8, off_diagonal_weight=0.1, **QUICK).fit(X)
    pretext = embedder.pretext_
    views, targets = draw(pretext)
    assert targets is None
    assert not torch.equal(*views)
    with torch.no_grad():
        expected = barlow_twins(*map(pretext.projector, views), 0.1)
        torch.testing.assert_close(pretext(views, None)["loss"], expected)


def test_chance_is_the_loss_of_independent_features(X):
    pretext = BarlowTwinsEmbedder(projection_dim=16, **QUICK).fit(X).pretext_
    rng = torch.Generator().manual_seed(0)
    losses = [
        barlow_twins(*torch.randn(2, 32, 16, generator=rng), pretext.off_diagonal_weight)
        for _ in range(50)
    ]
    assert pretext.chance_loss(32) == pytest.approx(torch.stack(losses).mean().item(), rel=0.05)


def test_bad_parameters_are_named(X):
    message = "'off_diagonal_weight' parameter of BarlowTwinsEmbedder .*Got -1"
    with pytest.raises(ValueError, match=message):
        BarlowTwinsEmbedder(off_diagonal_weight=-1, **QUICK).fit(X)
