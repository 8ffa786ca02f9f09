import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from torch import nn

from sklssl import (
    BaseEmbedder,
    FineTuneClassifier,
    FineTuneRegressor,
    MultiScaleEmbedder,
    Pretext,
    RotationDecouplingEmbedder,
    RotNetEmbedder,
    ScaleNetEmbedder,
    SimCLREmbedder,
)
from sklssl._runtime.generators import RNG_LOCK
from sklssl._storage.state_file import read_state, write_state
from sklssl._training.loop import train_phase
from sklssl._training.state import set_generators
from sklssl.backbones import make_backbone
from sklssl.callbacks import EarlyStopping
from sklssl.exceptions import CheckpointWarning, NonFiniteLossWarning, StateFileError, StopTraining

# Forty digits and a handful of epochs teach little.
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklssl.exceptions.CollapseWarning"),
    pytest.mark.filterwarnings("ignore::sklssl.exceptions.DivergenceWarning"),
]


class Stopped(Exception):
    pass


class StopAt:
    """A callback that ends a fit with an error, as a power cut would."""

    def __init__(self, epoch):
        self.epoch = epoch
        self.seen = []

    def __deepcopy__(self, memo):
        return self  # clones tell this one

    def __call__(self, estimator, row):
        self.seen.append(row["epoch"])
        if row["epoch"] == self.epoch:
            raise Stopped


def run_folder(checkpoint_dir):
    """Return the folder of the only run that has left checkpoints."""
    (folder,) = Path(checkpoint_dir).iterdir()
    return folder


def files(folder):
    return sorted(path.name for path in Path(folder).glob("*.safetensors"))


def contents(checkpoint_dir):
    return {path: path.read_bytes() for path in Path(checkpoint_dir).rglob("*.safetensors")}


def assert_same(one, other, X):
    """Check that two fits gave the same features, weights and history, bit by bit."""
    assert_array_equal(one.transform(X), other.transform(X))
    modules = [e.pretext_ if hasattr(e, "pretext_") else e.head_ for e in (one, other)]
    states = [module.state_dict() for module in modules]
    assert states[0].keys() == states[1].keys()
    for name, tensor in states[0].items():
        assert torch.equal(tensor.cpu(), states[1][name].cpu()), name
    rows = [[{**row, "duration": None} for row in e.history_] for e in (one, other)]
    assert rows[0] == rows[1]


def stop_and_go_on(make, folder, epoch, X, y=None, **settings):
    with pytest.raises(Stopped):
        make(checkpoint_dir=folder, callbacks=[StopAt(epoch)], **settings).fit(X, y)
    seen = StopAt(None)
    return make(checkpoint_dir=folder, callbacks=[seen], **settings).fit(X, y), seen.seen


# What is kept and read is asked of a small network, and of the default one where it says so.
SMALL = {"backbone": "convnet", "random_state": 0}


def rotnet(**params):
    return RotNetEmbedder(**{**SMALL, "max_epochs": 3, **params})


def multiscale(**params):
    return MultiScaleEmbedder(rotnet(max_epochs=2, **params))


def by_methods():
    yield rotnet
    yield lambda **p: rotnet(backbone="patchconvnet", **p)  # the default
    yield lambda **p: rotnet(lr_schedule="plateau", **p)
    yield lambda **p: rotnet(optimizer="adamw", lr_schedule="cosine", max_grad_norm=0.5, **p)
    yield lambda **p: rotnet(optimizer=torch.optim.NAdam, learning_rate=1e-3, **p)
    yield lambda **p: rotnet(backbone="mobilenet_v3_small", image_size=32, **p)  # it has dropout
    yield lambda **p: SimCLREmbedder(max_epochs=3, **SMALL, **p)
    yield lambda **p: RotationDecouplingEmbedder(max_epochs=8, pu_weighting=True, **SMALL, **p)
    yield lambda **p: ScaleNetEmbedder(max_epochs=2, random_state=0, **p)
    yield multiscale
    yield lambda **p: FineTuneClassifier("convnet", max_epochs=3, random_state=0, **p)
    yield lambda **p: FineTuneClassifier(
        "convnet", early_stopping=True, validation_fraction=0.5, max_epochs=3, random_state=0, **p
    )
    yield lambda **p: FineTuneRegressor(
        rotnet(max_epochs=1), frozen_until="all", max_epochs=3, random_state=0, **p
    )


