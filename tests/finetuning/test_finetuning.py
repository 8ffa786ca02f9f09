"""Fine-tuning: what is trained, what stays, what comes back, and what is refused."""

import copy
import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score

from sklssl import (
    DINOEmbedder,
    FineTuneClassifier,
    FineTuneRegressor,
    MultiScaleEmbedder,
    RotNetEmbedder,
)
from sklssl.backbones import Backbone
from sklssl.exceptions import ImageFileError, NonFiniteLossError, StopTraining
from sklssl.finetuning import NetworkEmbedder
from tests._estimators import every_embedder
from tests._seed import SEED

QUICK = {"max_epochs": 2, "random_state": SEED}


def weights(fitted):
    pretext = fitted.pretext_ if hasattr(fitted, "pretext_") else fitted.embedder_.pretext_
    return {k: v.clone() for k, v in pretext.backbone.state_dict().items()}


def changed(before, after):
    """Name the stages of which a weight or statistic changed."""
    return {k.split(".")[1] for k in before if not torch.equal(before[k], after[k])}


def ink(X):
    return X.reshape(len(X), -1).mean(axis=1)


# What is trained -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frozen_until", "stages"),
    [
        (None, {"block1", "block2", "block3"}),
        ("block1", {"block2", "block3"}),
        ("block2", {"block3"}),
        ("all", set()),
    ],
)
@pytest.mark.parametrize("augment", [False, True])
def test_frozen_stages_keep_weights_and_statistics(X, y, trained, frozen_until, stages, augment):
    before = weights(trained)
    tuned = FineTuneClassifier(
        trained, layer="block3", frozen_until=frozen_until, augment=augment, **QUICK
    ).fit(X, y)
    assert changed(before, weights(tuned)) == stages
    assert changed(before, weights(trained)) == set()  # the user's own is left alone
    assert all(p.requires_grad for p in tuned.embedder_.pretext_.parameters())


@pytest.mark.parametrize(
    ("backbone", "frozen_until"), [("convnet", "block1"), ("mobilenet_v3_small", "stage2")]
)
def test_cached_maps_give_what_uncached_ones_give(X, y, backbone, frozen_until, monkeypatch):
    embedder = RotNetEmbedder(backbone, image_size=32, max_epochs=0, random_state=SEED)
    tuner = FineTuneClassifier(embedder, layer=f"{frozen_until[:5]}3", **QUICK)
    tuner.set_params(frozen_until=frozen_until)
    cached = clone(tuner).fit(X, y).decision_function(X)
    monkeypatch.setattr("sklssl.finetuning._base._LARGEST_CACHE", 0)
    assert_allclose(clone(tuner).fit(X, y).decision_function(X), cached, atol=1e-3)


def test_cached_maps_are_computed_once(X, y, trained, monkeypatch):
    seen = []
    forward = type(trained.pretext_.backbone).forward

    def spy(self, images, layer=None, after=None):
        seen.append((len(images), after))
        return forward(self, images, layer, after)

    monkeypatch.setattr(type(trained.pretext_.backbone), "forward", spy)
    tuner = FineTuneClassifier(trained, layer="block2", frozen_until="all", max_epochs=5)
    tuner.set_params(batch_size=16, random_state=SEED).fit(X[:32], y[:32])
    # And for some images after epochs 1, 2, 4 and 5, to see that the answers are finite.
    assert len([after for _, after in seen if after is None]) == 1 + 4
    assert len([after for _, after in seen if after == "block2"]) == 5 * 2


def test_the_backbone_has_a_rate_of_its_own(X, y, trained):
    before = weights(trained)
    slow = FineTuneClassifier(trained, backbone_learning_rate=1e-6, **QUICK).fit(X, y)
    usual = FineTuneClassifier(trained, **QUICK).fit(X, y)
    name = "stages.block2.0.weight"
    moves = [(weights(tuned)[name] - before[name]).abs().max() for tuned in (slow, usual)]
    assert moves[0] < moves[1] / 10
    rows = FineTuneClassifier(trained, lr_schedule="constant", **QUICK).fit(X, y).history_
    assert rows[0]["learning_rate"] == 1e-3


@pytest.mark.parametrize("start", every_embedder(backbone="convnet").values(), ids=str)
def test_the_network_of_every_embedder_is_trained(X, y, start):
    """Also that of a teacher, which its own method does not train."""
    start.fit(X)
    fitted = FineTuneClassifier(start, layer="block4", **QUICK).fit(X, y)
    before, after = (
        dict(embedder.pretext_.encoder.named_parameters())
        for embedder in (getattr(start, "estimator_", start), fitted.embedder_)
    )
    stages = {name.split(".")[1] for name in before if not before[name].equal(after[name])}
    assert stages == {"block1", "block2", "block3", "block4"}


