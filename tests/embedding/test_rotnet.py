import numpy as np
import pytest
import torch

from sklssl import RotNetEmbedder
from sklssl.backbones import make_backbone
from sklssl.embedding._rotnet import RotationPretext, rotate_four_ways
from tests._seed import SEED


def test_views_are_the_four_rotations_of_every_image():
    images = torch.rand(3, 2, 5, 5)
    views, targets = rotate_four_ways(images)
    assert views.shape == (12, 2, 5, 5)
    assert targets.tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
    for view, turns, image in zip(views, targets.tolist(), images.repeat(4, 1, 1, 1), strict=True):
        # numpy turns (H, W, C) counterclockwise, as the paper does
        expected = np.rot90(image.permute(1, 2, 0).numpy(), turns)
        np.testing.assert_array_equal(view.permute(1, 2, 0).numpy(), expected)


def test_loss_and_accuracy_against_a_slow_loop():
    """Equation 3 of the ScaleNet paper, image by image and rotation by rotation."""
    torch.manual_seed(SEED)
    pretext = RotationPretext(make_backbone("convnet", in_channels=1, image_size=8)).eval()
    images = torch.rand(5, 1, 8, 8)
    terms = pretext(*pretext.views(images, torch.Generator(), torch.arange(5)))

    loss, hits = 0.0, 0
    for image in images:
        for turns in range(4):
            view = torch.rot90(image, turns, (1, 2))[None]
            logits = pretext.head(pretext.backbone(view).mean((2, 3)))[0]
            loss -= torch.log(torch.exp(logits[turns]) / torch.exp(logits).sum()).item()
            hits += int(logits.argmax() == turns)
    assert terms["loss"].item() == pytest.approx(loss / 20, rel=1e-4)
    assert terms["accuracy"].item() == pytest.approx(hits / 20)


def test_learns_to_tell_rotations_of_images_it_has_not_seen(digits):
    X = digits[0]
    untrained = RotNetEmbedder(max_epochs=0, random_state=SEED).fit(X[:600])
    trained = RotNetEmbedder(max_epochs=5, random_state=SEED).fit(X[:600])
    assert trained.score(X[600:900]) > untrained.score(X[600:900]) + 0.25
    losses = [row["loss"] for row in trained.history_]
    assert losses[-1] < 0.8 * losses[0]


def test_non_square_images_are_refused_by_name():
    X = np.zeros((4, 16, 24, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match=r"RotNetEmbedder.*square.*16x24.*image_size=16"):
        RotNetEmbedder(max_epochs=1).fit(X)


def test_image_size_makes_images_square():
    X = np.random.default_rng(SEED).integers(0, 256, (4, 16, 24, 3), dtype=np.uint8)
    embedder = RotNetEmbedder(max_epochs=1, image_size=16, random_state=SEED).fit(X)
    assert embedder.image_shape_ == (16, 24, 3)
    assert np.isfinite(embedder.transform(X)).all()
