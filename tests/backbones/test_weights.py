"""Weights from embedders, files and torchvision; no network is needed, nor used."""

import os
import pickle
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from numpy.testing import assert_array_equal
from safetensors.torch import save_file
from torch import nn

from sklssl import RotNetEmbedder
from sklssl import save as save_estimator
from sklssl.backbones import Backbone, make_backbone, pool_map
from sklssl.backbones._torchvision import TorchvisionBackbone
from sklssl.backbones._weights import load_weights

NAME = "The 'init_weights' parameter of RotNetEmbedder"


def owner(backbone="resnet8", **params):
    return RotNetEmbedder(backbone, **params)


def build(name="resnet8", seed=0, **settings):
    torch.manual_seed(seed)
    return make_backbone(name, **settings)


def weights_of(backbone):
    return {k: v for k, v in backbone.state_dict().items() if k.startswith("stages.")}


def assert_same_weights(backbone, other):
    for key, tensor in weights_of(backbone).items():
        assert torch.equal(tensor, other.state_dict()[key]), key


def save(state, path):
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    return path


# Files -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".bin"])
@pytest.mark.parametrize("prefix", ["", "module.", "backbone.", "encoder_q.0.", "stages."])
def test_every_prefix_and_kind_of_file(tmp_path, prefix, suffix, capsys):
    source, backbone = build(seed=1), build()
    state = {prefix + k.removeprefix("stages."): v for k, v in weights_of(source).items()}
    path = save(state | {"fc.weight": torch.ones(2, 64)}, tmp_path / f"weights{suffix}")
    load_weights(backbone, str(path), owner=owner())
    assert_same_weights(backbone, source)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("legacy", [False, True])
def test_weights_within_a_checkpoint(tmp_path, legacy):
    source, backbone = build(seed=1), build()
    optimizer = torch.optim.Adam(source.parameters())
    source(torch.rand(2, 3, 8, 8)).sum().backward()
    optimizer.step()
    checkpoint = {
        "epoch": 3,
        "optimizer": optimizer.state_dict(),
        "state_dict": OrderedDict((f"module.{k}", v) for k, v in source.state_dict().items()),
    }
    torch.save(checkpoint, tmp_path / "a.pt", _use_new_zipfile_serialization=not legacy)
    before = backbone.mean.clone()
    load_weights(backbone, tmp_path / "a.pt", owner=owner())
    assert_same_weights(backbone, source)
    assert torch.equal(backbone.mean, before)


def test_an_embedder_starts_from_a_file(tmp_path, X):
    source = RotNetEmbedder(max_epochs=1, random_state=1).fit(X)
    torch.save(source.pretext_.state_dict(), tmp_path / "pretext.pt")
    embedder = RotNetEmbedder(max_epochs=0, init_weights=tmp_path / "pretext.pt").fit(X)
    assert_array_equal(embedder.transform(X), source.transform(X))


class Malicious:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("protocol", [2, 4, 5, "torch.save"])
def test_a_malicious_file_does_not_run(tmp_path, protocol):
    mark, path = tmp_path / "it_ran", tmp_path / "weights.pth"
    content = {"state_dict": {"conv1.weight": torch.ones(3)}, "extra": Malicious(mark)}
    if protocol == "torch.save":
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content, protocol=protocol))
    with pytest.raises(
        ValueError, match=f"{NAME}.*Python objects other than tensors.*weights_only"
    ):
        load_weights(build(), path, owner=owner())
    assert not mark.exists()
    pickle.loads(pickle.dumps(Malicious(mark)))
    assert mark.exists()  # it would have


def test_a_whole_network_is_no_state_dict(tmp_path):
    torch.save(nn.Linear(2, 2), tmp_path / "network.pt")
    with pytest.raises(ValueError, match="torch.save\\(network.state_dict"):
        load_weights(build(), tmp_path / "network.pt", owner=owner())


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("kept", [0, 1, 100, -30, None])
def test_damaged_files(tmp_path, suffix, kept):
    path = save(weights_of(build()), tmp_path / f"weights{suffix}")
    path.write_bytes(b"These are no weights. " * 9 if kept is None else path.read_bytes()[:kept])
    with pytest.raises(
        ValueError, match=f"{NAME}: cannot read weights from '.*weights{suffix}'.*corrupt"
    ):
        load_weights(build(), path, owner=owner())


@pytest.mark.parametrize("content", [[1, 2], {}, {"epoch": 3}, torch.ones(2)])
def test_a_file_without_named_weights(tmp_path, content):
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(
        ValueError, match=f"{NAME}: '.*a.pth' must contain named weights. It contains "
    ):
        load_weights(build(), tmp_path / "a.pth", owner=owner())


def test_what_is_no_file(tmp_path):
    for source in (str(tmp_path), tmp_path):
        with pytest.raises(ValueError, match=f"{NAME} must be.*{tmp_path}' is a directory"):
            load_weights(build(), source, owner=owner())
    for source in ("weights.pt", Path("weights.pt")):
        with pytest.raises(ValueError, match=f"{NAME} must be.*'weights.pt' is none of these"):
            load_weights(build(), source, owner=owner())