@pytest.mark.parametrize(
    "start", [*every_embedder(backbone="convnet").values(), NetworkEmbedder("convnet")], ids=str
)
def test_every_copy_of_the_network_is_fine_tuned(X, y, start):
    """A teacher and its student: otherwise further training leads back to what one of them was."""
    trains = [
        weight.requires_grad
        for weight in getattr(start.fit(X), "estimator_", start).pretext_.parameters()
    ]
    pretext = FineTuneClassifier(start, **QUICK).fit(X, y).to_embedder().pretext_
    assert [weight.requires_grad for weight in pretext.parameters()] == trains
    tuned = pretext.encoder.state_dict()
    for network in [part for part in pretext.modules() if isinstance(part, Backbone)]:
        assert all(torch.equal(value, tuned[name]) for name, value in network.state_dict().items())


def test_training_further_keeps_what_a_teacher_was_taught(X, y):
    embedder = DINOEmbedder("convnet", n_prototypes=16, momentum=0.5, **QUICK).fit(X)
    tuned = FineTuneClassifier(embedder, **QUICK).fit(X, y).to_embedder()
    before = copy.deepcopy(tuned.pretext_.encoder)
    tuned.set_params(learning_rate=1e-9).partial_fit(X)
    for weight, old in zip(tuned.pretext_.encoder.parameters(), before.parameters(), strict=True):
        assert_allclose(weight.detach(), old.detach(), atol=1e-6)


@pytest.mark.parametrize("head", ["linear", "mlp", "conv"])
def test_every_head_learns(X, y, trained, head):
    tuned = FineTuneClassifier(trained, head=head, max_epochs=30, random_state=SEED).fit(X, y)
    assert tuned.score(X, y) > 0.9
    assert tuned.history_[-1]["loss"] < tuned.history_[0]["loss"] / 2


def test_where_it_can_start_from(X, y, trained):
    frozen = FineTuneClassifier(FrozenEstimator(trained), **QUICK)
    fitted = FineTuneClassifier(trained, **QUICK).fit(X, y)
    assert_array_equal(clone(frozen).fit(X, y).predict_proba(X), fitted.predict_proba(X))
    fresh = FineTuneClassifier(clone(trained), **QUICK).fit(X, y)
    assert fresh.embedder_.n_epochs_ == 1
    several = MultiScaleEmbedder(RotNetEmbedder("convnet", max_epochs=1, random_state=SEED))
    assert FineTuneClassifier(several, **QUICK).fit(X, y).embedder_.n_epochs_ == 2
    untrained = FineTuneClassifier("convnet", **QUICK).fit(X, y)
    assert untrained.embedder_.n_epochs_ == 0


def test_a_pretrained_network_beats_a_random_one_and_pixels(digits):
    X, y = digits
    few, rest = slice(0, 60), slice(1000, None)
    embedder = RotNetEmbedder(max_epochs=4, random_state=SEED).fit(X[:1000])
    scores = [
        FineTuneClassifier(start, head="mlp", frozen_until="all", random_state=SEED)
        .fit(X[few], y[few])
        .score(X[rest], y[rest])
        for start in (embedder, "convnet")
    ]
    raw = LogisticRegression(max_iter=1000).fit(X[few].reshape(60, -1), y[few])
    assert scores[0] > scores[1] + 0.03
    assert scores[0] > raw.score(X[rest].reshape(-1, 64), y[rest]) + 0.03


@pytest.mark.gpu
def test_on_a_gpu(X, y):
    embedder = RotNetEmbedder(max_epochs=1, device="cuda", random_state=SEED).fit(X)
    tuner = FineTuneClassifier(embedder, early_stopping=True, validation_fraction=0.5, **QUICK)
    for frozen_until in (None, "block1", "all"):
        tuned = clone(tuner).set_params(embedder=embedder, frozen_until=frozen_until).fit(X, y)
        loaded = pickle.loads(pickle.dumps(tuned)).set_params(embedder=None)
        loaded.embedder_.set_params(device="cpu")
        assert_allclose(loaded.predict_proba(X), tuned.predict_proba(X), atol=1e-3)


# What comes back -----------------------------------------------------------------------------


