import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sklssl import (
    FineTuneClassifier,
    FineTuneRegressor,
    MultiScaleEmbedder,
    PatchDictionaryEmbedder,
    PatchRotEmbedder,
    RotNetEmbedder,
    SimCLREmbedder,
)
from sklssl.backbones import pool_map
from sklssl.inspection import GradCAMDisplay
from tests._own_method import MeanEmbedder
from tests._seed import SEED

pytestmark = pytest.mark.usefixtures("pyplot")


@pytest.fixture(scope="module")
def rotnet(digits):
    return RotNetEmbedder("convnet", max_epochs=1, random_state=SEED).fit(digits[0][:60])


@pytest.fixture(scope="module")
def classifier(rotnet, digits):
    labels = np.array(["even", "odd"])[digits[1][:60] % 2]
    model = FineTuneClassifier(rotnet, max_epochs=1, random_state=SEED)
    return model.fit(digits[0][:60], labels)


def draw(models, X, **others):
    return GradCAMDisplay.from_estimator(models, X, random_state=SEED, **others)


def test_the_map_of_the_right_rotation(rotnet, X):
    display = draw(rotnet, X, rows=[3, 8], n_views=4)
    heat = display.heat["RotNetEmbedder"]
    assert list(heat.maps) == list(rotnet.layer_names_)
    assert heat.answers == [f"target {k}" for k in range(4)] * 2
    assert display.names == ["row 3"] * 4 + ["row 8"] * 4
    np.testing.assert_array_equal(heat.pictures[5][..., 0], np.rot90(X[8][..., 0]))
    # One of them by hand, with the gradient of its log-probability.
    pretext = rotnet.pretext_
    image = torch.from_numpy(np.rot90(X[8][..., 0]).copy()).float()[None, None] / 255
    maps = pretext.backbone(image, "block2").detach().requires_grad_()
    logits = pretext.head(pool_map(pretext.backbone(maps, after="block2")))
    logits.log_softmax(dim=1)[0, 1].backward()
    cam = (maps.grad.mean((2, 3), keepdim=True) * maps).sum(dim=1, keepdim=True).clamp(min=0)
    cam = F.interpolate(cam, (8, 8), mode="bilinear")[0, 0].detach().numpy()
    np.testing.assert_allclose(heat.maps["block2"][5], cam / cam.max(), atol=1e-4)


def test_the_map_of_a_class(classifier, X):
    display = draw(classifier, X, rows=np.arange(10))
    heat = display.heat["FineTuneClassifier"]
    assert heat.answers == classifier.predict(X[:10]).tolist()
    both = [draw(classifier, X, y=[label] * 40, rows=[2]).heat for label in ("even", "odd")]
    (even, odd) = (heat["FineTuneClassifier"] for heat in both)
    assert [even.answers, odd.answers] == [["even"], ["odd"]]
    assert not np.allclose(even.maps["block3"], odd.maps["block3"])
    of_predicted = even if heat.answers[2] == "even" else odd
    np.testing.assert_allclose(of_predicted.maps["block3"][0], heat.maps["block3"][2], atol=1e-5)
    some = draw(classifier, X, y=["odd", "-1"] * 20, rows=[0, 1]).heat["FineTuneClassifier"]
    assert some.answers[0] == "odd"
    assert some.answers[1] == heat.answers[1]


def test_the_predicted_class_is_that_of_predict(digits):
    X, y = digits[0][:300], digits[1][:300]
    embedder = RotNetEmbedder("convnet", max_epochs=0, symmetry="mirror", random_state=SEED)
    model = FineTuneClassifier(embedder.fit(X), max_epochs=2, random_state=SEED).fit(X, y)
    predictions = model.predict(X)
    unmirrored = FineTuneClassifier.predict(_without_symmetry(model), X)
    rows = np.flatnonzero(predictions != unmirrored)[:5]
    assert len(rows) == 5
    heat = draw(model, X, rows=rows).heat["FineTuneClassifier"]
    assert heat.answers == [f"class {label}" for label in predictions[rows]]
    given = draw(model, X, y=predictions, rows=rows).heat["FineTuneClassifier"]
    for layer, maps in heat.maps.items():
        np.testing.assert_array_equal(maps, given.maps[layer])


def _without_symmetry(model):
    other = copy.deepcopy(model)
    other.embedder_.set_params(symmetry=None)
    return other


def test_models_side_by_side(rotnet, classifier, X, pyplot):
    weights = {name: w.clone() for name, w in rotnet.pretext_.state_dict().items()}
    models = {"first": FrozenEstimator(rotnet), "$x_1$ <b>": classifier}
    figure, ax = pyplot.subplots(layout="constrained")
    display = draw(models, X, rows=2, layers=["block1", "block3"], ax=ax, n_views=4)
    assert list(display.axes_) == list(models)
    assert all(axes.shape == (2, 2) for axes in display.axes_.values())  # the classifier has 1 view
    assert len(display.images_) == 8
    assert display.ax_ is ax
    assert display.axes_["first"][0, 1].get_title() == "block3"
    for image in display.images_:
        assert image.get_array().min() >= 0
        assert image.get_array().max() in (0, pytest.approx(1))
    figure.canvas.draw()
    for name, weight in rotnet.pretext_.state_dict().items():
        assert torch.equal(weight, weights[name])
    assert all(weight.requires_grad for weight in rotnet.pretext_.parameters())


