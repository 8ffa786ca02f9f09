import pytest
import torch

from sklssl import EMPSSLEmbedder
from sklssl.losses import coding_rate, similarity_to_mean
from tests.embedding._views import QUICK, draw


def test_terms_are_those_of_the_projections(X):
    embedder = EMPSSLEmbedder(n_views=3, projection_dim=8, invariance_weight=2.0, **QUICK).fit(X)
    pretext = embedder.pretext_.eval()
    views, _ = draw(pretext)
    assert len(views) == 3 * 6
    with torch.no_grad():
        terms = pretext(views, None)
        z = torch.stack([pretext.projector(view) for view in views.split(6)])
    rate = sum(coding_rate(view) for view in z) / 3
    torch.testing.assert_close(terms["loss"], -rate - 2 * similarity_to_mean(z))
    torch.testing.assert_close(terms["coding_rate"], rate)


def test_bad_parameters_are_named(X):
    with pytest.raises(ValueError, match="'n_views' parameter of EMPSSLEmbedder .*Got 1"):
        EMPSSLEmbedder(n_views=1, **QUICK).fit(X)