def test_it_transforms_and_gives_the_embedder_back(X, y, trained):
    tuned = FineTuneClassifier(trained, **QUICK).fit(X, y)
    back = tuned.to_embedder()
    assert isinstance(back, RotNetEmbedder)
    assert_array_equal(back.transform(X), tuned.transform(X))
    assert np.abs(back.transform(X) - trained.transform(X)).max() > 1e-3
    back.partial_fit(X)  # its own: the tuned one is left as it is
    assert np.abs(back.transform(X) - tuned.transform(X)).max() > 1e-6
    assert tuned.get_feature_names_out()[0] == "finetuneclassifier0"


def test_the_same_seed_gives_the_same_and_pickles(X, y, trained):
    tuner = FineTuneClassifier(FrozenEstimator(trained), **QUICK)
    first, second = clone(tuner).fit(X, y), clone(tuner).fit(X, y)
    assert_array_equal(first.decision_function(X), second.decision_function(X))
    loaded = pickle.loads(pickle.dumps(first))
    assert_array_equal(loaded.decision_function(X), first.decision_function(X))
    assert loaded.history_ == first.history_


def test_the_global_generator_is_left_alone(X, y, trained):
    torch_before = torch.get_rng_state()
    FineTuneClassifier(trained, augment=True, **QUICK).fit(X, y).predict(X)
    assert torch.equal(torch.get_rng_state(), torch_before)


def test_classes_keep_their_names(X, y, trained):
    names = np.array([f"digit {label}" for label in y])
    tuned = FineTuneClassifier(trained, max_epochs=20, random_state=SEED).fit(X, names)
    assert set(tuned.predict(X)) <= set(names)
    assert_allclose(tuned.predict_proba(X).sum(axis=1), 1)
    assert_array_equal(tuned.classes_[tuned.decision_function(X).argmax(axis=1)], tuned.predict(X))


def test_two_classes_have_one_decision(X, y, trained):
    tuned = FineTuneClassifier(trained, **QUICK).fit(X, y > 4)
    assert tuned.decision_function(X).shape == (len(X),)
    assert_array_equal(tuned.decision_function(X) > 0, tuned.predict(X))


def test_weights_mean_repetitions(X, y, trained):
    tuner = FineTuneClassifier(trained, **QUICK)
    weight = np.arange(len(X)) % 3
    weighted = clone(tuner).fit(X, y, sample_weight=weight).decision_function(X)
    rows = np.repeat(np.arange(len(X)), weight)[::-1]
    assert_array_equal(clone(tuner).fit(X[rows], y[rows]).decision_function(X), weighted)


def test_class_weights_move_the_decision(digits, trained):
    X, rng = digits[0], np.random.default_rng(SEED)
    y = np.where(rng.random(300) < 0.2, "rare", "usual")  # nothing to learn but how rare
    tuner = FineTuneClassifier(
        FrozenEstimator(trained), frozen_until="all", max_epochs=3, random_state=SEED
    )
    share = {}
    for name, weight in (("none", None), ("balanced", "balanced"), ("rare", {"rare": 50.0})):
        tuned = clone(tuner).set_params(class_weight=weight).fit(X[:300], y)
        share[name] = (tuned.predict(X[300:900]) == "rare").mean()
    assert share["none"] + 0.05 < share["balanced"] <= share["rare"] + 0.02


def test_balanced_classes_have_one_total_with_sample_weights_too(X, y, trained):
    tuner = FineTuneClassifier(trained, class_weight="balanced", **QUICK)
    rare = (y == 0).astype(int)
    weight = np.where(rare, np.arange(len(X)) % 4, 1)
    weighted = tuner.fit(X, rare, sample_weight=weight).predict_proba(X)
    rows = np.repeat(np.arange(len(X)), weight)
    assert_allclose(tuner.fit(X[rows], rare[rows]).predict_proba(X), weighted, rtol=1e-4)
    classes = tuner._check_data(X, rare, weight)[1:]
    assert_allclose(*np.bincount(*classes))


# Images kept back ----------------------------------------------------------------------------


def test_early_stopping_goes_back_to_the_best_weights(digits, trained):
    X, y = digits[0][:200], digits[1][:200]
    tuned = FineTuneClassifier(
        trained,
        early_stopping=True,
        n_iter_no_change=2,
        max_epochs=40,
        lr_schedule="constant",
        learning_rate=0.01,
        random_state=SEED,
    ).fit(X, y)
    losses = [row["valid_loss"] for row in tuned.history_]
    best = int(np.argmin(losses))
    assert len(losses) == best + 3
    again = clone(tuned).set_params(
        embedder=trained, early_stopping=True, n_iter_no_change=40, max_epochs=best + 1
    )
    assert_array_equal(again.fit(X, y).decision_function(X), tuned.decision_function(X))


