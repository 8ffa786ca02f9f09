"""The examples of fine-tuning run at a small setting, with real images and without."""

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests._seed import SEED

EXAMPLES = Path(__file__).parents[1] / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def heads():
    return load("heads_and_layers")


@pytest.fixture(scope="module")
def signs():
    return load("traffic_sign_boxes")


@pytest.fixture(params=["digits", "real images"])
def source(request, monkeypatch):
    """Which images the examples find."""
    if request.param == "digits":
        monkeypatch.delenv("SKLSSL_DATA", raising=False)
    else:
        home = request.getfixturevalue("data_home")
        if not (home / "gtsrb-sub.npz").exists():
            pytest.skip("there are no traffic signs")
    return request.param


# Heads and layers --------------------------------------------------------------------------------


def test_heads_and_layers(heads, source, capsys):
    settings = heads.SMALL | {"n_images": 48 if source == "real images" else 128}
    blocks, starts = heads.main(**settings)
    assert set(blocks) == {
        (f"block{i}", head) for i in range(1, 5) for head in ("linear", "mlp", "conv")
    }
    assert starts["RotNet, frozen"] == blocks["block2", "conv"]
    assert len(starts) == 3
    assert all(0 <= score <= 100 for score in (*blocks.values(), *starts.values()))
    shown = capsys.readouterr().out
    for text in ("block4", "83.84", "random, frozen", "all trained with labels"):
        assert text in shown


def test_heads_learn(heads, monkeypatch):
    monkeypatch.delenv("SKLSSL_DATA", raising=False)
    X, y, X_test, y_test = heads.load_images(600)
    for head in ("linear", "mlp"):
        model = heads.classifier("convnet", head, "block2", epochs=5, batch_size=32).fit(X, y)
        assert model.score(X_test, y_test) > 0.6


# Boxes -------------------------------------------------------------------------------------------


def slow_iou(box, other):
    """Count the area shared and covered by two boxes of whole numbers, cell by cell."""
    shared = covered = 0
    for x in range(20):
        for y in range(20):
            inside = [b[0] <= x < b[2] and b[1] <= y < b[3] for b in (box, other)]
            shared += all(inside)
            covered += any(inside)
    return shared / covered if covered else 0.0


def test_iou(signs):
    rng = np.random.default_rng(SEED)
    boxes, others = rng.integers(0, 20, (2, 500, 4))  # many of them inside out, or without area
    expected = [slow_iou(box, other) for box, other in zip(boxes, others, strict=True)]
    np.testing.assert_allclose(signs.iou(boxes, others), expected)
    assert 0 < np.mean(expected) < 1


def test_iou_of_known_boxes(signs):
    box = [[0, 0, 4, 4]]
    for other, expected in (
        ([0, 0, 4, 4], 1),
        ([2, 0, 6, 4], 1 / 3),
        ([1, 1, 3, 3], 1 / 4),
        ([4, 0, 8, 4], 0),  # side by side
        ([4, 4, 0, 0], 0),  # inside out
    ):
        assert signs.iou(box, [other])[0] == pytest.approx(expected)
    assert signs.iou([[1, 1, 1, 1]], [[1, 1, 1, 1]])[0] == 0  # nothing covered


def test_boxes_move_with_their_images(signs):
    X = np.zeros((200, 40, 40, 3), np.uint8)
    X[:, 8:28, 12:32] = 255
    moved, boxes = signs.move(X, np.tile([12.0, 8.0, 32.0, 28.0], (200, 1)), seed=SEED)
    for image, box in zip(moved[..., 0], boxes, strict=True):
        rows, columns = np.nonzero(image > 127)
        found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert np.abs(box - found).max() <= 0.51
    assert (boxes >= 0).all()
    assert (boxes <= 40).all()
    assert boxes.std(axis=0).min() > 4
    again = signs.move(X, np.tile([12.0, 8.0, 32.0, 28.0], (200, 1)), seed=SEED)
    np.testing.assert_array_equal(again[0], moved)


def test_pasted_digits_fill_their_boxes(signs, digits):
    X, boxes = signs.paste_digits(digits[0][:50], seed=SEED)
    for image, box in zip(X[..., 0], boxes.astype(int), strict=True):
        x1, y1, x2, y2 = box
        assert (image > 64).sum() == (image[y1:y2, x1:x2] > 64).sum() > 0
        ink = image[y1:y2, x1:x2] > 64
        assert ink[0].any()
        assert ink[-1].any()
        assert ink[:, 0].any()
        assert ink[:, -1].any()


def test_traffic_sign_boxes(signs, source, tmp_path, capsys):
    output = tmp_path / "picture.png"
    signs.main(**signs.SMALL | {"n_images": 48}, output=output)
    shown = capsys.readouterr().out
    for name in ("mean box", "RotNet, frozen", "random, frozen", "trained from scratch"):
        assert name in shown
    assert ("signs moved" if source == "real images" else "digits") in shown
    height, width, _ = cv2.imread(str(output)).shape
    assert width > height > 300


def test_weights_of_other_images_are_carried_over(signs, monkeypatch, digits):
    class Bunch:
        images = digits[0][:30]

    monkeypatch.setattr(signs, "load_cifar10", lambda: Bunch)
    canvases, _ = signs.paste_digits(digits[0][:20], seed=SEED)
    embedder = signs.pretrain(canvases, "convnet", epochs=1, on_cifar10=True)
    assert embedder.n_epochs_ == 0
    assert embedder.transform(canvases).shape[0] == 20


def test_boxes_are_learned(signs, digits):
    X, boxes = signs.paste_digits(digits[0][:300], seed=SEED, side=24)
    X_test, boxes_test = signs.paste_digits(digits[0][300:400], seed=SEED + 100, side=24)
    model = signs.learners("convnet", "convnet", epochs=5)["random, frozen"]
    mean_box = np.tile(boxes.mean(axis=0), (len(X_test), 1))
    found = model.fit(X, boxes).predict(X_test)
    assert signs.iou(found, boxes_test).mean() > signs.iou(mean_box, boxes_test).mean() + 0.1
