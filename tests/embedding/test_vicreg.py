import pytest
import torch

from sklssl import VICRegEmbedder
from sklssl.losses import vicreg
from tests.embedding._views import QUICK, draw


def test_terms_are_those_of_the_projections(X):
    embedder = VICRegEmbedder(projection_dim=8, covariance_weight=3.0, **QUICK).fit(X)
    pretext = embedder.pretext_
    views, _ = draw(pretext)
    with torch.no_grad():
        expected = vicreg(*map(pretext.projector, views), covariance_weight=3.0)
        torch.testing.assert_close(pretext(views, None), expected)
    assert {"invariance_loss", "variance_loss", "covariance_loss"} < embedder.history_[0].keys()


def test_chance_is_the_loss_of_constant_features(X):
    pretext = VICRegEmbedder(**QUICK).fit(X).pretext_
    loss = vicreg(torch.zeros(8, 4), torch.zeros(8, 4))["loss"].item()
    assert pretext.chance_loss(8) == pytest.approx(loss, rel=0.02)


def test_bad_parameters_are_named(X):
    with pytest.raises(ValueError, match="'variance_weight' parameter of VICRegEmbedder .*Got 0"):
        VICRegEmbedder(variance_weight=0, **QUICK).fit(X)
