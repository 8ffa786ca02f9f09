"""The dictionary of patches, against loops over patches one by one."""

from functools import partial

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from sklssl.backbones import make_backbone
from sklssl.backbones._patchconvnet import patchconvnet
from sklssl.backbones._patchnet import (
    ChannelProjection,
    PatchDictionary,
    PatchLevels,
    draw_patches,
    patchnet,
    whiten,
)
from tests._seed import SEED


@pytest.fixture
def maps():
    return torch.rand(6, 3, 12, 10, generator=torch.Generator().manual_seed(SEED))


def learned(maps, **settings):
    torch.manual_seed(SEED)
    layer = PatchDictionary(3, 7, 4, **{"regularisation": 0.1, **settings})
    layer.learn(lambda: iter([maps[:4], maps[4:]]), len(maps))
    return layer


@pytest.mark.parametrize("stride", [1, 2])
def test_features_are_those_of_a_loop_over_patches(maps, stride):
    layer = learned(maps, stride=stride)
    out = layer(maps)
    weight, bias, floor = (t.detach().numpy() for t in (layer.weight, layer.bias, layer.floor))
    for row in range(out.shape[2]):
        for column in range(out.shape[3]):
            top, left = stride * row, stride * column
            patch = maps[2, :, top : top + 4, left : left + 4].numpy().astype(np.float64)
            patch = (patch - patch.mean()) / np.sqrt(patch.var() + floor)
            response = (weight * patch).sum((1, 2, 3)) + bias
            expected = np.concatenate(
                [np.maximum(response - 0.5, 0), np.maximum(-response - 0.5, 0)]
            )
            np.testing.assert_allclose(out[2, :, row, column].detach(), expected, atol=2e-4)


def test_responses_have_unit_scale(maps):
    layer = learned(maps)
    with torch.no_grad():
        patches = draw_patches(maps, 4, 50).flatten(1)
        response = patches - patches.mean(1, keepdim=True)
        response = response / (response.square().mean(1, keepdim=True) + layer.floor).sqrt()
        response = response @ layer.weight.flatten(1).T + layer.bias
    assert 0.8 < response.std() < 1.2


def test_scale_does_not_depend_on_the_first_images(maps):
    many = torch.cat([maps] * 20)
    many[:20] = 0.5
    parts = learned(many), learned(many.flip(0))
    first, last = (layer.weight.flatten(1).norm(dim=1).mean() for layer in parts)
    assert 0.8 < first / last < 1.25


def test_rounding_errors_of_flat_patches_are_not_features():
    levels = torch.randn(40, 3, 1, 1, generator=torch.Generator().manual_seed(SEED))
    flat = levels.mean(1, keepdim=True).expand(40, 3, 12, 10)
    assert not learned(flat)(flat).any()


def test_brightness_and_contrast_hardly_matter(maps):
    layer = learned(maps)
    assert_close(layer(0.5 * maps + 3), layer(maps), atol=0.2, rtol=0)


def test_levels_are_those_of_a_loop_over_patches(maps):
    layer = learned(maps, n_levels=5)
    out = layer(maps)
    levels = layer.levels.double()
    weight, mean = levels.weight[:, :, 0, 0], levels.mean[0, :, 0, 0]
    for row in range(out.shape[2]):
        for column in range(out.shape[3]):
            patch = maps[2, :, row : row + 4, column : column + 4].double()
            contrast = (patch.var(correction=0) + layer.floor).sqrt()
            expected = torch.relu(
                weight @ (torch.cat([patch.mean((1, 2)), contrast]) - mean) + levels.bias
            )
            assert_close(out[2, 14:, row, column].double(), expected, atol=1e-4, rtol=0)


def test_levels_see_brightness_and_contrast(maps):
    layer = learned(maps, n_levels=20)
    for changed in (maps + 0.1, 0.8 * (maps - 0.5) + 0.5):
        moved = layer(changed) - layer(maps)
        assert moved[:, 14:].abs().mean() > 3 * moved[:, :14].abs().mean()


def test_levels_have_unit_scale_and_various_thresholds(maps):
    torch.manual_seed(SEED)
    levels = PatchLevels(3, 200)
    statistics = torch.randn(3000, 4, generator=torch.Generator().manual_seed(SEED)) * 50 + 7
    levels.learn(statistics)
    out = levels(statistics[:, :3, None, None], statistics[:, 3:, None, None])[:, :, 0, 0]
    response = statistics @ levels.weight[:, :, 0, 0].T / 0.3
    assert_close(response.std(0), torch.ones(200), atol=0.1, rtol=0)
    share = (out > 0).float().mean(0)
    assert share.min() < 0.1 < 0.45 < share.median() < 0.55 < 0.9 < share.max()


