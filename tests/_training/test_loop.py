import pickle

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from sklssl import (
    BaseEmbedder,
    FineTuneClassifier,
    MultiScaleEmbedder,
    RotationDecouplingEmbedder,
    RotNetEmbedder,
    SimCLREmbedder,
)
from sklssl._training import loop
from sklssl._training.config import OPTIMIZERS
from sklssl._training.run import StopPhase
from sklssl.embedding._rotnet import RotationPretext
from tests._estimators import every_embedder, with_params
from tests._seed import SEED

# What reads a number from the device, or copies one there: a GPU has to finish all that it was
# given before. Whether it does so can be seen on any device.
WAITING = {
    "aten::_local_scalar_dense",
    "aten::equal",
    "aten::is_nonzero",
    "aten::lift_fresh",
    "aten::masked_select",
    "aten::nonzero",
    "aten::_unique2",
    "aten::unique_dim",
}


class NoWaiting(TorchDispatchMode):
    """Refuses operations for which a GPU would have to wait."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.name().split(".")[0]
        by_mask = name in ("aten::index", "aten::index_put", "aten::index_put_") and any(
            index is not None and index.dtype == torch.bool for index in args[1]
        )
        if name in WAITING or by_mask:
            raise AssertionError(f"{name} makes a GPU wait")
        return function(*args, **(kwargs or {}))


@pytest.fixture
def steps(monkeypatch):
    """Guard all steps of training; gives a list to which each adds its number of images."""
    seen = []

    class Guarded(loop._PretextNet):
        def train_step(self, batch, **fit_params):
            seen.append(len(batch[1]))
            with NoWaiting():
                return super().train_step(batch, **fit_params)

        def notify(self, method_name, **kwargs):
            if method_name != "on_batch_end":
                return super().notify(method_name, **kwargs)
            with NoWaiting():
                return super().notify(method_name, **kwargs)

    monkeypatch.setattr(loop, "_PretextNet", Guarded)
    return seen


@pytest.mark.parametrize(
    "embedder",
    [
        RotNetEmbedder(),
        *every_embedder(backbone="convnet").values(),
        SimCLREmbedder(image_size=64),  # blurred
        RotationDecouplingEmbedder(pu_weighting=True),
        RotationDecouplingEmbedder(instance_task="nt_xent"),
        FineTuneClassifier(RotNetEmbedder(max_epochs=0), augment=True),
    ],
    ids=lambda embedder: type(embedder).__name__,
)
def test_no_step_makes_a_gpu_wait(digits, steps, embedder):
    """All three colours, so that none of the views' operations is left out."""
    X = np.repeat(digits[0][:20], 3, axis=3)
    embedder = with_params(embedder, max_epochs=2, batch_size=10, random_state=SEED)
    embedder.fit(X, digits[1][:20] % 2)
    n_scales = len({row["scale"] for row in embedder.history_})
    assert steps == [10] * 4 * n_scales


def test_the_guard_sees_what_it_should():
    x = torch.arange(3.0)
    for wait in (x.sum().item, lambda: x[x > 1], lambda: torch.tensor([1.0]), lambda: bool(x[0])):
        with pytest.raises(AssertionError, match="makes a GPU wait"), NoWaiting():
            wait()


@pytest.mark.gpu
@pytest.mark.parametrize("embedder", [RotNetEmbedder(), SimCLREmbedder()])
def test_no_step_waits_on_a_gpu(digits, monkeypatch, embedder):
    original = loop._PretextNet.train_step

    def guarded(self, batch, **fit_params):
        torch.cuda.set_sync_debug_mode("error")
        try:
            return original(self, batch, **fit_params)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(loop._PretextNet, "train_step", guarded)
    embedder.set_params(max_epochs=2, device="cuda").fit(np.repeat(digits[0][:200], 3, axis=3))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_fused_optimizers_step_as_plain_ones_do(name):
    torch.manual_seed(SEED)
    weights = [torch.randn(5, 3, requires_grad=True) for _ in range(2)]
    weights[1].data.copy_(weights[0].data)
    fused = OPTIMIZERS[name]([weights[0]], lr=0.01, weight_decay=0.1)
    plain = OPTIMIZERS[name]([weights[1]], lr=0.01, weight_decay=0.1, fused=False)
    for step in range(5):
        for weight in weights:
            weight.grad = torch.full_like(weight, float(step + 1)).sin()
        fused.step()
        plain.step()
    torch.testing.assert_close(*weights)