def test_plateau_watches_images_kept_back(digits, trained):
    X, y = digits[0][:100], np.random.default_rng(SEED).integers(0, 2, 100)  # nothing to learn
    tuned = FineTuneClassifier(
        trained, lr_schedule="plateau", max_epochs=20, validation_fraction=0.3, random_state=SEED
    ).fit(X, y)
    rates = [row["learning_rate"] for row in tuned.history_]
    assert rates[0] == 1e-3
    assert rates[-1] < 1e-3
    assert all(np.isfinite(row["valid_loss"]) for row in tuned.history_)
    losses = [row["loss"] for row in tuned.history_]
    assert losses[-1] < losses[0]  # by heart: the training loss would not have cut the rate


def test_callbacks_see_an_estimator_that_predicts(X, y, trained):
    seen = []

    def watch(estimator, row):
        row["own"] = estimator.score(X, y)
        seen.append(estimator.transform(X[:2]).shape)
        if row["epoch"] == 2:
            raise StopTraining

    tuned = FineTuneClassifier(trained, callbacks=[watch], max_epochs=5, random_state=SEED).fit(
        X, y
    )
    assert [row["epoch"] for row in tuned.history_] == [1, 2]
    assert 0 <= tuned.history_[0]["own"] <= 1
    assert len(seen) == 2


# Numbers -------------------------------------------------------------------------------------


def test_regression_in_the_units_of_the_user(digits):
    X = digits[0][:300]
    y = np.c_[ink(X), 1e4 * ink(X) + 5e5]
    tuned = FineTuneRegressor("convnet", max_epochs=15, random_state=SEED).fit(X, y)
    assert tuned.score(X, y) > 0.9
    assert tuned.predict(X).shape == y.shape
    error = np.abs(tuned.predict(X) - y).mean()
    assert error / 5 < tuned.history_[-1]["mean_absolute_error"] < 5 * error
    one = FineTuneRegressor("convnet", max_epochs=1, random_state=SEED).fit(X, y[:, 1])
    assert one.predict(X).shape == (len(X),)
    assert one.predict(X).min() > 4e5


def test_a_column_that_is_constant_comes_back(X):
    y = np.c_[np.full(len(X), 7.0), ink(X)]
    predicted = FineTuneRegressor("convnet", max_epochs=3, random_state=SEED).fit(X, y).predict(X)
    assert_allclose(predicted[:, 0], 7.0, atol=1.0)


def test_boxes_may_lie_outside_but_not_be_nan(X):
    boxes = np.tile([-5.0, 2.0, 40.0, 50.0], (len(X), 1))
    FineTuneRegressor("convnet", max_epochs=1, random_state=SEED).fit(X, boxes)
    boxes[3, 2] = np.nan
    for y in (boxes, boxes.astype(object)):
        with pytest.raises(ValueError, match="y contains NaN"):
            FineTuneRegressor("convnet").fit(X, y)


# In scikit-learn -----------------------------------------------------------------------------


def test_search_and_cross_validation(X, y, trained):
    tuner = FineTuneClassifier(FrozenEstimator(trained), max_epochs=1, random_state=SEED)
    grid = {"head": ["linear", "mlp"], "frozen_until": [None, "all"]}
    search = GridSearchCV(tuner, grid, cv=2, error_score="raise").fit(X, y > 4)
    assert search.best_estimator_.predict(X).shape == y.shape
    nested = FineTuneClassifier(
        RotNetEmbedder("convnet", max_epochs=0, random_state=SEED), max_epochs=1
    )
    scores = cross_val_score(nested.set_params(embedder__pool_size=2), X, y > 4, cv=2)
    assert np.isfinite(scores).all()


# Misuse --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"layer": "block1", "frozen_until": "block3"}, "'frozen_until' .* comes after the layer"),
        ({"frozen_until": "block9"}, "'frozen_until' .* must be 'all' or a stage"),
        ({"layer": "block9"}, "'layer' .* must be 'auto' or a stage"),
        ({"head": "transformer"}, "'head' parameter of FineTuneClassifier"),
        ({"embedder": "convnett"}, "Unknown backbone 'convnett'.*Did you mean 'convnet'"),
        ({"callbacks": [3]}, "'callbacks' parameter of FineTuneClassifier"),
    ],
)
def test_parameters_that_cannot_be(X, y, trained, params, message):
    tuner = FineTuneClassifier(**{"embedder": trained, **params})
    with pytest.raises(ValueError, match=message):
        tuner.fit(X, y)
    with pytest.raises(NotFittedError):
        tuner.predict(X)


