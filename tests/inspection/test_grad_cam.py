import numpy as np
import pytest
import torch
from torch import nn

from sklssl.backbones import Backbone, make_backbone, pool_map
from sklssl.inspection._grad_cam import compute_maps
from tests._seed import SEED


def make_network(inplace=False):
    """Return a tiny network, a linear head, and images."""
    torch.manual_seed(SEED)
    first = nn.Conv2d(2, 3, 3, padding=1)
    rest = nn.Sequential(nn.ReLU(inplace), nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.Tanh())
    last = nn.Sequential(nn.Conv2d(4, 5, 3, padding=1), nn.Softplus())
    backbone = Backbone({"a": first, "b": rest, "c": last}, in_channels=2).double().eval()
    return backbone, nn.Linear(5, 3).double(), torch.rand(4, 2, 6, 8, dtype=torch.float64)


def slow_maps(backbone, head, images, layer, target):
    """Follow the definition: change one channel of one image by a little, and see what follows."""
    maps = backbone(images, layer)
    expected = torch.zeros(len(images), *maps.shape[2:], dtype=torch.float64)
    for i in range(len(images)):
        for k in range(maps.shape[1]):
            scores = []
            for step in (1e-5, -1e-5):
                changed = maps.clone()
                changed[i, k] += step
                logits = head(pool_map(backbone(changed, "c", after=layer)))
                scores.append(logits[i, target].item())
            # The sum of the gradient over the positions.
            weight = (scores[0] - scores[1]) / 2e-5 / maps[0, 0].numel()
            expected[i] += weight * maps[i, k]
    return expected.clamp(min=0)


@pytest.mark.parametrize("inplace", [False, True])
def test_against_finite_differences(inplace):
    backbone, head, images = make_network(inplace)
    backbone.set_standardisation(torch.tensor([0.3, 0.5]), torch.tensor([0.2, 2.0]))
    evidence = dict.fromkeys("abc", 0.0)
    for target in range(3):
        found = compute_maps(
            backbone,
            lambda target=target: head(pool_map(backbone(images)))[:, target].sum(),
        )
        assert list(found) == ["a", "b", "c"]
        for layer, maps in found.items():
            with torch.no_grad():
                expected = slow_maps(backbone, head, images, layer, target)
            torch.testing.assert_close(maps.double(), expected, rtol=1e-4, atol=1e-6)
            evidence[layer] += maps.max().item()
    assert min(evidence.values()) > 0  # some map is not 0 everywhere


def test_a_network_that_is_called_twice():
    backbone, head, images = make_network()

    def score():
        z1, z2 = (pool_map(backbone(part)) for part in (images[:1], images[1:]))
        return head(z1)[:, 1].sum() + head(z2)[:, 1].sum()

    apart = compute_maps(backbone, score)
    at_once = compute_maps(backbone, lambda: head(pool_map(backbone(images)))[:, 1].sum())
    for layer, maps in at_once.items():
        torch.testing.assert_close(apart[layer], maps)


def test_no_evidence():
    backbone, _, images = make_network()
    maps = compute_maps(backbone, lambda: 0 * backbone(images).sum())
    assert not any(cams.any() for cams in maps.values())


def test_the_network_stays_as_it_was():
    backbone, _, images = make_network()
    compute_maps(backbone.requires_grad_(False), lambda: backbone(images).sum())
    assert "_outputs" not in vars(backbone)
    assert all(weight.grad is None for weight in backbone.parameters())
    with pytest.raises(RuntimeError, match="here"):
        compute_maps(backbone, lambda: (_ for _ in ()).throw(RuntimeError("here")))
    assert "_outputs" not in vars(backbone)


@pytest.mark.parametrize("name", ["timm/test_vit", "timm/test_mambaout"])
def test_networks_whose_stages_pass_on_something_else_than_maps(name):
    pytest.importorskip("timm")
    torch.manual_seed(SEED)
    side = 160 if name == "timm/test_vit" else 64
    backbone = make_backbone(name, image_size=side).eval()
    images = torch.rand(2, 3, side, side)
    found = compute_maps(backbone, lambda: backbone(images)[:, :5].sum())
    assert list(found) == list(backbone.layer_names)
    for layer, maps in found.items():
        assert maps.shape[1:] == backbone.map_shapes((side, side))[layer][1:]
        assert maps.max() > 0, layer


@pytest.mark.filterwarnings("ignore")  # of another package
def test_against_the_package_grad_cam():
    package = pytest.importorskip("pytorch_grad_cam")
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    backbone, head, images = make_network()

    class Classifier(nn.Module):
        def __init__(self):
            super().__init__()
            self.backbone, self.head = backbone, head

        def forward(self, images):
            return self.head(pool_map(self.backbone(images)))

    found = compute_maps(backbone, lambda: head(pool_map(backbone(images)))[:, 1].sum())
    with package.GradCAM(Classifier(), [backbone.stages.a]) as cam:
        theirs = cam(images, [ClassifierOutputTarget(1)] * len(images))
    ours = found["a"].numpy()  # of the size of the images, which are not resized then
    low = ours.min(axis=(1, 2), keepdims=True)  # they stretch the values from 0 to 1
    ours = (ours - low) / (ours.max(axis=(1, 2), keepdims=True) - low)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
