"""Heads: their shapes, what they refuse, and that averaging twice is averaging once."""

import pytest
import torch
from torch import nn

from sklssl._runtime.device import network_precision
from sklssl.backbones import make_backbone
from sklssl.finetuning._heads import HEADS, make_head
from tests._seed import SEED


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("keep_places", [False, True])
@pytest.mark.parametrize("shape", [(8, 5, 7), (3, 3, 3)])
def test_outputs(kind, keep_places, shape):
    head = make_head(kind, shape, 4, pool_size=3, keep_places=keep_places)
    maps = torch.rand(6, *shape)
    assert head(maps).shape == (6, 4)
    head.eval()
    assert torch.equal(head(head.reduce(maps)), head(maps))


def test_the_layers_are_those_of_the_papers():
    mlp = make_head("mlp", (8, 4, 4), 10, pool_size=4, keep_places=False)
    assert [m.out_features for m in mlp.modules() if isinstance(m, torch.nn.Linear)] == [
        200,
        200,
        10,
    ]
    conv = make_head("conv", (8, 4, 4), 10, pool_size=4, keep_places=False)
    convolutions = [m for m in conv.modules() if isinstance(m, torch.nn.Conv2d)]
    assert [(m.out_channels, m.kernel_size[0]) for m in convolutions] == [
        (192, 3),
        (192, 1),
        (192, 1),
    ]


def test_only_a_head_that_keeps_places_tells_them_apart():
    maps = torch.zeros(2, 1, 8, 8)
    maps[0, :, 2, 2] = maps[1, :, 5, 5] = 1.0
    torch.manual_seed(SEED)
    average = make_head("conv", (1, 8, 8), 2, pool_size=3, keep_places=False).eval()(maps)
    places = make_head("conv", (1, 8, 8), 2, pool_size=3, keep_places=True).eval()(maps)
    torch.testing.assert_close(average[0], average[1])
    assert (places[0] - places[1]).abs().max() > 1e-4


def test_convolutions_need_a_map():
    with pytest.raises(
        ValueError, match="feature maps of at least 3x3, but those of the layer have 1x1"
    ):
        make_head("conv", (8, 1, 1), 2, pool_size=1, keep_places=False)
    assert make_head("mlp", (8, 1, 1), 2, pool_size=3, keep_places=False).pool_size == (1, 1)


@pytest.mark.parametrize("kind", HEADS)
def test_answers_are_float32_in_bfloat16_too(kind):
    backbone = make_backbone("convnet", in_channels=1).eval()
    shape = backbone.map_shapes((20, 28))["block4"]
    head = make_head(kind, shape, 4, pool_size=3, keep_places=False).eval()
    with network_precision(torch.device("cpu"), "bfloat16"):
        outputs = head(backbone(torch.rand(6, 1, 20, 28)))
    assert outputs.dtype == torch.float32
    convolutions = [part for part in head.modules() if isinstance(part, nn.Conv2d)]
    assert len(convolutions) == (3 if kind == "conv" else 0)
    seen = []
    for part in convolutions:
        part.register_forward_hook(lambda module, args, out: seen.append(out.dtype))
    with network_precision(torch.device("cpu"), "bfloat16"):
        head(torch.rand(6, *shape))
    assert seen == [torch.bfloat16] * len(convolutions)
    assert not torch.equal(outputs, outputs.bfloat16().float())