@pytest.mark.parametrize("make", by_methods())
def test_goes_on_as_if_it_had_not_been_stopped(tmp_path, X, y, make):
    whole = make().fit(X, y)
    resumed, epochs = stop_and_go_on(make, tmp_path, whole.n_epochs_, X, y)
    assert epochs == [whole.n_epochs_]
    assert_same(resumed, whole, X)


@pytest.mark.parametrize("epoch", [2, 3, 4])
def test_goes_on_at_each_scale(tmp_path, X, epoch):
    resumed, epochs = stop_and_go_on(multiscale, tmp_path, epoch, X)
    assert epochs == list(range(epoch, 5))
    assert_same(resumed, multiscale().fit(X), X)


@pytest.mark.parametrize("make", [rotnet, lambda **p: rotnet(lr_schedule="cosine", **p)])
def test_goes_on_within_an_epoch(tmp_path, X, make):
    """So many minutes are over after every step; there are five in an epoch."""
    settings = {"batch_size": 8, "checkpoint_every": 1e-9}

    class Breaks(RotNetEmbedder):
        steps = 0

        def _make_pretext(self, backbone):
            pretext, after = super()._make_pretext(backbone), self

            def after_step(progress):
                after.steps += 1
                if after.steps == 8:
                    raise Stopped

            pretext.after_step = after_step
            return pretext

    Breaks.__name__ = Breaks.__qualname__ = "RotNetEmbedder"
    params = make(**settings, checkpoint_dir=tmp_path).get_params()
    with pytest.raises(Stopped):
        Breaks(**params).fit(X)
    folder = run_folder(tmp_path)
    newest = read_state(folder / files(folder)[-1], kind="checkpoint")
    assert (newest["position"]["epoch"], newest["position"]["step"]) == (1, 2)
    assert_same(make(**settings, checkpoint_dir=tmp_path).fit(X), make(batch_size=8).fit(X), X)


def test_keeps_the_two_newest(tmp_path, X):
    rotnet(checkpoint_dir=tmp_path).fit(X)
    folder = run_folder(tmp_path)
    assert files(folder) == ["checkpoint-00000003.safetensors", "checkpoint-00000004.safetensors"]
    assert {path.name for path in folder.iterdir()} - set(files(folder)) <= {".lock"}


def test_a_finished_training_is_not_done_again(tmp_path, X):
    first = rotnet(checkpoint_dir=tmp_path).fit(X)
    seen = StopAt(None)
    again = rotnet(checkpoint_dir=tmp_path, callbacks=[seen]).fit(X)
    assert seen.seen == []
    assert again.history_ == first.history_
    assert_same(again, first, X)


def test_a_run_that_a_callback_has_stopped_goes_on_without_it(tmp_path, X):
    stop = EarlyStopping(patience=1, min_delta=10)
    short = rotnet(checkpoint_dir=tmp_path, callbacks=[stop]).fit(X)
    assert short.n_epochs_ == 2
    seen = StopAt(None)
    again = rotnet(checkpoint_dir=tmp_path, callbacks=[EarlyStopping(patience=1, min_delta=10)])
    assert_same(again.fit(X), short, X)
    whole = rotnet(checkpoint_dir=tmp_path, callbacks=[seen]).fit(X)
    assert seen.seen == list(range(2, whole.n_epochs_ + 1))
    assert_same(whole, rotnet().fit(X), X)


class StopAfterTwo:
    """A callback with a state."""

    def __init__(self):
        self.n_epochs = 0

    def __call__(self, estimator, row):
        self.n_epochs += 1
        if self.n_epochs == 2:
            raise StopTraining


def test_a_run_that_a_callback_with_a_state_has_stopped_is_not_done_again(tmp_path, X):
    rotnet(checkpoint_dir=tmp_path, callbacks=[StopAfterTwo()]).fit(X)
    callback = StopAfterTwo()
    again = rotnet(checkpoint_dir=tmp_path, callbacks=[callback]).fit(X)
    assert (again.n_epochs_, callback.n_epochs) == (2, 0)


