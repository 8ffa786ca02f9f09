import signal
import warnings
from functools import partial

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.base import clone
from torch import nn

from sklssl import (
    FineTuneClassifier,
    FineTuneRegressor,
    MultiScaleEmbedder,
    RotNetEmbedder,
    SimCLREmbedder,
)
from sklssl._data import batches
from sklssl._training.guards import ChanceGuard, CollapseGuard, FineTuningGuard
from sklssl.exceptions import (
    CollapseWarning,
    DivergenceWarning,
    NonFiniteLossError,
    NonFiniteLossWarning,
)
from tests._seed import SEED


class Break:
    """A callback that spoils the weights after an epoch, as a bad step would."""

    def __init__(self, epoch, value=np.inf):
        self.epoch, self.value = epoch, value

    def __call__(self, estimator, row):
        if row["epoch"] == self.epoch:
            module = estimator.head_ if hasattr(estimator, "head_") else estimator.pretext_.head
            with torch.no_grad():
                next(module.parameters()).fill_(self.value)


def rows(estimator):
    return [{**row, "duration": None} for row in estimator.history_]


def test_few_large_images_are_enough(monkeypatch):
    monkeypatch.setattr(batches, "_HELD_VALUES", 40 * 100 * 100)
    images = np.random.default_rng(SEED).random((60, 200, 200, 1))
    numbers = []

    def embed(images):
        numbers.append(len(images))
        return np.ones((len(images), 4))

    with pytest.warns(CollapseWarning, match="the same features"):
        CollapseGuard(images, embed).look(RotNetEmbedder())
    assert numbers == [32]


def test_first_images_that_are_alike_are_no_collapse(recwarn):
    images = np.random.default_rng(SEED).random((600, 4, 4, 1))
    images[:300] = 0
    CollapseGuard(images, lambda images: images.reshape(len(images), -1)).look(RotNetEmbedder())
    assert not recwarn.list


@pytest.mark.parametrize(
    ("make", "step"),
    [
        (lambda **p: RotNetEmbedder(random_state=SEED, **p), 1),
        (lambda **p: RotNetEmbedder(random_state=SEED, batch_size=8, **p), 1),
        (lambda **p: FineTuneClassifier("convnet", random_state=SEED, **p), 1),
    ],
)
def test_a_loss_that_is_not_finite_keeps_the_last_good_epoch(digits, make, step):
    X, y = digits[0][:100], digits[1][:100]
    message = (
        f"the loss became nan in epoch 3 at step {step}, at a learning rate of .* Try .* epoch 2.$"
    )
    broken = make(max_epochs=5, lr_schedule="constant", callbacks=[Break(2)])
    with pytest.warns(NonFiniteLossWarning, match=message):
        broken.fit(X, y)
    whole = make(max_epochs=2, lr_schedule="constant").fit(X, y)
    assert rows(broken) == rows(whole)
    assert_array_equal(broken.transform(X), whole.transform(X))


def test_in_the_first_epoch_it_is_an_error(digits):
    X = digits[0][:100]
    fitted = RotNetEmbedder(max_epochs=1, random_state=SEED, warm_start=True).fit(X)
    Z = fitted.transform(X)
    fitted.set_params(learning_rate=1e30)
    message = r"RotNetEmbedder: the loss became .* in epoch 2 at step \d+, at a learning rate of 1e"
    with pytest.raises(NonFiniteLossError, match=message):
        fitted.fit(X)
    assert_array_equal(fitted.transform(X), Z)
    assert fitted.n_epochs_ == 1


def test_weights_that_no_loss_has_shown(digits):
    """The last step of an epoch makes them infinite: that epoch is not good."""

    class Late(RotNetEmbedder):
        def _make_pretext(self, backbone):
            pretext = super()._make_pretext(backbone)

            def after_step(progress):
                if progress == 1:
                    pretext.head.bias.data.fill_(np.nan)

            pretext.after_step = after_step
            return pretext

    embedder = Late(max_epochs=2, random_state=SEED)
    with pytest.warns(NonFiniteLossWarning, match="nan in epoch 2 at step 4"):
        embedder.fit(digits[0][:100])
    assert embedder.n_epochs_ == 1


