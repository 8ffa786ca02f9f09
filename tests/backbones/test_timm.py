"""Networks of timm; no network is needed, nor used."""

import sys

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from sklssl import FineTuneClassifier, RotNetEmbedder, load, save
from sklssl.backbones import Backbone, make_backbone
from tests._seed import SEED
from tests.backbones.test_backbones import assert_copies_agree

timm = pytest.importorskip("timm")

# The widths of the stages, and for which of them the later ones can be run from the map alone.
NETWORKS = {
    "resnet18": ([64, 64, 128, 256, 512], 5),
    "efficientnet_lite0": ([16, 24, 40, 112, 1280], 5),
    "mobilenetv3_small_050": ([16, 8, 16, 24, 288], 5),
    "convnext_atto": ([40, 80, 160, 320], 4),
    "regnetx_002": ([32, 24, 56, 152, 368], 5),
    "ghostnet_050": ([8, 12, 20, 56, 480], 5),
    "test_mambaout": ([16, 32, 48, 64], 0),  # channels last
    "test_vit": ([64] * 6, 0),  # tokens, from here on
    "vit_tiny_patch16_224": ([192] * 12, 0),
    "cait_xxs24_224": ([192] * 24, 0),
    "gmlp_ti16_224": ([128] * 30, 0),
}
SMALL = ["resnet18", "mobilenetv3_small_050", "test_mambaout", "test_vit"]


@pytest.fixture(scope="module")
def images():
    """Twelve images of two channels."""
    return np.random.default_rng(SEED).integers(0, 255, (12, 32, 32, 2), dtype=np.uint8)


@pytest.fixture(scope="module", params=SMALL)
def embedder(request, images):
    return RotNetEmbedder(
        f"timm/{request.param}", max_epochs=1, batch_size=6, random_state=SEED, precision="float32"
    ).fit(images)


# Networks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_contract(name):
    torch.manual_seed(SEED)
    widths, n_resume = NETWORKS[name]
    backbone = make_backbone(f"timm/{name}", in_channels=2, image_size=32).eval()
    assert backbone.layer_names == tuple(f"stage{i + 1}" for i in range(len(widths)))
    assert list(backbone.widths.values()) == widths
    backbone.check_size((32, 32))
    x = torch.rand(2, 2, 32, 32)
    with torch.no_grad():
        maps = backbone.maps(x)
        for layer, shape in backbone.map_shapes((32, 32)).items():
            assert maps[layer].shape == (2, *shape)
        assert torch.equal(backbone(x), maps[layer])
        resume = [layer for layer in maps if backbone.can_resume(layer)]
        assert len(resume) == n_resume
        for layer in {backbone.layer_names[0], *resume[1:2]}:
            assert torch.equal(backbone(x, layer), maps[layer])
        for layer in resume[1:2]:
            torch.testing.assert_close(backbone(maps[layer], after=layer), backbone(x))


@pytest.mark.parametrize("name", SMALL)
def test_training_and_copies(name):
    torch.manual_seed(SEED)
    backbone = make_backbone(f"timm/{name}", image_size=32)
    backbone(torch.rand(3, 3, 32, 32)).square().mean().backward()
    for parameter_name, parameter in backbone.named_parameters():
        assert parameter.grad is not None, parameter_name
    backbone.zero_grad()
    assert_copies_agree(backbone, torch.rand(2, 3, 32, 32))


@pytest.mark.parametrize("name", ["resnet18", "regnetx_002", "test_mambaout", "test_vit"])
def test_maps_are_timm_s(name):
    torch.manual_seed(SEED)
    backbone = make_backbone(f"timm/{name}", image_size=32).eval()
    size = {"img_size": 32} if backbone.only_side else {}
    net = timm.create_model(name, num_classes=0, **size).eval()
    missing = net.load_state_dict(backbone.stages.net.state_dict(), strict=False).missing_keys
    assert all(key.startswith(("fc_norm", "head")) for key in missing)
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        last, theirs = net.forward_intermediates(x)
        maps = list(backbone.maps(x).values())
    assert len(maps) == len(theirs)
    for mine, other in zip(maps[:-1], theirs[:-1], strict=True):
        torch.testing.assert_close(mine, other)
    if last.ndim == 3:
        last = last[:, 1:].transpose(1, 2)
    elif name == "test_mambaout":
        last = last.permute(0, 3, 1, 2)
    torch.testing.assert_close(maps[-1].flatten(2), last.flatten(2))


def test_the_head_is_taken_out():
    net = make_backbone("timm/mobilenetv3_small_050").stages.net
    assert isinstance(net.conv_head, torch.nn.Identity)
    assert {module.momentum for module in net.modules() if hasattr(module, "momentum")} == {0.1}


def test_tokens_of_no_place_are_left_out():
    backbone = make_backbone("timm/vit_small_patch14_reg4_dinov2", image_size=28).eval()
    assert backbone.map_shapes((28, 28))["stage3"] == (384, 2, 2)
    assert {n_first for _, _, n_first in backbone.nodes.values()} == {5}