def test_without_a_seed_it_goes_on_but_does_not_repeat(tmp_path, X, y):
    for make in (rotnet, lambda **p: FineTuneClassifier("convnet", max_epochs=3, **p)):
        folder = tmp_path / str(make)
        free = lambda **p: make(**{**p, "random_state": None})  # noqa: B023, E731
        resumed, epochs = stop_and_go_on(free, folder, 2, X, y)
        assert epochs == [2, 3]
        again = free(checkpoint_dir=folder).fit(X, y)
        assert again.history_[0]["loss"] != resumed.history_[0]["loss"]


def fit_beside(estimator, tmp_path, *data):
    """Fit, and check that the run starts from its beginning and touches no other one's files."""
    before, seen = contents(tmp_path), StopAt(None)
    fitted = estimator.set_params(checkpoint_dir=tmp_path, callbacks=[seen]).fit(*data)
    after = contents(tmp_path)
    assert before.items() < after.items()
    assert seen.seen == list(range(1, fitted.n_epochs_ + 1))
    return fitted


@pytest.mark.parametrize(
    "changed",
    [
        {"learning_rate": 0.05},
        {"max_epochs": np.int64(4)},
        {"random_state": 1},
        {"random_state": None},
        {"backbone": "nin"},
        {"optimizer": torch.optim.SGD},
    ],
)
def test_other_parameters_make_another_run(tmp_path, X, changed):
    rotnet(checkpoint_dir=tmp_path).fit(X)
    other = fit_beside(rotnet(**changed), tmp_path, X)
    if other.random_state is not None:
        assert_same(other, rotnet(**changed).fit(X), X)


def test_other_data_make_another_run(tmp_path, X, y):
    rotnet(checkpoint_dir=tmp_path / "a").fit(X)
    other = X.copy()
    other[17, 3, 3] ^= 1
    assert_same(fit_beside(rotnet(), tmp_path / "a", other), rotnet().fit(other), X)
    tuner = FineTuneClassifier("convnet", max_epochs=1, random_state=0)
    tuner.set_params(checkpoint_dir=tmp_path / "b").fit(X, y)
    fit_beside(tuner, tmp_path / "b", X, (y + 1) % 10)


def test_other_scales_make_another_run(tmp_path, X):
    multiscale(checkpoint_dir=tmp_path).fit(X)
    other = multiscale(checkpoint_dir=tmp_path).set_params(scales=(0.75, 1.0)).fit(X)
    assert {row["scale"] for row in other.history_} == {0.75, 1.0}
    assert len(list(tmp_path.iterdir())) == 2


def test_another_method_makes_another_run(tmp_path, X):
    rotnet(checkpoint_dir=tmp_path).fit(X)
    fit_beside(SimCLREmbedder(max_epochs=1, **SMALL), tmp_path, X)


def test_refuses_another_start(tmp_path, X, y):
    start = rotnet(max_epochs=1, random_state=None)
    tuner = FineTuneClassifier(start, random_state=0, max_epochs=2, checkpoint_dir=tmp_path)
    tuner.fit(X, y)
    before = contents(tmp_path)
    with pytest.raises(ValueError, match="started from other weights"):
        tuner.fit(X, y)
    assert contents(tmp_path) == before


def save_weights(path, seed):
    torch.manual_seed(seed)
    net = make_backbone("convnet", in_channels=1, image_size=8)
    torch.save(net.state_dict(), path)


@pytest.mark.parametrize(
    "make", [rotnet, lambda **p: FineTuneClassifier(rotnet(**p), max_epochs=1, random_state=0)]
)
def test_other_weights_in_the_same_file_make_another_run(tmp_path, X, y, make):
    path = tmp_path / "weights.pt"
    save_weights(path, 0)
    make(init_weights=path).set_params(checkpoint_dir=tmp_path).fit(X, y)
    save_weights(path, 1)
    other = fit_beside(make(init_weights=path), tmp_path, X, y)
    assert_same(other, make(init_weights=path).fit(X, y), X)


def test_the_same_weights_in_another_file_are_the_same_run(tmp_path, X, monkeypatch):
    save_weights(tmp_path / "weights.pt", 0)
    rotnet(init_weights=tmp_path / "weights.pt", checkpoint_dir=tmp_path / "runs").fit(X)
    (tmp_path / "weights.pt").rename(tmp_path / "moved.pt")
    monkeypatch.setenv("HOME", str(tmp_path))
    seen = StopAt(None)
    again = rotnet(init_weights="~/moved.pt", checkpoint_dir=tmp_path / "runs", callbacks=[seen])
    again.fit(X)
    assert seen.seen == []