# Matching ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x" * 5000, "nul\0byte", "\ud800", "~no such user/x"])
def test_a_name_that_no_file_can_have(name):
    with pytest.raises(ValueError, match="'init_weights' parameter of RotNetEmbedder must be"):
        RotNetEmbedder(max_epochs=0, init_weights=name).fit([[[0.0] * 8] * 8] * 2)


def test_a_full_match_is_reported_when_verbose(tmp_path, capsys):
    path = save(weights_of(build(seed=1)), tmp_path / "a.safetensors")
    load_weights(build(), path, owner=owner(verbose=1))
    out = capsys.readouterr().out
    assert out == f"{NAME}: '{path}' provides 35 of the 35 weights of the backbone 'resnet8'.\n"


def test_a_partial_match_warns_and_says_what(tmp_path):
    source, backbone = build(seed=1), build()
    untouched = backbone.stages.stem[0].weight.clone()
    state = weights_of(source) | {"stages.extra.weight": torch.ones(2)}
    state["stages.stem.0.weight"] = torch.ones(16, 3, 5, 5)
    for key in [key for key in state if key.startswith("stages.layer3.0.bn2")]:
        del state[key]
    path = save(state, tmp_path / "a.pth")
    with pytest.warns(UserWarning, match=f"{NAME}: .* provides 30 of the 35 weights") as caught:
        load_weights(backbone, path, owner=owner())
    message = str(caught[0].message)
    assert (
        "Unchanged: stem.0.weight (16, 3, 3, 3), which is (16, 3, 5, 5) in the source," in message
    )
    assert (
        "layer3.0.bn2.weight, layer3.0.bn2.bias, layer3.0.bn2.running_mean and 1 more." in message
    )
    assert message.endswith("Not used: stages.extra.weight.")
    assert torch.equal(backbone.stages.stem[0].weight, untouched)
    assert torch.equal(backbone.stages.layer1[0].conv1.weight, source.stages.layer1[0].conv1.weight)


def test_a_deeper_source_warns(tmp_path):
    path = save(weights_of(build("nin5")), tmp_path / "a.pth")
    with pytest.warns(
        UserWarning, match="provides 60 of the 60 weights.*Not used: stages.block5.0.0"
    ):
        load_weights(build("nin4"), path, owner=owner("nin4"))


def test_nothing_in_common(tmp_path):
    path = save({"first.weight": torch.ones(2), "second": torch.ones(2)}, tmp_path / "a.pth")
    message = f"{NAME}: none .* of '.*a.pth' match the backbone 'resnet8'.*of the backbone: stem.0"
    with pytest.raises(ValueError, match=message + ".* of the source: first.weight, second"):
        load_weights(build(), path, owner=owner())
    path = save({"stem.0.weight": torch.ones(2)}, tmp_path / "a.pth")
    with pytest.raises(
        ValueError, match=r"stem.0.weight \(16, 3, 3, 3\), which is \(2,\) in the source"
    ):
        load_weights(build(), path, owner=owner())


def test_networks_of_users_match_by_their_own_names(tmp_path):
    def own(seed):
        torch.manual_seed(seed)
        return Backbone({"a": nn.Conv2d(3, 4, 3, padding=1), "b": nn.Conv2d(4, 5, 1)})

    backbone = own(0)
    load_weights(backbone, save(own(1).state_dict(), tmp_path / "a.pth"), owner=owner())
    assert_same_weights(backbone, own(1))


# torchvision -------------------------------------------------------------------------------------


@pytest.fixture
def downloads(monkeypatch):
    """Put random weights in the place of downloads, and list what was asked for."""
    from torchvision.models import get_model
    from torchvision.models._api import WeightsEnum

    asked = []

    def get_state_dict(self, *args, **settings):
        torch.manual_seed(5)
        asked.append((str(self), settings))
        state = get_model(
            type(self).__name__.split("_Weights")[0].lower(), weights=None
        ).state_dict()
        # Batch-norm statistics that are not those of a fresh network.
        return {
            k: 1 + torch.rand_like(v) if k.endswith(("_mean", "_var")) else v
            for k, v in state.items()
        }

    monkeypatch.setattr(WeightsEnum, "get_state_dict", get_state_dict)
    return asked


@pytest.mark.parametrize("as_enum", [False, True])
def test_torchvision_weights_give_torchvision_s_features(downloads, as_enum):
    from torchvision.models import ResNet18_Weights, resnet18

    weights = ResNet18_Weights.IMAGENET1K_V1
    backbone = build("resnet18", image_size=64).eval()
    load_weights(backbone, weights if as_enum else str(weights), owner=owner("resnet18"))
    ((name, settings),) = downloads
    assert (name, settings) == (str(weights), {"progress": False, "check_hash": True})
    net = resnet18(weights=weights).eval()
    net.fc = nn.Identity()
    images, shown = torch.rand(2, 3, 64, 64), weights.transforms()
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (shown.mean, shown.std))
    with torch.no_grad():
        torch.testing.assert_close(pool_map(backbone(images)), net((images - mean) / std))


