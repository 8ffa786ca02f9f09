import pytest
import torch

from sklssl import SimSiamEmbedder
from sklssl.exceptions import CollapseWarning
from tests.embedding._views import QUICK, draw, unit


def test_loss_and_spread_against_a_slow_loop(X):
    pretext = SimSiamEmbedder(projection_dim=8, **QUICK).fit(X).pretext_.eval()
    views, _ = draw(pretext)
    with torch.no_grad():
        terms = pretext(views, None)
        z = [pretext.projector(view) for view in views]
        p = [unit(pretext.predictor(one)) for one in z]
    z = [unit(one) for one in z]
    losses = [-(p[a][i] @ z[b][i]) for a, b in ((0, 1), (1, 0)) for i in range(6)]
    assert terms["loss"].item() == pytest.approx(sum(losses) / 12, rel=1e-4)
    spread = sum(z[0][:, k].std() for k in range(8)) / 8 * 8**0.5
    assert terms["spread"].item() == pytest.approx(spread, rel=1e-4)


def test_collapse_is_told(X):
    # Images that are all the same leave no other way.
    X = X[:1].repeat(20, axis=0)
    with pytest.warns(CollapseWarning):
        SimSiamEmbedder(**QUICK).set_params(crop_scale=(1.0, 1.0), jitter_strength=0.0).fit(X)


def test_bad_parameters_are_named(X):
    with pytest.raises(ValueError, match="'projection_dim' parameter of SimSiamEmbedder .*Got 0"):
        SimSiamEmbedder(projection_dim=0, **QUICK).fit(X)