def test_a_head_that_does_not_fit_the_layer(X, y):
    embedder = RotNetEmbedder("mobilenet_v3_small", image_size=32, max_epochs=0, random_state=SEED)
    with pytest.raises(
        ValueError, match="'head' parameter .*'conv' requires feature maps of at least 3x3"
    ):
        FineTuneClassifier(embedder, head="conv", layer="stage5").fit(X, y)


def test_embedders_that_cannot_be(X, y):
    with pytest.raises(NotFittedError, match="'embedder' parameter of FineTuneClassifier"):
        FineTuneClassifier(FrozenEstimator(RotNetEmbedder())).fit(X, y)
    for wrong in (PCA(), RotNetEmbedder):
        with pytest.raises(TypeError, match="must be an embedder of sklssl"):
            FineTuneClassifier(wrong).fit(X, y)


def test_answers_that_cannot_be(X, y, trained):
    tuner = FineTuneClassifier(trained, **QUICK)
    with pytest.raises(ValueError, match="at least two classes"):
        tuner.fit(X, np.zeros(len(X)))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        tuner.fit(X, y[:-1])
    with pytest.raises(ValueError, match="y contains nan, first in row 3"):
        tuner.fit(X, np.where(y == 3, np.nan, y))
    with pytest.raises(ValueError, match="requires y"):
        tuner.fit(X, None)
    with pytest.raises(ValueError, match="Unknown label type"):
        tuner.fit(X, y + 0.5)
    with pytest.raises(ValueError, match="shape .* was fitted on images of shape"):
        tuner.fit(X[:, :6, :6], y)
    assert not hasattr(tuner, "embedder_")


def test_too_few_images_to_keep_any_back(X, y, trained):
    tuner = FineTuneClassifier(trained, early_stopping=True, **QUICK)
    for fraction, remedy in ((0.1, "Set it higher"), (0.99, "Set it lower")):
        expected = rf"'validation_fraction' .* with 40 images: .*[^.]\. {remedy}, or use"
        with pytest.raises(ValueError, match=expected):
            tuner.set_params(validation_fraction=fraction).fit(X, y)


def test_a_failed_fit_keeps_what_was_fitted(X, y, trained):
    tuned = FineTuneClassifier(trained, **QUICK).fit(X, y)
    before = tuned.decision_function(X)
    with pytest.raises(NonFiniteLossError):
        tuned.set_params(learning_rate=1e30, optimizer="sgd", lr_schedule="constant").fit(X, y)
    assert_array_equal(tuned.decision_function(X), before)


# Where it starts -----------------------------------------------------------------------------


def test_an_unfitted_embedder_learns_from_rows_with_weight(X, y):
    tuner = FineTuneClassifier(RotNetEmbedder("convnet", **QUICK), **QUICK)
    weight = np.arange(len(X)) % 3
    weighted = tuner.fit(X, y, sample_weight=weight).embedder_.history_
    rows = np.repeat(np.arange(len(X)), weight)
    repeated = tuner.fit(X[rows], y[rows]).embedder_.history_
    assert [row["loss"] for row in weighted] == [row["loss"] for row in repeated]


def test_a_network_without_a_task(X):
    embedder = NetworkEmbedder("convnet").fit(X)
    for name in ("score", "partial_fit"):
        assert not hasattr(embedder, name)
    with pytest.raises(TypeError, match="NetworkEmbedder has no parameter 'max_epochs'"):
        NetworkEmbedder("convnet", max_epochs=2)


def test_errors_name_the_fine_tuner_and_its_embedder(X, y):
    expected = "^The 'embedder' parameter of FineTuneClassifier: Unknown backbone 'resnet999'"
    with pytest.raises(ValueError, match=expected):
        FineTuneClassifier("resnet999").fit(X, y)
    with pytest.raises(ImageFileError, match="^'missing.png' cannot be read"):
        FineTuneClassifier("convnet").fit(["missing.png"] * 4, y[:4])
    tuned = FineTuneClassifier("convnet", **QUICK).fit(X, y)
    for method in (tuned.predict, tuned.transform):
        with pytest.raises(ValueError, match="FineTuneClassifier cannot use this X: X is one ima"):
            method(X[0])
        with pytest.raises(ImageFileError):
            method(["missing.png"])
