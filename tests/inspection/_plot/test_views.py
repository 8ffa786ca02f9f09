import numpy as np
import pytest
import torch
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from torch import nn

from sklssl import (
    BaseEmbedder,
    DeepClusterEmbedder,
    MultiScaleEmbedder,
    PatchDictionaryEmbedder,
    PatchRotEmbedder,
    Pretext,
    RotationDecouplingEmbedder,
    RotNetEmbedder,
    ScaleNetEmbedder,
    SimCLREmbedder,
)
from sklssl.backbones import pool_map
from sklssl.inspection import ViewsDisplay
from tests._own_method import MeanEmbedder
from tests._seed import SEED

pytestmark = pytest.mark.usefixtures("pyplot")


def draw(embedder, X, **others):
    return ViewsDisplay.from_estimator(embedder, X, random_state=SEED, **others)


def test_rotations_and_their_answers(X):
    display = draw(RotNetEmbedder("convnet"), X, rows=[3, 7])
    assert display.titles == {1.0: [[f"target {i}" for i in range(4)]] * 2}
    for upright, *turned in display.views[1.0]:
        for k, view in enumerate(turned, start=1):
            np.testing.assert_array_equal(view, np.rot90(upright, k))
    np.testing.assert_array_equal(display.pictures[1][..., 0], X[7][..., 0])
    assert display.axes_.shape == (2, 5)
    assert len(display.images_) == 10
    assert display.axes_[1, 0].get_title() == "row 7"
    assert display.axes_[1, 2].get_title() == "target 1"
    display.figure_.canvas.draw()


def test_names_of_the_answers(X):
    angles = ["0°", "90°", "180°", "270°"]
    display = draw(RotNetEmbedder("convnet"), X, rows=1, target_names=angles)
    assert display.titles == {1.0: [angles]}
    with pytest.raises(ValueError, match="'target_names' argument of ViewsDisplay .* 0 to 1, but"):
        draw(RotNetEmbedder("convnet"), X, target_names=["up", "down"])


def test_each_scale_has_its_row(X):
    for embedder in (
        ScaleNetEmbedder(backbone="convnet"),
        MultiScaleEmbedder(RotNetEmbedder("convnet")),
    ):
        display = draw(embedder, X, rows=3)
        assert list(display.views) == [0.5, 1.0]
        assert display.views[0.5][2][0].shape == (4, 4, 3)
        assert display.views[1.0][2][0].shape == (8, 8, 3)
        assert display.axes_.shape == (6, 5)
        assert display.axes_[2, 0].get_ylabel() == "scale 0.5"


@pytest.mark.parametrize(
    ("embedder", "n_views"),
    [
        (SimCLREmbedder("convnet"), 2),
        (PatchRotEmbedder("convnet"), 8),
        (RotationDecouplingEmbedder("convnet"), 4),  # draws rows of a memory
        (MeanEmbedder(), 1),
    ],
)
def test_other_tasks(embedder, n_views, X):
    params = embedder.get_params()
    display = draw(embedder, X, rows=2)
    assert [len(views) for views in display.views[1.0]] == [n_views] * 2
    assert not embedder.__sklearn_is_fitted__()
    assert embedder.get_params() == params
    again = draw(embedder, X, rows=2)
    np.testing.assert_array_equal(again.views[1.0], display.views[1.0])


class NestedPretext(Pretext):
    """Clusters images before each epoch; its views are nested, and of two sizes."""

    def before_epoch(self, embed, rng):
        self.register_buffer("clusters", (embed()[:, 0] > 0).long())

    def views(self, images, rng, index):
        crops = torch.cat([images[:, :, 2:, 2:]] * 3)
        made = {"whole": (images, torch.ones(len(images))), "crops": [crops]}
        return made, (torch.ones(3), self.clusters[index].repeat(4))

    def forward(self, views, targets):
        return {"loss": pool_map(self.backbone(views["whole"][0])).mean()}


class NestedEmbedder(BaseEmbedder):
    def _make_pretext(self, backbone):
        return NestedPretext(backbone)


def test_a_task_that_prepares_its_epochs(X):
    display = draw(NestedEmbedder("convnet"), X, rows=[0, 30])
    assert [view.shape for view in display.views[1.0][1]] == [(8, 8, 3)] + [(6, 6, 3)] * 3
    np.testing.assert_array_equal(display.views[1.0][1][0][..., 0], X[30][..., 0])
    assert {title[:-1] for title in display.titles[1.0][0]} == {"target "}
    draw(NestedEmbedder("convnet", max_epochs=1).fit(X), X)


class BlindEmbedder(BaseEmbedder):
    class Task(Pretext):
        def views(self, images, rng, index):
            return images.flatten(1), None

    def _make_pretext(self, backbone):
        return self.Task(backbone)