def test_a_file_of_weights_is_not_needed_to_go_on(tmp_path, X):
    path = tmp_path / "weights.pt"
    save_weights(path, 0)
    embedder = rotnet(init_weights=path, warm_start=True).fit(X)
    twice = clone(embedder).fit(X).fit(X)
    embedder.set_params(checkpoint_dir=tmp_path / "runs", callbacks=[StopAt(5)])
    with pytest.raises(Stopped):
        embedder.fit(X)
    path.unlink()
    seen = StopAt(None)
    assert_same(embedder.set_params(callbacks=[seen]).fit(X), twice, X)
    assert seen.seen == [5, 6]
    assert embedder.partial_fit(X).n_epochs_ == 7


def test_other_weights_of_a_fine_tuned_start_make_another_run(tmp_path, X, y):
    for seed in (0, 1):
        start = FineTuneClassifier(rotnet(max_epochs=0), max_epochs=1, random_state=seed).fit(X, y)
        rotnet(init_weights=start, checkpoint_dir=tmp_path).fit(X)
        start.random_state = 0  # so that the weights alone tell them apart
    assert len(list(tmp_path.iterdir())) == 2


class Net:
    """A factory that does not show its settings."""

    def __init__(self, rate):
        self.rate = rate

    def __repr__(self):
        return "Net()"

    def __call__(self, in_channels, image_size):
        first = nn.Conv2d(in_channels, 8, 3, padding=1)
        return nn.Sequential(first, nn.Dropout(self.rate), nn.ReLU(), nn.Conv2d(8, 16, 3, 2))


def test_other_attributes_of_a_backbone_make_another_run(tmp_path, X):
    rotnet(backbone=Net(0.0), checkpoint_dir=tmp_path).fit(X)
    other = fit_beside(rotnet(backbone=Net(0.9)), tmp_path, X)
    assert_same(other, rotnet(backbone=Net(0.9)).fit(X), X)


RATE = 0.0


def test_other_global_variables_of_a_backbone_make_another_run(tmp_path, X, monkeypatch):
    def backbone(in_channels, image_size):
        return Net(RATE)(in_channels, image_size)

    rotnet(backbone=backbone, checkpoint_dir=tmp_path).fit(X)
    monkeypatch.setitem(globals(), "RATE", 0.9)
    other = fit_beside(rotnet(backbone=backbone), tmp_path, X)
    assert_same(other, rotnet(backbone=Net(0.9)).fit(X), X)


@pytest.mark.parametrize("changed", [{"layer": "block1"}, {"pool_size": 1}, {"symmetry": "mirror"}])
@pytest.mark.parametrize("make", [rotnet, lambda **p: MultiScaleEmbedder(rotnet(**p))])
def test_what_only_transform_uses_may_change(tmp_path, digits, make, changed):
    X = digits[0][:60]  # as many as symmetry="auto" needs
    make(checkpoint_dir=tmp_path).fit(X)
    seen = StopAt(None)
    loaded = make(checkpoint_dir=tmp_path, callbacks=[seen], **changed).fit(X)
    fresh = make(**changed).fit(X)
    assert seen.seen == []
    assert_array_equal(loaded.transform(X), fresh.transform(X))
    assert loaded.symmetry_ == fresh.symmetry_


@pytest.mark.parametrize("changed", [{"layer": "block1"}, {"pool_size": 1}, {"random_state": 1}])
def test_another_embedder_makes_another_run_of_fine_tuning(tmp_path, X, y, changed):
    def make(**params):
        return FineTuneClassifier(rotnet(max_epochs=1, **params), max_epochs=1, random_state=0)

    make().set_params(checkpoint_dir=tmp_path).fit(X, y)
    other = fit_beside(make(**changed), tmp_path, X, y)
    assert_same(other, make(**changed).fit(X, y), X)


