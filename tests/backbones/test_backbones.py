from functools import partial

import pytest
import torch
from torch import nn

from sklssl.backbones import Backbone, list_backbones, make_backbone, pool_map
from sklssl.backbones._nin import nin


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("size", [4, 8, 13, 32, 64])
@pytest.mark.parametrize("name", list_backbones())
def test_contract(name, size, channels):
    torch.manual_seed(0)
    backbone = make_backbone(name, in_channels=channels, image_size=size).eval()
    images = torch.rand(2, channels, size, size)
    with torch.no_grad():
        last, maps = backbone(images), backbone.maps(images)
        assert tuple(maps) == backbone.layer_names
        for layer, x in maps.items():
            assert x.shape[:2] == (2, backbone.widths[layer])
            assert tuple(x.shape[1:]) == backbone.map_shapes((size, size))[layer]
            assert torch.equal(backbone(images, layer), x)
    assert torch.equal(last, maps[backbone.layer_names[-1]])
    assert last.shape[1] == backbone.n_features
    assert last.min() >= 0  # stages end in a ReLU


@pytest.mark.parametrize("name", ["convnet", "nin", "resnet18"])
def test_every_weight_gets_a_gradient(name):
    backbone = make_backbone(name, image_size=16)
    backbone(torch.rand(4, 3, 16, 16)).square().mean().backward()
    for parameter_name, parameter in backbone.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.abs().sum() > 0, parameter_name


@pytest.mark.parametrize("n_blocks", [3, 4, 5])
def test_nin_has_the_widths_of_the_paper(n_blocks):
    backbone = make_backbone(f"nin{n_blocks}")
    assert list(backbone.widths.values()) == [96] + [192] * (n_blocks - 1)
    kernels = [
        (m.in_channels, m.out_channels, m.kernel_size[0])
        for m in backbone.modules()
        if isinstance(m, nn.Conv2d)
    ]
    assert kernels[:6] == [
        (3, 192, 5),
        (192, 160, 1),
        (160, 96, 1),
        (96, 192, 5),
        (192, 192, 1),
        (192, 192, 1),
    ]
    assert kernels[6:] == [(192, 192, 3), (192, 192, 1), (192, 192, 1)] * (n_blocks - 2)
    assert backbone.map_shapes((32, 32))[f"block{n_blocks}"] == (192, 8, 8)


def test_nin_has_no_other_number_of_blocks():
    with pytest.raises(ValueError, match="'n_blocks' parameter of nin must be 3, 4 or 5. Got 6"):
        nin(n_blocks=6)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_resnet_stem_follows_the_image_size(name):
    small, large = make_backbone(name, image_size=32), make_backbone(name, image_size=64)
    assert small.stages.stem[0].kernel_size == (3, 3)
    assert large.stages.stem[0].kernel_size == (7, 7)
    assert small.map_shapes((32, 32))["stem"][1:] == (32, 32)
    assert large.map_shapes((64, 64))["stem"][1:] == (16, 16)


def test_resnet_forward_is_torchvision_s():
    from torchvision.models import resnet18

    torch.manual_seed(0)
    backbone = make_backbone("resnet18", image_size=64).eval()
    net = resnet18(weights=None).eval()
    mine = {k: v for k, v in backbone.stages.state_dict().items() if not k.startswith("stem")}
    net.load_state_dict(mine, strict=False)
    net.conv1.load_state_dict(backbone.stages.stem[0].state_dict())
    net.bn1.load_state_dict(backbone.stages.stem[1].state_dict())
    net.fc = nn.Identity()
    images = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(pool_map(backbone(images)), net(images))


def test_standardisation_is_part_of_the_network():
    backbone = make_backbone("convnet", in_channels=2).eval()
    images = torch.rand(3, 2, 16, 16)
    mean, scale = torch.tensor([0.3, 0.5]), torch.tensor([0.1, 0.2])
    expected = backbone((images - mean.view(1, 2, 1, 1)) / scale.view(1, 2, 1, 1))
    backbone.set_standardisation(mean, scale)
    torch.testing.assert_close(backbone(images), expected)
    assert {"mean", "scale"} <= backbone.state_dict().keys()


def test_pool_map_against_a_slow_loop():
    x = torch.rand(2, 3, 4, 6)
    pooled = pool_map(x, 2).view(2, 3, 2, 2)
    for i in range(2):
        for j in range(2):
            cell = x[:, :, 2 * i : 2 * i + 2, 3 * j : 3 * j + 3]
            torch.testing.assert_close(pooled[:, :, i, j], cell.mean((2, 3)))
    torch.testing.assert_close(pool_map(x), x.mean((2, 3)))
    assert pool_map(x, 5).shape == (2, 3 * 4 * 5)  # no finer than the map


@pytest.mark.parametrize(
    ("name", "nearest"), [("resnet81", "resnet18"), ("conv_net", "convnet"), ("NIN", "nin")]
)
def test_unknown_name_suggests_the_nearest(name, nearest):
    with pytest.raises(ValueError, match=f"Unknown backbone '{name}'.*Did you mean '{nearest}'"):
        make_backbone(name)


def test_own_networks():
    def own(in_channels, image_size):
        return nn.Sequential()

    class Small(nn.Sequential):
        def __init__(self, in_channels, image_size):
            super().__init__()
            self.first = nn.Conv2d(in_channels, 4, 3, padding=1)
            self.second = nn.Conv2d(4, 7, 3, padding=1)

    backbone = make_backbone(Small, in_channels=2)
    assert isinstance(backbone, Backbone)
    assert backbone.widths == {"first": 4, "second": 7}
    assert make_backbone(partial(nin, n_blocks=3)).layer_names[-1] == "block3"
    with pytest.raises(ValueError, match="no stage"):
        make_backbone(own)
    with pytest.raises(TypeError, match="built network"):
        make_backbone(Small(3, 32))
    with pytest.raises(TypeError, match="built Linear"):
        make_backbone(lambda in_channels, image_size: nn.Linear(2, 2))