def test_a_task_without_pictures(X):
    with pytest.raises(ValueError, match=r"Task.views returned no pictures: .*\(m \* 3, 1, h, w\)"):
        draw(BlindEmbedder("convnet"), X)


def test_fitted_embedders_stay_unchanged(X):
    embedder = RotNetEmbedder("convnet", max_epochs=1, random_state=0).fit(X)
    weights = {name: w.clone() for name, w in embedder.pretext_.state_dict().items()}
    random = torch.get_rng_state()
    for fitted in (embedder, FrozenEstimator(embedder)):
        display = draw(fitted, X, rows=2)
        np.testing.assert_array_equal(
            display.views[1.0], draw(RotNetEmbedder("convnet"), X, rows=2).views[1.0]
        )
    for name, weight in embedder.pretext_.state_dict().items():
        assert torch.equal(weight, weights[name])
    assert not embedder.pretext_.training
    assert torch.equal(random, torch.get_rng_state())


def test_clusters_that_a_fitted_embedder_predicts(digits):
    X = digits[0]
    embedder = DeepClusterEmbedder(4, backbone="convnet", max_epochs=1, random_state=SEED)
    embedder.fit(X[:40])
    others = X[40:140]  # more than those of fit, and other ones
    rows = [0, 1, 2, 3, 30, 60, 98, 99]
    display = draw(embedder, others, rows=rows)
    images = torch.from_numpy(others[rows]).permute(0, 3, 1, 2) / embedder.value_range_[1]
    with torch.no_grad():
        clusters = embedder.pretext_.eval().predict(images.float()).argmax(dim=1).tolist()
    assert [title for (title,) in display.titles[1.0]] == [f"target {k}" for k in clusters]
    again = ViewsDisplay.from_estimator(embedder, others, rows=rows, random_state=SEED + 1)
    assert again.titles == display.titles
    assert not np.array_equal(again.views[1.0], display.views[1.0])


def test_clusters_of_an_unfitted_embedder(X):
    embedder = DeepClusterEmbedder(4, backbone="convnet", random_state=SEED)
    titles = draw(embedder, X, rows=np.arange(40)).titles[1.0]
    assert {title for (title,) in titles} == {f"target {k}" for k in range(4)}


def test_files_and_deep_images(X, tmp_path):
    import cv2

    paths = [str(tmp_path / f"{i}.png") for i in range(4)]
    for path, image in zip(paths, X, strict=False):
        cv2.imwrite(path, np.pad(image, [(0, 4), (0, 0), (0, 0)]))
    display = draw(SimCLREmbedder("convnet", image_size=16), paths, rows=2)
    assert sorted(display.names)[0].endswith(".png")
    assert display.pictures[0].shape == (12, 8, 3)
    assert display.views[1.0][0][0].shape == (16, 16, 3)
    deep = draw(RotNetEmbedder("convnet"), 1000.0 * X - 7, rows=[1])
    plain = draw(RotNetEmbedder("convnet"), X, rows=[1])
    np.testing.assert_allclose(deep.views[1.0], plain.views[1.0], atol=1)


def test_one_image_is_enough(X):
    assert len(draw(RotNetEmbedder("convnet"), X[:1]).pictures) == 1
    assert len(draw(RotNetEmbedder("convnet"), X[:2], rows=9).pictures) == 2


def test_no_weights_are_loaded(X):
    embedder = RotNetEmbedder("convnet", init_weights="nowhere.pt")
    assert draw(embedder, X, rows=1).pictures


@pytest.mark.parametrize(
    ("embedder", "kind", "message"),
    [
        (PatchDictionaryEmbedder(), ValueError, "PatchDictionaryEmbedder has no such task"),
        (LogisticRegression(), TypeError, "ViewsDisplay needs an embedder .*Got LogisticRegr"),
        (nn.Linear(2, 2), TypeError, "ViewsDisplay needs an embedder"),
        (RotNetEmbedder("convnet", batch_size=0), ValueError, "'batch_size' parameter of RotNet"),
    ],
)
def test_estimators_without_views(embedder, kind, message, X):
    with pytest.raises(kind, match=message):
        draw(embedder, X)


def test_images_that_the_task_cannot_use(X):
    with pytest.raises(ValueError, match="RotNetEmbedder rotates images and needs square ones"):
        draw(RotNetEmbedder("convnet"), np.repeat(X, 2, axis=1))
    with pytest.raises(ValueError, match="'y' argument of ViewsDisplay"):
        ViewsDisplay.from_estimator(RotNetEmbedder("convnet"), X, [1, 2])
    with pytest.raises(ValueError, match="NaN"):
        draw(RotNetEmbedder("convnet"), np.full((4, 8, 8), np.nan))
