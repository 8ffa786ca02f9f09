import pytest
import torch

from sklssl import DeepInfoMaxEmbedder
from sklssl.losses import local_infomax
from tests.embedding._views import QUICK, draw


def test_parts_are_the_places_of_the_stage_before_the_last(X):
    embedder = DeepInfoMaxEmbedder(projection_dim=8, **QUICK).fit(X)
    pretext = embedder.pretext_.eval()
    assert pretext.local_layer == embedder.layer_names_[-2]
    views, _ = draw(pretext)
    with torch.no_grad():
        terms = pretext(views, None)
        maps = pretext.backbone.maps(views)
        local = pretext.local_head(maps[pretext.local_layer]).flatten(2).transpose(1, 2)
        whole = pretext.whole_head(maps[embedder.layer_names_[-1]].mean((2, 3)))
    loss, accuracy = local_infomax(local, whole)
    torch.testing.assert_close(terms["loss"], loss)
    torch.testing.assert_close(terms["accuracy"], accuracy)


def test_bad_parameters_are_named(X):
    message = "'projection_dim' parameter of DeepInfoMaxEmbedder .*Got 0"
    with pytest.raises(ValueError, match=message):
        DeepInfoMaxEmbedder(projection_dim=0, **QUICK).fit(X)
