"""Networks compute in the precision that was asked for; heads and losses always in float32."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from sklssl import BaseEmbedder, FineTuneClassifier, MultiScaleEmbedder, Pretext, RotNetEmbedder
from sklssl._runtime.device import network_precision
from sklssl.backbones import make_backbone, pool_map
from tests._seed import SEED

CPU = torch.device("cpu")


class TeacherPretext(Pretext):
    """Guess what a copy of the network says, by matrix products of the author's own."""

    def __init__(self, backbone, seen):
        super().__init__(backbone)
        self.teacher = copy.deepcopy(backbone).requires_grad_(False)
        self.head = nn.Linear(backbone.n_features, 8)
        self.seen = seen

    @property
    def encoder(self):
        return self.teacher

    def views(self, images, rng, index):
        self.seen["in views"] = (images.flatten(1) @ images.flatten(1).T).dtype
        return images, pool_map(self.teacher(images))

    def forward(self, views, targets):
        z = self.head(pool_map(self.backbone(views)))
        loss = (z.T @ z).square().mean() + (targets.T @ targets).mean()
        self.seen |= {"teacher": targets.dtype, "head": z.dtype, "loss": loss.dtype}
        return {"loss": loss}

    def before_epoch(self, embed, rng):
        features = embed()
        self.seen |= {"embed": features.dtype, "product": (features @ features.T).dtype}


class TeacherEmbedder(BaseEmbedder):
    def _make_pretext(self, backbone):
        self.seen_ = {}
        return TeacherPretext(backbone, self.seen_)


@pytest.fixture
def stages():
    """Give the types of the maps that stages of networks hand on."""
    seen = []
    hook = nn.modules.module.register_module_forward_hook(
        lambda module, args, out: seen.append(out.dtype) if type(module) is nn.Conv2d else None
    )
    yield seen
    hook.remove()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_only_the_network_is_in_the_precision_asked_for(X, stages, precision):
    embedder = TeacherEmbedder("convnet", max_epochs=1, precision=precision, random_state=SEED)
    embedder.fit(X)
    assert set(embedder.seen_.values()) == {torch.float32}
    assert set(stages) == {getattr(torch, precision), torch.float32}  # sizes are found in float32
    stages.clear()
    embedder.transform(X), embedder.score(X)
    assert set(stages) == {getattr(torch, precision)}
    assert set(embedder.seen_.values()) == {torch.float32}


def test_bfloat16_learns_what_float32_learns(X):
    exact, coarse = (
        RotNetEmbedder("convnet", max_epochs=2, precision=p, random_state=SEED).fit(X).transform(X)
        for p in ("float32", "bfloat16")
    )
    assert not np.array_equal(exact, coarse)
    assert np.corrcoef(exact.ravel(), coarse.ravel())[0, 1] > 0.98


def test_other_work_between_the_epochs_has_its_own_precision(X, stages):
    """A callback uses another embedder, and a network by itself."""
    other = RotNetEmbedder("convnet", max_epochs=0, precision="float32", random_state=SEED).fit(X)
    expected = other.transform(X)
    results = []

    def use_other(embedder, row):
        stages.clear()
        results.append(other.transform(X))
        assert set(stages) == {torch.float32}

    params = {"max_epochs": 1, "precision": "bfloat16", "random_state": SEED}
    embedder = RotNetEmbedder("convnet", callbacks=[use_other], **params)
    MultiScaleEmbedder(embedder, max_epochs=1).fit(X)
    for Z in results:
        np.testing.assert_array_equal(Z, expected)
    assert len(results) == 2


@pytest.mark.parametrize("name", ["patchconvnet", "resnet8", "squeezenet1_1", "timm/test_vit"])
def test_maps_of_any_network_are_float32(name, stages):
    size = 160 if name == "timm/test_vit" else 32
    backbone = make_backbone(name, image_size=size).eval()
    images = torch.rand(2, 3, size, size)
    expected = backbone.maps(images)
    stages.clear()
    with network_precision(CPU, "bfloat16"), torch.no_grad():
        maps = backbone.maps(images)
        for layer, x in maps.items():
            assert torch.equal(backbone(images, layer), x)
    assert set(stages) <= {torch.bfloat16}
    assert {x.dtype for x in maps.values()} == {torch.float32}
    assert any(not torch.equal(maps[layer], x) for layer, x in expected.items())


@pytest.mark.parametrize("frozen_until", ["block2", "all"])
def test_fine_tuning_behind_maps_that_were_computed_once(digits, frozen_until):
    X, y = digits[0][:60], digits[1][:60] % 2
    embedder = RotNetEmbedder("convnet", max_epochs=0, precision="bfloat16", random_state=SEED)
    tuned = FineTuneClassifier(
        embedder, frozen_until=frozen_until, max_epochs=3, early_stopping=True, random_state=SEED
    )
    proba = tuned.fit(X, y).predict_proba(X)
    rounded = torch.from_numpy(proba).bfloat16().double().numpy()
    assert not np.array_equal(proba, rounded)


def test_a_compiled_step_is_in_the_same_precision(X, monkeypatch):
    original = torch.compile
    monkeypatch.setattr(torch, "compile", lambda module, **_: original(module, backend="eager"))
    embedder = TeacherEmbedder("convnet", max_epochs=1, precision="bfloat16", random_state=SEED)
    embedder.set_params(compile=True).fit(X)
    assert {embedder.seen_[name] for name in ("teacher", "head", "loss")} == {torch.float32}
    plain = TeacherEmbedder("convnet", max_epochs=1, precision="bfloat16", random_state=SEED)
    np.testing.assert_allclose(embedder.transform(X), plain.fit(X).transform(X), rtol=0.1, atol=0.1)