class SpoilStatistics:
    """A callback after which only training, whose statistics are those of batches, is finite."""

    def __init__(self, epoch):
        self.epoch = epoch

    def __call__(self, estimator, row):
        if row["epoch"] == self.epoch:
            embedder = getattr(estimator, "embedder_", estimator)
            spoil_statistics(embedder.pretext_.backbone)


def spoil_statistics(backbone):
    for norm in [part for part in backbone.modules() if isinstance(part, nn.BatchNorm2d)]:
        norm.running_mean.fill_(np.nan)


# The guards look after epochs 1, 2, 4 and the last one. A callback comes after them, so that the
# epoch whose callback spoils the statistics is the last good one.
@pytest.mark.parametrize(("epoch", "max_epochs"), [(3, 6), (2, 6), (2, 3)])
@pytest.mark.parametrize(
    "make",
    [
        partial(RotNetEmbedder, "convnet"),
        partial(FineTuneClassifier, "convnet"),
        partial(FineTuneClassifier, "convnet", early_stopping=True),
    ],
)
def test_outputs_that_are_not_finite_keep_the_last_good_epoch(
    digits, tmp_path, make, epoch, max_epochs
):
    X, y = digits[0][:100], digits[1][:100]
    make = partial(make, lr_schedule="constant", random_state=SEED)
    broken = make(max_epochs=max_epochs, checkpoint_dir=tmp_path)
    broken.set_params(callbacks=[SpoilStatistics(epoch)])
    message = f"outputs of the trained network .* Training ends with .* the end of epoch {epoch}.$"
    with pytest.warns(NonFiniteLossWarning, match=message):
        broken.fit(X, y)
    whole = make(max_epochs=epoch).fit(X, y)
    assert rows(broken) == rows(whole)
    assert_array_equal(broken.transform(X), whole.transform(X))
    again = make(max_epochs=max_epochs, checkpoint_dir=tmp_path).fit(X, y)
    assert rows(again) == rows(whole)
    assert_array_equal(again.transform(X), whole.transform(X))


def test_outputs_that_were_never_finite_are_an_error(digits):
    class Spoilt(RotNetEmbedder):
        def _make_pretext(self, backbone):
            pretext = super()._make_pretext(backbone)
            pretext.after_step = lambda progress: spoil_statistics(backbone)
            return pretext

    embedder = Spoilt("convnet", max_epochs=3, random_state=SEED)
    with pytest.raises(NonFiniteLossError, match="Spoilt: the outputs of the trained network"):
        embedder.fit(digits[0][:100])
    assert not embedder.__sklearn_is_fitted__()


def test_later_scales_are_not_trained_after_it(digits):
    embedder = MultiScaleEmbedder(
        RotNetEmbedder(random_state=SEED, callbacks=[Break(1)]), max_epochs=2
    )
    with pytest.warns(NonFiniteLossWarning):
        embedder.fit(digits[0][:100])
    assert [row["scale"] for row in embedder.history_] == [0.5]


def test_gradients_are_clipped(digits):
    X = digits[0][:100]
    norms = []

    def measure(parameters, max_norm, *args, **kwargs):
        parameters = list(parameters)
        total = clip(parameters, max_norm, *args, **kwargs)
        gradients = [p.grad.flatten() for p in parameters if p.requires_grad]
        norms.append(float(torch.cat(gradients).norm()))
        return total

    from skorch.callbacks import regularization

    clip = regularization.clip_grad_norm_
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(regularization, "clip_grad_norm_", measure)
        RotNetEmbedder(max_epochs=1, random_state=SEED, max_grad_norm=0.01).fit(X)
    assert len(norms) == 4
    assert max(norms) <= 0.0101
    with pytest.raises(ValueError, match="'max_grad_norm' parameter of RotNetEmbedder"):
        RotNetEmbedder(max_grad_norm=0).fit(X)


