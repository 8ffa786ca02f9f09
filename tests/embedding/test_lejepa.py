import pytest
import torch

from sklssl import LeJEPAEmbedder
from sklssl.losses import gaussian_distance
from tests.embedding._views import QUICK, draw


def test_terms_against_a_slow_loop(X):
    embedder = LeJEPAEmbedder(n_small_views=1, projection_dim=8, gaussian_weight=0.2, **QUICK)
    pretext = embedder.fit(X).pretext_.eval()
    views, directions = draw(pretext)
    assert directions.shape == (8, 256)
    with torch.no_grad():
        terms = pretext(views, directions)
        z = [pretext.projector(view) for same in views for view in same.split(6)]
    centre = (z[0] + z[1]) / 2
    prediction = sum(((one - centre) ** 2).mean() for one in z) / 3
    distance = sum(gaussian_distance(one, directions) for one in z) / 3
    torch.testing.assert_close(terms["loss"], 0.8 * prediction + 0.2 * distance)


def test_chance_is_the_loss_of_constant_features(X):
    pretext = LeJEPAEmbedder(gaussian_weight=0.2, **QUICK).fit(X).pretext_
    distance = gaussian_distance(torch.zeros(9, 4), torch.randn(4, 3)).item()
    assert pretext.chance_loss(9) == pytest.approx(0.2 * distance, rel=1e-3)


def test_directions_differ_from_step_to_step(X):
    pretext = LeJEPAEmbedder(**QUICK).fit(X).pretext_
    rng = torch.Generator().manual_seed(0)
    images = torch.rand(4, 1, 8, 8)
    (_, first), (_, second) = (pretext.views(images, rng, None) for _ in range(2))
    assert not torch.equal(first, second)


def test_bad_parameters_are_named(X):
    with pytest.raises(ValueError, match="'gaussian_weight' parameter of LeJEPAEmbedder .*Got 1"):
        LeJEPAEmbedder(gaussian_weight=1, **QUICK).fit(X)