def test_models_of_the_same_class_are_numbered(rotnet, X):
    assert list(draw([rotnet, rotnet], X, rows=1).heat) == ["RotNetEmbedder 1", "RotNetEmbedder 2"]


@pytest.mark.parametrize(
    ("embedder", "n_views", "has_answers"),
    [
        (SimCLREmbedder("convnet", max_epochs=1), 2, False),
        (PatchRotEmbedder("convnet", max_epochs=1), 8, True),
        (MultiScaleEmbedder(RotNetEmbedder("convnet", max_epochs=1)), 4, True),
        (MeanEmbedder(), 1, True),
        (RotNetEmbedder("resnet8", max_epochs=0, precision="bfloat16"), 4, True),
    ],
)
def test_any_task(embedder, n_views, has_answers, X):
    display = draw(embedder.fit(X), X, rows=2, n_views=99)
    (heat,) = display.heat.values()
    assert len(heat.pictures) == 2 * n_views
    assert bool(heat.answers) == has_answers
    assert all(maps.shape == (2 * n_views, 8, 8) for maps in heat.maps.values())
    assert all(np.isfinite(maps).all() for maps in heat.maps.values())
    random = torch.get_rng_state()
    (again,) = draw(embedder, X, rows=2, n_views=99).heat.values()
    for name, maps in heat.maps.items():
        np.testing.assert_array_equal(again.maps[name], maps)
    assert torch.equal(random, torch.get_rng_state())


def test_files(X, tmp_path):
    import cv2

    paths = [str(tmp_path / f"{i}.png") for i in range(4)]
    for path, image in zip(paths, X, strict=False):
        cv2.imwrite(path, np.pad(image, [(0, 4), (0, 0), (0, 0)]))
    embedder = RotNetEmbedder("convnet", image_size=16, max_epochs=1).fit(paths)
    display = draw(embedder, paths, rows=[2])
    assert display.names == ["2.png"]
    assert display.heat["RotNetEmbedder"].maps["block4"].shape == (1, 16, 16)


def test_images_that_are_all_the_same(rotnet, X):
    display = draw(rotnet, np.zeros_like(X[:3]), rows=9)
    assert len(display.names) == 3
    display.figure_.canvas.draw()


@pytest.mark.parametrize(
    ("model", "kind", "message"),
    [
        (RotNetEmbedder("convnet"), NotFittedError, "RotNetEmbedder"),
        (FineTuneRegressor("convnet"), TypeError, "Got FineTuneRegressor, which is neither"),
        (LogisticRegression(), TypeError, "Got LogisticRegression, which is neither. Pass"),
        (make_pipeline(LogisticRegression()), TypeError, "first step of a pipeline"),
        ([], ValueError, "holds no estimator"),
    ],
)
def test_models_without_maps(model, kind, message, X):
    with pytest.raises(kind, match=message):
        draw(model, X)


def test_an_embedder_without_a_task(X):
    with pytest.raises(ValueError, match="GradCAMDisplay .* but PatchDictionaryEmbedder has no"):
        draw(PatchDictionaryEmbedder(8).fit(X), X)


def test_target_names_are_those_of_tasks_alone(rotnet, classifier, X):
    angles = ["0°", "90°", "180°", "270°"]
    display = draw([rotnet, classifier], X, rows=[3], target_names=angles)
    assert display.heat["RotNetEmbedder"].answers == ["0°"]
    assert display.heat["FineTuneClassifier"].answers == classifier.predict(X[3:4]).tolist()


def test_target_names_are_those_of_classes_without_a_task(rotnet, X, y):
    model = FineTuneClassifier(rotnet, max_epochs=1, random_state=SEED).fit(X, y % 2)
    heat = draw(model, X, rows=np.arange(10), target_names=["even", "odd"]).heat
    expected = np.array(["even", "odd"])[model.predict(X[:10])]
    assert heat["FineTuneClassifier"].answers == expected.tolist()
    with pytest.raises(ValueError, match=r"'target_names' parameter of .* 1 names, .*\[0, 1"):
        draw(model, X, target_names=["even"])


def test_one_image_for_a_loss_that_compares_images(X):
    embedder = SimCLREmbedder("convnet", max_epochs=1, random_state=SEED).fit(X)
    with pytest.raises(ValueError, match="'rows' argument of GradCAMDisplay chooses 1 .*two image"):
        draw(embedder, X, rows=[1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": [1] * 40}, "'y' argument of GradCAMDisplay .*'even', 'odd'.* Got 1"),
        ({"y": ["odd"]}, "'y' argument of GradCAMDisplay must hold one value"),
        ({"layers": ["block9"]}, "'layers' argument of GradCAMDisplay .*Got .'block9'.; FineTune"),
        ({"layers": []}, "'layers' argument of GradCAMDisplay"),
        ({"layers": 3}, "'layers' argument of GradCAMDisplay"),
        ({"n_views": 0}, "'n_views' argument of GradCAMDisplay"),
        ({"alpha": 2}, "'alpha' argument of GradCAMDisplay"),
        ({"target_names": ["even", "odd"]}, "'target_names' parameter of GradCAMDisplay"),
        ({"rows": [40]}, "'rows' argument of GradCAMDisplay"),
        ({"X": np.zeros((3, 9, 9), np.uint8)}, "RotNetEmbedder"),
    ],
)
def test_what_does_not_fit(arguments, message, classifier, X):
    with pytest.raises(ValueError, match=message):
        draw(classifier, **{"X": X, **arguments})