# Collapse ----------------------------------------------------------------------------------------


class Embeds:
    n_epochs_ = 8

    def __init__(self, Z):
        self.Z = Z

    def embed(self, images):
        return self.Z[: len(images)]


def features(kind, rng):
    Z = rng.normal(size=(200, 50)).astype(np.float32)
    if kind == "dead":
        Z[:, 3:] = 1
    elif kind == "narrow":
        Z = Z[:, :1] * rng.normal(size=(1, 50)) + 1e-3 * Z
    elif kind == "same":
        Z[:] = Z[0]
    return Z.astype(np.float32)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("dead", "94% of the features are the same for all images"),
        ("narrow", "vary along only 1.0 directions"),
        ("same", "the embedding collapsed"),
    ],
)
def test_collapse_is_told_once(kind, message):
    rng = np.random.default_rng(SEED)
    images = rng.integers(0, 256, (200, 8, 8, 1), dtype=np.uint8)
    estimator = Embeds(features(kind, rng))
    guard = CollapseGuard(images, estimator.embed)
    with pytest.warns(CollapseWarning, match=f"Embeds: .*{message}.* Try a smaller learning_rate"):
        guard(estimator, {"epoch": 4})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        guard(estimator, {"epoch": 8})
        guard.after_training(estimator)


def test_good_features_and_narrow_images_are_no_collapse():
    rng = np.random.default_rng(SEED)
    images = rng.integers(0, 256, (200, 8, 8, 1), dtype=np.uint8)
    estimator = Embeds(features("good", rng))
    CollapseGuard(images, estimator.embed).look(estimator)
    grey = np.broadcast_to(images[:, :1, :1], images.shape)  # as narrow as its features
    estimator = Embeds(features("narrow", rng))
    CollapseGuard(grey, estimator.embed).look(estimator)


def test_a_collapse_is_told_when_it_happens(digits):
    """Not only at the end of a long training."""

    class Stop(Exception):
        pass

    def stop(estimator, row):
        raise Stop

    embedder = RotNetEmbedder(max_epochs=9, random_state=SEED, callbacks=[stop])
    with pytest.warns(CollapseWarning), pytest.raises(Stop):
        embedder.fit(np.zeros((40, 8, 8), np.uint8))


# Chance ------------------------------------------------------------------------------------------


class Rows:
    def __init__(self, *losses):
        self.history_ = [{"epoch": i + 1, "loss": loss} for i, loss in enumerate(losses)]


class Task:
    def __init__(self, chance):
        self.chance = chance

    def chance_loss(self, n_images):
        self.n_images = n_images
        return self.chance


def tell(losses, chance=1.0, guard=ChanceGuard):
    """Give what the guard says of epochs with these losses."""
    guard, estimator = guard(Task(chance), 100, 32), Rows()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for row in Rows(*losses).history_:
            estimator.history_.append(row)
            guard(estimator, row)
        guard.after_training(estimator)
    assert all(warning.category is DivergenceWarning for warning in caught)
    return [str(warning.message) for warning in caught]


def test_divergence_is_told_once():
    assert tell([1.2, 1.1, 0.9, 0.8, 0.7]) == []
    assert tell([0.9, 1.2, 1.3, 1.4, 0.5]) == []  # too early
    assert tell([0.9, 0.8, 0.7, 0.6, 1.2, 0.5]) == []  # a single epoch
    assert tell([0.9, 0.8, 0.7, 1.1, 1.2, 0.5])[0].startswith(
        "Rows: the pretext task diverges: its loss is 1.2 in epoch 5 (by chance: 1)"
    )
    assert "its loss is 50 in epoch 1" in tell([50.0, 2.0])[0]
    assert "no better than by chance, with a loss of 1 after 5" in tell([1.0] * 5)[0]
    assert len(tell([0.5, 2.0, 3.0, 4.0, 5.0])) == 1
    assert tell([1.0] * 4) == []  # too early
    assert tell([1.0, 50.0] * 5, chance=None) == []