@pytest.mark.parametrize("n_atoms", [8, (8, 12)])
def test_levels_are_not_part_of_the_second_dictionary(n_atoms):
    shapes = make_backbone(partial(patchnet, n_atoms=n_atoms)).map_shapes((32, 32))
    assert [shape[0] for shape in shapes.values()] == [16 + 32, 24][: len(shapes)]
    trained = make_backbone(partial(patchconvnet, n_atoms=n_atoms, width=5))
    assert trained.widths["block1"] == 5


def test_whitened_rows_are_uncorrelated():
    generator = torch.Generator().manual_seed(SEED)
    rows = torch.randn(500, 5, generator=generator) @ torch.randn(5, 5, generator=generator) + 2
    mean, matrix = whiten(rows, 0.0)
    white = (rows - mean) @ matrix
    assert_close(white.T @ white / len(white), torch.eye(5), atol=1e-3, rtol=0)


def test_patches_are_cut_from_their_maps_and_none_twice(maps):
    torch.manual_seed(SEED)
    patches = draw_patches(maps, 4, 10_000)
    n_places = 9 * 7
    assert patches.shape == (6 * n_places, 3, 4, 4)
    of_the_first = {patch.numpy().tobytes() for patch in patches[:n_places]}
    every = {maps[0, :, i : i + 4, j : j + 4].numpy().tobytes() for i in range(9) for j in range(7)}
    assert of_the_first == every


def test_patches_of_large_maps_are_drawn_without_sorting_all_places(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "argsort", None)
    numbers = torch.arange(2.0 * 600 * 500).view(2, 1, 600, 500)
    first, second = draw_patches(numbers, 1, 5000).flatten().chunk(2)
    assert len(set(first.tolist())) == 5000
    assert first.max() < 600 * 500 <= second.min()


def test_components_keep_most_of_the_variance(maps):
    torch.manual_seed(SEED)
    mixed = torch.cat([maps, maps[:, :1] + maps[:, 1:2], 1e-3 * torch.rand(6, 1, 12, 10)], dim=1)
    layer = ChannelProjection(5, 3)
    layer.learn(lambda: iter([mixed]), len(mixed))
    kept = layer(mixed).permute(1, 0, 2, 3).flatten(1)
    covariance = torch.cov(kept.detach())
    assert_close(covariance, torch.diag(covariance.diag()), atol=1e-2, rtol=0)
    assert_close(covariance.trace(), torch.tensor(3.0), atol=0.1, rtol=0)


@pytest.mark.parametrize("side", [8, 12, 20, 32, 35, 64, 128])
def test_every_side_has_maps_of_some_extent(side):
    shapes = make_backbone("patchnet", image_size=side).map_shapes((side, side))
    assert list(shapes) == ["patches1", "patches2"]
    assert all(2 <= min(shape[1:]) <= 36 for shape in shapes.values()), shapes


def test_patches_larger_than_the_images_are_refused():
    with pytest.raises(ValueError, match="patches of 9x9 pixels do not fit into images of 8"):
        patchnet(image_size=8, patch_size=9)


def test_training_leaves_the_dictionaries_as_they_are(X):
    from sklssl import RotNetEmbedder

    settings = {"batch_size": 8, "random_state": SEED}
    before = RotNetEmbedder(max_epochs=0, **settings).fit(X).pretext_.backbone.stages
    after = RotNetEmbedder(max_epochs=2, **settings).fit(X).pretext_.backbone.stages
    for name, weight in before.named_parameters():
        same = torch.equal(weight, after.get_parameter(name))
        assert same == name.startswith("patches"), name


@pytest.mark.parametrize("name", ["patchnet", "patchconvnet"])
def test_maps_that_are_too_small_are_extended(name):
    backbone = make_backbone(name, image_size=32).eval()
    assert backbone.smallest_side() == 1
    images = torch.rand(2, 3, 4, 7, generator=torch.Generator().manual_seed(SEED))
    assert all(torch.isfinite(maps).all() for maps in backbone.maps(images).values())