def test_fine_tuning_of_a_fitted_embedder_goes_on(tmp_path, X, y):
    embedder = rotnet(max_epochs=1, random_state=None).fit(X)

    def make(**params):
        stored = pickle.loads(pickle.dumps(embedder))
        return FineTuneClassifier(stored, max_epochs=3, random_state=0, **params)

    resumed, epochs = stop_and_go_on(make, tmp_path, 2, X, y)
    assert epochs == [2, 3]
    assert_same(resumed, make().fit(X, y), X)


def test_a_clone_does_what_its_original_does(tmp_path, X):
    original = rotnet(checkpoint_dir=tmp_path, callbacks=[StopAt(2)])
    with pytest.raises(Stopped):
        original.fit(X)
    seen = StopAt(None)
    assert_same(clone(original).set_params(callbacks=[seen]).fit(X), rotnet().fit(X), X)
    assert seen.seen == [2, 3]
    assert len(list(tmp_path.iterdir())) == 1


def test_settings_that_teach_nothing_may_change(tmp_path, X):
    with pytest.raises(Stopped):
        rotnet(checkpoint_dir=tmp_path, callbacks=[StopAt(2)]).fit(X)
    rotnet(checkpoint_dir=tmp_path, verbose=0, device="cpu", checkpoint_every=5.0).fit(X)


def test_never_starts_afresh(tmp_path, X):
    rotnet(checkpoint_dir=tmp_path).fit(X)
    seen = StopAt(None)
    other = rotnet(checkpoint_dir=tmp_path, resume="never", callbacks=[seen]).fit(X)
    assert seen.seen == [1, 2, 3]
    assert_same(other, rotnet().fit(X), X)
    assert len(files(run_folder(tmp_path))) == 2


def test_warm_start_goes_on_from_a_finished_training(tmp_path, X):
    twice = rotnet(warm_start=True).fit(X).fit(X)
    kept = rotnet(warm_start=True, checkpoint_dir=tmp_path).fit(X)
    kept.set_params(callbacks=[StopAt(5)])
    with pytest.raises(Stopped):
        kept.fit(X)
    assert kept.n_epochs_ == 3
    kept.set_params(callbacks=None).fit(X)
    assert_same(kept, twice, X)


def test_pieces_leave_no_checkpoints(tmp_path, X):
    rotnet(checkpoint_dir=tmp_path / "none").partial_fit(X)
    assert not (tmp_path / "none").exists()


def test_searches_share_no_file_and_go_on(tmp_path, X, y):
    def search(folder, callbacks=None):
        embedder = rotnet(max_epochs=2, checkpoint_dir=folder, callbacks=callbacks)
        pipe = make_pipeline(embedder, LogisticRegression(max_iter=1000))
        grid = {"rotnetembedder__learning_rate": [0.1, 0.01]}
        return GridSearchCV(pipe, grid, cv=2, n_jobs=1, error_score="raise").fit(X, y)

    undisturbed = search(None)
    seen = StopAt(None)
    for _ in range(2):
        scores = search(tmp_path, [seen]).cv_results_["mean_test_score"]
        assert_array_equal(scores, undisturbed.cv_results_["mean_test_score"])
    assert len(seen.seen) == 2 * (4 + 1)  # not again the second time
    folders = [path for path in tmp_path.iterdir() if path.is_dir()]
    assert len(folders) == 5
    assert files(tmp_path) == []
    assert all(len(files(folder)) == 2 for folder in folders)


def test_the_same_clone_twice_at_a_time(tmp_path, X):
    inner = clone(rotnet(checkpoint_dir=tmp_path))
    outer = clone(inner).set_params(callbacks=[lambda estimator, row: inner.fit(X)])
    assert_same(outer.fit(X), inner, X)
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 2


def test_generators_are_not_set_while_another_thread_builds_a_network(tmp_path, X, monkeypatch):
    free = []

    def ask(*generators):
        with ThreadPoolExecutor(1) as pool:
            free.append(pool.submit(RNG_LOCK.hold().acquire, blocking=False).result())
        set_generators(*generators)

    monkeypatch.setattr("sklssl._training.run.set_generators", ask)
    with pytest.raises(Stopped):
        rotnet(checkpoint_dir=tmp_path, callbacks=[StopAt(2)]).fit(X)
    rotnet(checkpoint_dir=tmp_path).fit(X)
    assert free == [False]