@pytest.mark.filterwarnings("ignore::sklssl.exceptions.CollapseWarning")  # random statistics
def test_torchvision_weights_through_an_embedder(downloads, X):
    params = {"backbone": "resnet18", "max_epochs": 0, "random_state": 0}
    with pytest.warns(
        UserWarning, match=r"provides 99 of the 100.*Unchanged: stem.0.weight \(64, 1, 3, 3"
    ):
        RotNetEmbedder(init_weights="ResNet18_Weights.DEFAULT", **params).fit(X[:4])


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("resnet18", "ResNet18_Weights.IMAGENET1K_V1"),
        ("vgg11", "VGG11_BN_Weights.IMAGENET1K_V1"),
        ("squeezenet1_1", "SqueezeNet1_1_Weights.IMAGENET1K_V1"),
    ],
)
@pytest.mark.parametrize("in_channels", [1, 3])
def test_imagenet_is_the_name_of_torchvision_s(downloads, name, weights, in_channels, capsys):
    backbone = build(name, image_size=64, in_channels=in_channels)
    load_weights(backbone, "imagenet", owner=owner(name, verbose=1))
    assert [asked for asked, _ in downloads] == [weights]
    n = sum(v.is_floating_point() for v in weights_of(backbone).values())
    out = capsys.readouterr().out
    assert f"{weights} provides {n} of the {n} weights" in out
    assert ("is adapted from 3 channel(s) to 1." in out) == (in_channels == 1)
    mean = torch.tensor([0.485, 0.456, 0.406])
    expected = mean if in_channels == 3 else mean.mean()[None]
    torch.testing.assert_close(backbone.mean.flatten(), expected)


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("squeezenet1_1", "SqueezeNet1_1_Weights.DEFAULT"),
        ("mobilenet_v3_small", "MobileNet_V3_Small_Weights.DEFAULT"),
    ],
)
def test_torchvision_networks_take_their_weights(downloads, name, weights, capsys):
    backbone = build(name)
    load_weights(backbone, weights, owner=owner(name, verbose=1))
    n = sum(v.is_floating_point() for v in weights_of(backbone).values())
    assert f"provides {n} of the {n} weights" in capsys.readouterr().out
    assert downloads[0][1]["progress"] is True
    torch.testing.assert_close(backbone.mean.flatten(), torch.tensor([0.485, 0.456, 0.406]))


def test_place_embeddings_follow_the_size(monkeypatch, capsys):
    from torchvision import models

    def tiny(name=None, *, image_size=224, **settings):
        return models.VisionTransformer(image_size, 16, 2, 2, 16, 32)

    monkeypatch.setattr(models, "get_model", tiny)
    backbone = TorchvisionBackbone(tiny(image_size=32), 3, 32, 32)
    load_weights(backbone, "ViT_B_16_Weights.DEFAULT", owner=owner("vit_b_16", verbose=1))
    assert "provides 30 of the 30 weights" in capsys.readouterr().out


def test_alexnet_takes_the_convolutions(tmp_path):
    from torchvision.models import alexnet

    source = {k: v for k, v in alexnet(weights=None).state_dict().items() if "classif" not in k}
    source["classifier.6.weight"] = torch.ones(2)
    backbone = build("alexnet", image_size=64)
    with pytest.warns(
        UserWarning, match=r"provides 10 of the 30.*Unchanged: conv1.1.weight,.*more\.$"
    ):
        load_weights(backbone, save(source, tmp_path / "a.pth"), owner=owner("alexnet"))
    assert torch.equal(backbone.stages.conv5[0].bias, source["features.10.bias"])


@pytest.mark.parametrize(
    "name",
    ["ResNet50_Weights.IMAGENET1K_V9", "Resnet50_Weight.IMAGENET1K_V2", "ResNet50_Weight.V2"],
)
def test_unknown_torchvision_weights_suggest_the_nearest(name):
    with pytest.raises(ValueError, match=f"{NAME} must be.*{name}' is.*Did you mean 'ResNet50_We"):
        load_weights(build(), name, owner=owner())


def test_no_network(monkeypatch):
    from torchvision.models._api import WeightsEnum

    def fail(self, *args, **settings):
        raise OSError("no route to host")

    monkeypatch.setattr(WeightsEnum, "get_state_dict", fail)
    with pytest.raises(
        OSError, match=f"{NAME}: .*could not download Res.*https.*no route.*pass its path"
    ):
        load_weights(build("resnet18"), "ResNet18_Weights.DEFAULT", owner=owner("resnet18"))


def test_a_file_may_have_any_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(weights_of(build(seed=1)), Path("ResNet18_Weights.DEFAULT"))
    backbone = build()
    load_weights(backbone, f".{os.sep}ResNet18_Weights.DEFAULT", owner=owner())
    load_weights(backbone, "ResNet18_Weights.DEFAULT", owner=owner())
    assert_same_weights(backbone, build(seed=1))


def test_a_saved_embedder_that_has_changed(tmp_path, X):
    path = tmp_path / "embedder.safetensors"
    save_estimator(owner(max_epochs=0).fit(X), path)
    load_weights(build(), path, owner=owner())
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"{NAME}: cannot read weights from .* corrupt"):
        load_weights(build(), path, owner=owner())