def test_fine_tuning_may_stay_near_chance_level():
    def tell_of(*losses):
        return tell(losses, guard=FineTuningGuard)

    assert tell_of(1.9, 1.3, 1.2, 1.1, 1.1) == []
    assert tell_of(6.0, 5.0, 4.0, 3.0) == []  # too early
    assert tell_of(6.0, 5.0, 4.0, 3.0, 2.1)[0].startswith(
        "Rows: fine-tuning predicts y worse than by chance, with a loss of 2.1 after 5 epochs"
    )
    lost = tell_of(0.9, 0.8, 0.7, 1.1, 1.2)[0]
    assert lost.startswith("Rows: fine-tuning diverges: its loss is 1.2 in epoch 5")
    assert "fine-tuning diverges: its loss is 50 in epoch 1" in tell_of(50.0, 2.0)[0]


@pytest.mark.parametrize(("make", "rate"), [(FineTuneClassifier, 1e9), (FineTuneRegressor, 0.3)])
def test_fine_tuning_that_diverges(digits, make, rate):
    tuner = make("convnet", max_epochs=2, learning_rate=rate, random_state=SEED)
    message = rf"{make.__name__}: fine-tuning diverges: .*\(by chance: 1.*\). Try a smaller"
    with pytest.warns(DivergenceWarning, match=message):
        tuner.fit(digits[0][:60], digits[1][:60] % 3)


RARE = (np.arange(60) == 7) + 0.0


@pytest.mark.parametrize(
    ("tuner", "y", "weights"),
    [
        (FineTuneRegressor("convnet"), np.random.default_rng(SEED).normal(size=60), None),
        (FineTuneRegressor("convnet"), np.ones(60), None),
        (FineTuneRegressor("convnet"), RARE, 1 + 9 * RARE),
        (FineTuneRegressor("convnet", early_stopping=True), 1e3 * RARE, None),
        (FineTuneClassifier("convnet"), np.random.default_rng(SEED).integers(0, 5, 60), None),
        (FineTuneClassifier("convnet"), RARE, None),
        (FineTuneClassifier("convnet", class_weight="balanced"), RARE, None),
    ],
)
def test_labels_that_say_little_are_no_divergence(digits, tuner, y, weights):
    tuner = clone(tuner).set_params(max_epochs=5, random_state=SEED)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DivergenceWarning)
        tuner.fit(digits[0][:60], y, sample_weight=weights)


def test_chance_is_that_of_a_batch():
    task = Task(1.0)
    ChanceGuard(task, 100, 32)
    assert task.n_images == 25


def test_a_contrastive_task_that_is_only_guessed(digits):
    embedder = SimCLREmbedder(max_epochs=5, temperature=1e3, random_state=SEED)  # all are alike
    with pytest.warns(DivergenceWarning, match=r"SimCLREmbedder: .*\(by chance: 4\.\d\d\)"):
        embedder.fit(digits[0][:120])


@pytest.fixture
def ctrl_c_heard():
    """Undo what a shell does to jobs in the background, which ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c_heard")
def test_ctrl_c_leaves_a_checkpoint_and_the_estimator_as_it_was(tmp_path, X):
    def press(estimator, row):
        if row["epoch"] == 2:
            signal.raise_signal(signal.SIGINT)

    def make(**params):
        return RotNetEmbedder(max_epochs=4, random_state=SEED, **params)

    embedder = make(checkpoint_dir=tmp_path, callbacks=[press])
    with pytest.raises(KeyboardInterrupt):
        embedder.fit(X)
    assert not embedder.__sklearn_is_fitted__()
    epochs = []
    resumed = make(checkpoint_dir=tmp_path, callbacks=[lambda e, row: epochs.append(row["epoch"])])
    resumed.fit(X)
    assert epochs == [3, 4]  # nothing was lost
    assert_array_equal(resumed.transform(X), make().fit(X).transform(X))