def test_a_run_whose_folder_is_in_use_takes_another_one(tmp_path, X):
    first = rotnet(checkpoint_dir=tmp_path).fit(X)
    before = contents(tmp_path)
    with FileLock(run_folder(tmp_path) / ".lock"):
        seen = StopAt(None)
        again = rotnet(checkpoint_dir=tmp_path, callbacks=[seen]).fit(X)
        assert seen.seen == [1, 2, 3]
    assert before.items() < contents(tmp_path).items()
    assert_same(again, first, X)


def test_a_folder_that_cannot_be_is_refused_before_the_training(tmp_path, X):
    (tmp_path / "file").write_text("")
    embedder = rotnet(checkpoint_dir=tmp_path / "file", callbacks=[StopAt(1)])
    with pytest.raises(ValueError, match="'checkpoint_dir' parameter of RotNetEmbedder cannot be"):
        embedder.fit(X)


@pytest.mark.parametrize("name", ["nul\0byte", "x" * 5000, "\ud800"])
def test_a_name_that_no_folder_can_have(X, name):
    with pytest.raises(ValueError, match="'checkpoint_dir' parameter of RotNetEmbedder"):
        RotNetEmbedder(max_epochs=1, checkpoint_dir=name).fit(X)


def test_of_a_damaged_checkpoint_the_one_before_is_used(tmp_path, X):
    with pytest.raises(Stopped):
        rotnet(checkpoint_dir=tmp_path, callbacks=[StopAt(3)]).fit(X)
    folder = run_folder(tmp_path)
    first, newest = files(folder)
    (folder / newest).write_bytes((folder / newest).read_bytes()[:-1])
    message = "corrupt.*The previous one is used"
    stopped = rotnet(checkpoint_dir=tmp_path, callbacks=[StopAt(3)])
    with pytest.warns(CheckpointWarning, match=message), pytest.raises(Stopped):
        stopped.fit(X)
    assert files(folder) == [first, "checkpoint-00000003.safetensors"]  # both are whole
    assert_same(rotnet(checkpoint_dir=tmp_path).fit(X), rotnet().fit(X), X)


def test_only_damaged_checkpoints_are_refused(tmp_path, X):
    rotnet(checkpoint_dir=tmp_path).fit(X)
    for path in contents(tmp_path):
        path.write_bytes(b"")
    with pytest.raises(StateFileError, match="There is no other.*resume='never'"):
        rotnet(checkpoint_dir=tmp_path).fit(X)
    rotnet(checkpoint_dir=tmp_path, resume="never").fit(X)


def test_a_checkpoint_that_does_not_fit_is_refused(tmp_path, X):
    rotnet(checkpoint_dir=tmp_path).fit(X)
    path = max(contents(tmp_path))
    state = read_state(path, kind="checkpoint")
    state["pretext"]["tensors"]["head.bias"] = torch.zeros(5)
    write_state(path, state, kind="checkpoint")
    fresh = rotnet(checkpoint_dir=tmp_path)
    with pytest.raises(StateFileError, match="of RotNetEmbedder does not match it .the weights"):
        fresh.fit(X)
    assert not fresh.__sklearn_is_fitted__()