def test_sizes():
    assert make_backbone("timm/resnet18").smallest_side() == 1
    bound = make_backbone("timm/test_vit", image_size=48)
    assert bound.smallest_side() == 48
    with pytest.raises(ValueError, match="32x32 pixels do not have the only size .*, 48x48"):
        bound.check_size((32, 32))


def test_one_map_of_a_single_pixel():
    backbone = make_backbone("timm/efficientvit_m0", image_size=32)
    assert backbone.map_shapes((32, 32))["stage2"] == (192, 1, 1)


# Refusals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("efficientnet_lte0", "timm .* has no network .*Did you mean 'timm/efficientnet_lite0'"),
        ("", "has no network ''"),
        ("resnet18.x", "timm has no weights 'x' of 'resnet18'. It has .*'a1_in1k'"),
        ("levit_128s", "cannot be cut .*no feature maps of the last resolution.*use another"),
        ("crossvit_tiny_240", "cannot be cut into stages.*use another"),
        ("coat_tiny", "cannot be cut into stages.*not iterable.*use another"),
        ("test_vit", "images of 8x8 pixels and 3 channel.*set image_size"),
    ],
)
def test_what_is_refused(name, message):
    with pytest.raises(ValueError, match=message):
        make_backbone(
            f"timm/{name}",
            image_size=8 if name == "test_vit" else 32,
        )


def test_transformers_for_any_size_are_bound_to_one():
    backbone = make_backbone("timm/test_vit", image_size=48)
    assert backbone.only_side == 48
    assert backbone.map_shapes((48, 48))["stage1"] == (64, 3, 3)


def test_a_tag_of_weights_may_be_named():
    assert make_backbone("timm/resnet18.a1_in1k").n_features == 512


@pytest.mark.parametrize("missing", [True, False])
def test_names_are_checked_before_files_are_read(tmp_path, monkeypatch, missing):
    paths = [str(tmp_path / f"{i}.png") for i in range(2)]  # which do not exist
    backbone, error = "timm/resnet8", ValueError
    message = "The 'backbone' parameter of RotNetEmbedder: .*no network"
    if missing:
        monkeypatch.setitem(sys.modules, "timm", None)
        backbone, error = "timm/resnet18", ImportError
        message = "'backbone' parameter of RotNetEmbedder: .*pip install \"sklssl\\[timm\\]\""
    with pytest.raises(error, match=message):
        RotNetEmbedder(backbone, image_size=32).fit(paths)


# In an embedder ----------------------------------------------------------------------------------


def test_a_saved_embedder_gives_the_same(embedder, images, tmp_path):
    save(embedder, tmp_path / "a.sklssl")
    again = load(tmp_path / "a.sklssl")
    assert isinstance(again.pretext_.backbone, Backbone)
    assert_array_equal(again.transform(images), embedder.transform(images))


def test_without_timm_a_saved_embedder_says_so(images, tmp_path, monkeypatch):
    save(RotNetEmbedder("timm/test_vit", max_epochs=0).fit(images), tmp_path / "a.sklssl")
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ValueError, match='pip install "sklssl\\[timm\\]"'):
        load(tmp_path / "a.sklssl")


def test_frozen_stages_stay(embedder, images):
    frozen, layer = embedder.layer_names_[1], embedder.layer_names_[-1]
    tuner = FineTuneClassifier(
        embedder, frozen_until=frozen, layer=layer, max_epochs=1, batch_size=6, augment=False
    ).fit(images, np.arange(12) % 2)
    before, after = embedder.pretext_.encoder, tuner.embedder_.pretext_.encoder
    starts = before.weights_until(frozen)
    stays = {
        name: any(name == start or name.startswith(f"{start}.") for start in starts)
        for name, _ in before.named_parameters()
    }
    assert 0 < sum(stays.values()) < len(stays)
    for name, tensor in before.state_dict().items():
        if name in stays:
            assert torch.equal(tensor, after.state_dict()[name]) == stays[name], name


@pytest.mark.parametrize("name", ["mobilenetv3_small_050", "test_vit"])
def test_a_training_goes_on(name, images, tmp_path):
    class Stopped(Exception):
        pass

    def stop(embedder, row):
        raise Stopped

    def build(**params):
        fixed = {"max_epochs": 2, "batch_size": 6, "random_state": SEED, "precision": "float32"}
        return RotNetEmbedder(f"timm/{name}", **fixed, **params)

    with pytest.raises(Stopped):
        build(checkpoint_dir=tmp_path, callbacks=[stop]).fit(images)
    resumed = build(checkpoint_dir=tmp_path).fit(images)
    assert_array_equal(resumed.transform(images), build().fit(images).transform(images))


@pytest.mark.parametrize("name", ["test_efficientnet", "test_vit"])
def test_onnx(name, images, tmp_path):
    pytest.importorskip("onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime")
    embedder = RotNetEmbedder(f"timm/{name}", max_epochs=0, precision="float32").fit(images)
    embedder.export_onnx(tmp_path / "a.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "a.onnx")
    (Z,) = session.run(None, {"images": images.astype(np.float32)})
    np.testing.assert_allclose(Z, embedder.transform(images), rtol=1e-3, atol=1e-4)
