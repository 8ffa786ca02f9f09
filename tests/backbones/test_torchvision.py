import gc
import pickle
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

from sklssl import RotNetEmbedder
from sklssl.backbones import list_backbones, make_backbone
from sklssl.backbones._torchvision import TorchvisionBackbone, list_torchvision
from tests._seed import SEED
from tests.backbones.test_backbones import assert_copies_agree

# The side of the images, and the widths of the stages.
NETWORKS = {
    "mobilenet_v3_small": (32, [16, 16, 24, 48, 576]),
    "shufflenet_v2_x0_5": (32, [24, 24, 48, 96, 1024]),
    "squeezenet1_1": (32, [64, 128, 256, 512]),
    "efficientnet_b0": (32, [16, 24, 40, 112, 1280]),
    "regnet_y_400mf": (32, [32, 48, 104, 208, 440]),
    "densenet121": (32, [64, 256, 512, 1024, 1024]),
    "convnext_tiny": (64, [96, 192, 384, 768]),
    "swin_t": (48, [96, 192, 384, 768]),
    "vit_b_16": (48, [768] * 12),
}


def small(name):
    """Build the network `name` for 32 pixels, transformers at a small part of their size."""
    from torchvision.models import SwinTransformer, VisionTransformer

    torch.manual_seed(SEED)
    if name == "vit":
        return TorchvisionBackbone(VisionTransformer(32, 16, 2, 2, 16, 32), 3, 32, 32)
    if name == "swin":
        return TorchvisionBackbone(SwinTransformer([4, 4], 16, [2, 2], [2, 2], [7, 7]), 3, 32)
    return make_backbone(name)


@pytest.mark.parametrize("name", NETWORKS)
def test_contract(name):
    torch.manual_seed(SEED)
    side, widths = NETWORKS[name]
    backbone = make_backbone(name, in_channels=1, image_size=side).eval()
    assert backbone.layer_names == tuple(f"stage{i + 1}" for i in range(len(widths)))
    assert list(backbone.widths.values()) == widths
    assert backbone.n_features == widths[-1]
    backbone.check_size((side, side))
    images = torch.rand(2, 1, side, side)
    with torch.no_grad():
        maps = backbone.maps(images)
        for layer, shape in backbone.map_shapes((side, side)).items():
            assert maps[layer].shape == (2, *shape)
        for layer in (backbone.layer_names[0], backbone.layer_names[-1]):
            assert torch.equal(backbone(images, layer), maps[layer])
        assert torch.equal(backbone(images), maps[layer])


@pytest.mark.parametrize("name", ["shufflenet_v2_x0_5", "swin", "vit"])
def test_training_and_copies(name):
    backbone = small(name)
    backbone(torch.rand(3, 3, 32, 32)).square().mean().backward()
    for parameter_name, parameter in backbone.named_parameters():
        assert parameter.grad is not None, parameter_name
    backbone.zero_grad()
    assert_copies_agree(backbone, torch.rand(2, 3, 32, 32))


def last_map(net, images):
    """Give the last map of torchvision's own network, by its parts."""
    if hasattr(net, "encoder"):
        tokens = net._process_input(images)
        tokens = torch.cat([net.class_token.expand(len(images), -1, -1), tokens], dim=1)
        return net.encoder(tokens)[:, 1:].transpose(1, 2).unflatten(2, (2, 2))
    if hasattr(net, "permute"):
        return net.permute(net.norm(net.features(images)))
    return net.features(images)


@pytest.mark.parametrize("name", ["squeezenet1_1", "mobilenet_v3_small", "swin", "vit"])
def test_maps_are_torchvision_s(name):
    from torchvision.models import SwinTransformer, VisionTransformer, get_model

    backbone = small(name).eval()
    if name == "vit":
        net = VisionTransformer(32, 16, 2, 2, 16, 32)
    elif name == "swin":
        net = SwinTransformer([4, 4], 16, [2, 2], [2, 2], [7, 7])
    else:
        net = get_model(name, weights=None)
    head = net.load_state_dict(backbone.stages.net.state_dict(), strict=False).missing_keys
    assert all(key.startswith(("classifier", "head")) for key in head)
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(backbone(images), last_map(net.eval(), images))


def test_nothing_runs_beyond_the_layer_that_is_asked_for():
    backbone, ran = small("mobilenet_v3_small"), []
    for name, module in backbone.stages.net.features.named_children():
        module.register_forward_hook(lambda *_, name=name: ran.append(int(name)))
    backbone(torch.rand(2, 3, 32, 32), "stage3")
    assert ran == [0, 1, 2, 3]


def test_moved_weights_are_the_weights_that_run():
    backbone = small("swin").eval()
    images = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        expected = backbone(images)  # traced by now
        doubled = backbone.double()(images.double())
    torch.testing.assert_close(doubled.float(), expected, rtol=1e-3, atol=1e-4)


def test_a_network_is_forgotten_when_it_is_gone():
    backbone = make_backbone("squeezenet1_1")
    backbone.smallest_side()
    gone = weakref.ref(backbone)
    del backbone
    gc.collect()
    assert gone() is None


def test_the_head_is_taken_out():
    backbone = small("mobilenet_v3_small")
    assert sum(p.numel() for p in backbone.parameters()) == 927_008  # 2.5 million with it
    assert isinstance(backbone.stages.net.classifier, nn.Identity)


def test_sizes():
    assert make_backbone("squeezenet1_1").smallest_side() == 17
    bound = small("vit")
    assert bound.smallest_side() == 32
    for size in [(16, 16), (32, 48), (64, 64)]:
        message = f"{size[0]}x{size[1]} pixels do not have the only size that it supports, 32x32"
        with pytest.raises(ValueError, match=message):
            bound.check_size(size)
    for name, step in {"vit_b_16": 16, "vit_h_14": 14, "maxvit_t": 224}.items():
        with pytest.raises(
            ValueError, match=f"{name} requires .* multiple of {step} pixels. Got 40"
        ):
            make_backbone(name, image_size=40)


def test_names():
    assert {"alexnet", "resnet18", "resnet50", "vgg11"} <= {*list_torchvision(), *list_backbones()}
    assert make_backbone("resnet18").layer_names[0] == "stem"  # sklssl's own
    assert make_backbone("resnet34").layer_names[0] == "stage1"
    with pytest.raises(ValueError, match="torchvision.*Did you mean 'efficientnet_b0'"):
        make_backbone("efficient_net_b0")


def test_statistics_follow_a_short_training():
    backbone = make_backbone("mobilenet_v3_small", image_size=32)
    norms = [m for m in backbone.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert {norm.momentum for norm in norms} == {0.1}


def test_first_use_in_several_threads():
    X = np.random.default_rng(SEED).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    embedder = RotNetEmbedder("mobilenet_v3_small", max_epochs=0, random_state=SEED).fit(X)
    expected, content = embedder.transform(X), pickle.dumps(embedder)
    own = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    before = nn.Module.__call__, nn.Module.__getattr__
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            loaded, start = pickle.loads(content), threading.Barrier(4)

            def use(i, loaded=loaded, start=start):
                start.wait()
                return own(torch.ones(200, 4)) if i == 3 else loaded.transform(X)

            *found, _ = pool.map(use, range(4))
            for Z in found:
                np.testing.assert_array_equal(Z, expected)
    assert (nn.Module.__call__, nn.Module.__getattr__) == before