def test_a_failing_disk_does_not_end_the_training(tmp_path, X, monkeypatch):
    def full(descriptor):
        raise OSError(28, os.strerror(28))

    with pytest.raises(Stopped):
        rotnet(checkpoint_dir=tmp_path, callbacks=[StopAt(2)]).fit(X)
    kept = contents(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.warns(CheckpointWarning, match="No space left") as caught:
            resumed = rotnet(checkpoint_dir=tmp_path).fit(X)
    assert len(caught) == 3  # two epochs, and the end
    assert_same(resumed, rotnet().fit(X), X)
    assert kept == contents(tmp_path)
    assert not list(tmp_path.rglob(".*.part"))


class CountingPretext(Pretext):
    """A task that remembers something in ways of its own."""

    def __init__(self, backbone):
        super().__init__(backbone)
        self.head = nn.Linear(backbone.n_features, 2)
        self.register_buffer("memory", None)
        self.n_epochs, self.means = 0, []

    def before_epoch(self, embed, rng):
        self.n_epochs += 1
        self.memory = embed().mean(dim=0)
        self.means.append(float(self.memory.mean()))

    def views(self, images, rng, index):
        noise = torch.randn(images.shape, generator=rng, device=images.device)
        return images + 0.01 * noise, index % 2

    def forward(self, views, targets):
        features = self.backbone(views).mean((2, 3)) - self.memory
        self.seen = [features]  # with its graph
        loss = nn.functional.cross_entropy(self.head(features), targets) * self.n_epochs
        return {"loss": loss + abs(sum(self.means))}


class CountingEmbedder(BaseEmbedder):
    def _make_pretext(self, backbone):
        return CountingPretext(backbone)


def test_what_a_task_of_the_user_remembers_is_kept(tmp_path, X):
    def make(**params):
        return CountingEmbedder(max_epochs=4, random_state=0, **params)

    resumed, _ = stop_and_go_on(make, tmp_path, 3, X)
    assert_same(resumed, make().fit(X), X)
    assert resumed.pretext_.means == make().fit(X).pretext_.means


def test_what_a_checkpoint_would_lose_is_refused(tmp_path, X):
    class Forgetful(CountingEmbedder):
        def _make_pretext(self, backbone):
            pretext = super()._make_pretext(backbone)
            pretext.recent = {0}
            return pretext

    message = "'checkpoint_dir' parameter of Forgetful: .*'recent' of CountingPretext, a set"
    with pytest.raises(TypeError, match=message):
        Forgetful(max_epochs=1, checkpoint_dir=tmp_path).fit(X)
    Forgetful(max_epochs=1).fit(X)


def test_a_state_is_not_kept_once_it_has_been_restored(tmp_path, X, monkeypatch):
    kept = []

    def train(run, phase, start):
        train_phase(run, phase, start)
        kept.append((run.checkpoints.found, start))

    monkeypatch.setattr("sklssl._training.run.train_phase", train)
    stop_and_go_on(rotnet, tmp_path, 2, X)
    assert kept == [(None, {})]


def test_divergence_within_an_epoch_that_was_resumed(tmp_path, X):
    class Diverges(RotNetEmbedder):
        def _make_pretext(self, backbone):
            pretext = super()._make_pretext(backbone)

            def after_step(progress):
                if progress == self.stop_at:
                    raise Stopped
                if progress == 0.9:
                    backbone.stages[0][0].weight.data.fill_(torch.nan)

            pretext.after_step = after_step
            return pretext

    params = {"max_epochs": 2, "batch_size": 8, "checkpoint_every": 1e-9, "random_state": 0}
    embedder = Diverges("convnet", checkpoint_dir=tmp_path, **params)
    embedder.stop_at = 0.8
    with pytest.raises(Stopped):
        embedder.fit(X)
    embedder.stop_at = None
    with pytest.warns(NonFiniteLossWarning, match="by step 2 of epoch 2, where it was resumed"):
        embedder.fit(X)


@pytest.mark.gpu
def test_goes_on_on_a_gpu(tmp_path, X):
    def make(**params):
        return rotnet(device="cuda", precision="float32", **params)

    torch.use_deterministic_algorithms(True)
    try:
        resumed, epochs = stop_and_go_on(make, tmp_path, 2, X)
        assert epochs == [2, 3]
        assert_same(resumed, make().fit(X), X)
    finally:
        torch.use_deterministic_algorithms(False)


def test_a_relative_folder_stays_where_it_was(tmp_path, X, monkeypatch):
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    leave = lambda *_: os.chdir(tmp_path / "there")  # noqa: E731
    RotNetEmbedder(
        "convnet", max_epochs=2, random_state=0, checkpoint_dir="runs", callbacks=[leave]
    ).fit(X)
    assert list((tmp_path / "here").rglob("*.safetensors"))
    assert not list((tmp_path / "there").iterdir())


def test_of_two_runs_without_a_seed_the_unfinished_one_goes_on(tmp_path, X):
    def fit(*callbacks):
        embedder = RotNetEmbedder("convnet", max_epochs=4, checkpoint_dir=tmp_path)
        return embedder.set_params(callbacks=list(callbacks)).fit(X)

    def stop(_, row):
        if row["epoch"] == 3:
            raise KeyboardInterrupt

    def start_another(_, row):
        if row["epoch"] == 2:
            with pytest.raises(KeyboardInterrupt):
                fit(stop)

    fit(start_another)
    seen = []
    fit(lambda _, row: seen.append(row["epoch"]))
    assert seen == [3, 4]
