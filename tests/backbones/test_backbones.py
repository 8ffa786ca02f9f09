import copy
import pickle
from functools import partial

import joblib
import pytest
import torch
from torch import nn

from sklssl._storage.module_state import pack_module, unpack_module
from sklssl.backbones import Backbone, list_backbones, make_backbone, pool_map
from sklssl.backbones._nin import nin
from tests._seed import SEED


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [4, 13, 64])
@pytest.mark.parametrize("name", list_backbones())
def test_contract(name, size, channels):
    torch.manual_seed(SEED)
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
    backbone.check_size((size, size))
    with pytest.raises(ValueError, match="No layer 'block9'; there are"):
        backbone(images, "block9")


@pytest.mark.parametrize("name", list_backbones())
def test_training_and_copies(name):
    torch.manual_seed(SEED)
    backbone = make_backbone(name, image_size=16)
    backbone(torch.rand(4, 3, 16, 16)).square().mean().backward()
    for parameter_name, parameter in backbone.named_parameters():
        if not parameter.requires_grad:  # of a dictionary, which stays as it is
            assert parameter_name.startswith("stages.patches")
            continue
        assert parameter.grad is not None, parameter_name
        # A bias before a batch-norm has none but by rounding.
        assert parameter.grad.abs().sum() > 0 or parameter_name.endswith("bias"), parameter_name
    backbone.zero_grad()
    assert_copies_agree(backbone, torch.rand(2, 3, 16, 16))


def assert_copies_agree(backbone, images):
    """Pickled, copied, packed and in another layout it is the same network."""
    backbone.eval()
    packed = pack_module(backbone)
    again = unpack_module(pickle.loads(pickle.dumps(packed)))
    assert joblib.hash(pack_module(again)) == joblib.hash(packed)
    with torch.no_grad():
        expected = backbone(images)
        for other in (again, copy.deepcopy(backbone), pickle.loads(pickle.dumps(backbone))):
            torch.testing.assert_close(other(images), expected, rtol=1e-3, atol=1e-4)
            assert other.map_shapes(images.shape[2:]) == backbone.map_shapes(images.shape[2:])
        images = images.contiguous(memory_format=torch.channels_last)
        assert again(images).stride(1) == 1


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

    torch.manual_seed(SEED)
    backbone = make_backbone("resnet18", image_size=64).eval()
    net = resnet18(weights=None).eval()
    mine = {k: v for k, v in backbone.stages.state_dict().items() if not k.startswith("stem")}
    net.load_state_dict(mine, strict=False)
    net.conv1.load_state_dict(backbone.stages.stem[0].state_dict())
    net.bn1.load_state_dict(backbone.stages.stem[1].state_dict())
    net.fc = nn.Identity()
    images = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(pool_map(backbone(images)), net(images))


@pytest.mark.parametrize(
    ("name", "n_weights"), [("resnet8", 74_640), ("resnet20", 269_072), ("resnet32", 463_504)]
)
def test_cifar_resnets_are_of_the_size_in_the_paper(name, n_weights):
    backbone = make_backbone(name)
    assert sum(p.numel() for p in backbone.parameters()) == n_weights
    assert list(backbone.map_shapes((32, 32)).values()) == [
        (16, 32, 32),
        (16, 32, 32),
        (32, 16, 16),
        (64, 8, 8),
    ]
    shortcut = backbone.stages.layer2[0].downsample
    x = torch.rand(1, 16, 4, 4)
    expected = torch.zeros(1, 32, 2, 2)
    expected[:, 8:24] = x[:, :, ::2, ::2]
    assert torch.equal(shortcut(x), expected)


@pytest.mark.parametrize(("name", "theirs"), [("alexnet", "alexnet"), ("vgg11", "vgg11_bn")])
def test_features_are_torchvision_s(name, theirs):
    from torchvision import models

    torch.manual_seed(SEED)
    backbone = make_backbone(name, image_size=70).eval()
    state = backbone.stages.state_dict()
    for mine, start in backbone.torchvision_names.items():
        for key in [key for key in state if key.startswith(mine)]:
            state[start + key.removeprefix(mine)] = state.pop(key)
    # The fully connected layers, which hold nearly all weights, are not needed.
    features = models.get_model(theirs, weights=None, num_classes=1).features
    features.load_state_dict(
        {k.removeprefix("features."): v for k, v in state.items() if k.startswith("features.")}
    )
    images = torch.rand(2, 3, 70, 70)
    torch.testing.assert_close(backbone(images), features.eval()(images), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("name", "side"), [("alexnet", 63), ("vgg11", 32), ("resnet18", 1)])
def test_images_that_are_too_small(name, side):
    backbone = make_backbone(name, image_size=224)
    assert backbone.smallest_side() == side
    backbone.check_size((side, side + 1))
    if side > 1:
        with pytest.raises(ValueError, match=f"Images of {side - 1}x90 pixels are too.*of {side}"):
            backbone.check_size((side - 1, 90))
    assert make_backbone(name, image_size=8).smallest_side() == 1


def test_a_network_that_takes_no_images_at_all():
    backbone = Backbone({"first": nn.Conv2d(4, 2, 1)}, in_channels=3)
    with pytest.raises(ValueError, match="Images of 8x8 pixels cannot pass.*expected input"):
        backbone.check_size((8, 8))


def test_shapes_are_found_once_and_leave_no_trace():
    backbone = make_backbone("convnet")
    before, seen = joblib.hash(pack_module(backbone)), []
    backbone.stages.block1.register_forward_hook(lambda *_: seen.append(1))
    for _ in range(3):
        backbone.map_shapes((20, 16))["block1"] = "changed by the caller"
    assert len(seen) == 1
    assert backbone.map_shapes((20, 16))["block1"] == (32, 10, 8)
    assert backbone.training
    backbone.stages.block1._forward_hooks.clear()
    assert joblib.hash(pack_module(backbone)) == before


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
    ("name", "nearest"), [("resnet81", "resnet8"), ("conv_net", "convnet"), ("NIN", "nin")]
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
