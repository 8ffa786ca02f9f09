"""Patch RotNet and Patch RelNet: views, losses, patches that are no patches."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.testing import assert_allclose

from sklssl import MultiScaleEmbedder, PatchRelEmbedder, PatchRotEmbedder
from sklssl.embedding._patches import draw_places, paste, rotate_and_patch
from tests._estimators import quick
from tests._seed import SEED

both = pytest.mark.parametrize("cls", [PatchRotEmbedder, PatchRelEmbedder])


def test_views_are_four_rotations_and_four_patched_images():
    images = torch.rand(3, 2, 10, 10)
    places = torch.tensor([[0, 0], [6, 6], [2, 5]])
    views, targets = rotate_and_patch(images, 4, places)
    assert views.shape == (24, 2, 10, 10)
    assert targets.tolist() == [k for k in range(8) for _ in range(3)]
    for i in range(3):
        top, left = places[i]
        for k in range(4):
            turned = torch.rot90(images[i], k, dims=(1, 2))
            assert torch.equal(views[3 * k + i], turned)
            patch = F.interpolate(turned[None], (4, 4), mode="bilinear", antialias=True)[0]
            expected = images[i].clone()
            expected[:, top : top + 4, left : left + 4] = patch
            assert torch.equal(views[3 * (k + 4) + i], expected)


def test_every_image_draws_its_own_place_inside():
    places = draw_places(4000, 10, 4, torch.Generator().manual_seed(SEED))
    assert places.min() == 0
    assert places.max() == 6
    counts = torch.bincount(7 * places[:, 0] + places[:, 1], minlength=49)
    assert counts.min() > 40  # of 82 expected
    images = torch.zeros(2, 1, 10, 10)
    pasted = paste(images, torch.ones(2, 1, 4, 4), places[:2])
    assert pasted.sum() == 32
    assert images.sum() == 0


def test_patch_rotation_against_a_slow_loop(X):
    pretext = quick(PatchRotEmbedder).fit(X).pretext_
    views, targets = pretext.views(
        torch.rand(3, 1, 8, 8), torch.Generator().manual_seed(SEED), None
    )
    with torch.no_grad():
        terms = pretext(views, targets)
        logits = [pretext.head(pretext.backbone(view[None]).mean((2, 3)))[0] for view in views]
    chances = [torch.softmax(row, 0)[target] for row, target in zip(logits, targets, strict=True)]
    right = [row.argmax() == target for row, target in zip(logits, targets, strict=True)]
    assert_allclose(terms["loss"], -np.mean(np.log(chances)), rtol=1e-5)
    assert_allclose(terms["accuracy"], np.mean(right))


def test_patch_relation_against_a_slow_loop(X):
    pretext = quick(PatchRelEmbedder).fit(X).pretext_
    views, targets = pretext.views(
        torch.rand(3, 1, 8, 8), torch.Generator().manual_seed(SEED), None
    )
    with torch.no_grad():
        terms = pretext(views, targets)
        z = pretext.output(pretext.backbone(views).mean((2, 3)))
        losses = []
        for k in range(4):
            for i in range(3):
                logits = pretext.head(torch.cat([z[3 * k + i], z[3 * (k + 4) + i]]))
                losses.append(-torch.log_softmax(logits, 0)[k].item())
    assert_allclose(terms["loss"], np.mean(losses), rtol=1e-5)


@both
def test_64_outputs_whatever_the_network(X, cls):
    assert isinstance(quick(cls).fit(X).pretext_.output, torch.nn.Identity)  # 64 of its own
    output = quick(cls, backbone="nin3", max_epochs=0).fit(X).pretext_.output
    assert (output.in_features, output.out_features) == (192, 64)
    small = quick(cls, backbone="resnet8", layer="layer3", pool_size=1).fit(X)
    assert small.transform(X).shape == (len(X), 64)


@pytest.mark.parametrize(("cls", "chance"), [(PatchRotEmbedder, 1 / 8), (PatchRelEmbedder, 1 / 4)])
def test_solves_the_task_on_images_it_has_not_seen(digits, cls, chance):
    X, _ = digits
    embedder = quick(cls, max_epochs=4).fit(X[:800])
    assert embedder.score(X[800:1400]) > 1.8 * chance


@both
@pytest.mark.parametrize(
    ("patch_ratio", "message"),
    [
        (0.05, r"'patch_ratio' parameter of {}: 0.05 of 8 pixels leaves no pixel.*between"),
        (0.99, r"'patch_ratio' parameter of {}: 0.99 of 8 pixels fills the image.*between"),
        (1.0, r"'patch_ratio' parameter of {} must be .*Got 1.0"),
        (0, r"'patch_ratio' parameter of {} must be .*Got 0"),
        ("0.4", r"'patch_ratio' parameter of {} must be .*Got '0.4'"),
    ],
)
def test_patches_that_are_none_are_named(X, cls, patch_ratio, message):
    embedder = quick(cls, patch_ratio=patch_ratio)
    with pytest.raises(ValueError, match=message.format(cls.__name__)):
        embedder.fit(X)
    assert not hasattr(embedder, "pretext_")


def test_a_patch_is_checked_at_every_scale(X):
    embedder = MultiScaleEmbedder(quick(PatchRotEmbedder, patch_ratio=0.1), scales=(0.5, 1.0))
    with pytest.raises(ValueError, match="0.1 of 4 pixels leaves no pixel"):
        embedder.fit(X)


@both
def test_images_must_be_square(cls):
    with pytest.raises(ValueError, match=f"{cls.__name__} rotates images and needs square ones"):
        quick(cls).fit(np.zeros((4, 8, 12)))