def test_memory_that_does_not_hold_a_step_is_explained(X, monkeypatch):
    def refuse(self, batch, **fit_params):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(loop._PretextNet, "train_step_single", refuse)
    embedder = RotNetEmbedder(max_epochs=1)
    with pytest.raises(MemoryError, match=r"RotNetEmbedder: .*batch_size=32.*batch_size=16"):
        embedder.fit(X)
    with pytest.raises(MemoryError, match="Try a smaller image_size or backbone"):
        embedder.set_params(batch_size=2).fit(X)
    assert not hasattr(embedder, "pretext_")


class ProgressEmbedder(BaseEmbedder):
    """Keeps what its task was told of its progress."""

    def _make_pretext(self, backbone):
        self.told_ = []
        pretext = RotationPretext(backbone)
        pretext.after_step = self.told_.append
        return pretext


def progress(embedder, X, method="fit"):
    """Give what the task is told in a call of `method`, and forget it."""
    getattr(embedder, method)(X)
    told = getattr(embedder, "estimator_", embedder).told_
    values = list(told)
    told.clear()
    return values


def test_progress_is_that_of_one_call(X):
    embedder = ProgressEmbedder("convnet", max_epochs=2, batch_size=20, warm_start=True)
    shares = [0.25, 0.5, 0.75, 1.0]
    assert progress(embedder, X) == shares
    assert progress(embedder.set_params(max_epochs=1), X) == [0.5, 1.0]
    assert progress(embedder, X, "partial_fit") == [0.0, 0.0]
    assert progress(embedder.set_params(max_epochs=2), X) == shares


def test_progress_counts_all_scales(X):
    inner = ProgressEmbedder("convnet", batch_size=20, random_state=SEED)
    embedder = MultiScaleEmbedder(inner, scales=(0.5, 0.75, 1.0), max_epochs=(1, 0, 3))
    assert progress(embedder, X) == [step / 8 for step in range(1, 9)]


def test_progress_never_falls_where_a_scale_ends_early(X):
    def end_first(embedder, row):
        if row["epoch"] == 1:
            raise StopPhase

    inner = ProgressEmbedder("convnet", batch_size=20, callbacks=[end_first])
    embedder = MultiScaleEmbedder(inner, scales=(0.5, 1.0), max_epochs=2)
    assert progress(embedder, X) == [0.125, 0.25, 0.625, 0.75, 0.875, 1.0]


def test_progress_goes_on_where_a_checkpoint_left_it(X, tmp_path):
    def stop(embedder, row):
        if row["epoch"] == 2:  # the one before it is kept
            raise KeyError

    inner = ProgressEmbedder("convnet", batch_size=20, random_state=SEED)
    inner.set_params(checkpoint_dir=tmp_path, callbacks=[stop])
    embedder = MultiScaleEmbedder(inner, scales=(0.5, 1.0), max_epochs=(1, 2))
    with pytest.raises(KeyError):
        embedder.fit(X)
    inner.set_params(callbacks=None)
    assert progress(embedder, X) == [step / 6 for step in range(3, 7)]


def test_compile_trains_what_an_uncompiled_step_trains(X, monkeypatch):
    """Traced by torch, but run by its own operations: to make machine code takes half a minute."""
    compiled, original = [], torch.compile

    def trace(module, **settings):
        compiled.append(type(module).__name__)
        return original(module, backend="eager")

    monkeypatch.setattr(torch, "compile", trace)
    plain, traced = (
        RotNetEmbedder(max_epochs=2, compile=compile, random_state=SEED).fit(X)
        for compile in (False, True)
    )
    assert "RotationPretext" in compiled
    np.testing.assert_allclose(traced.transform(X), plain.transform(X), rtol=1e-3, atol=1e-4)
    assert type(traced.pretext_) is type(plain.pretext_)
    pickle.loads(pickle.dumps(traced)).transform(X)
