"""The examples of fine-tuning run at a small setting, with real images and without."""

import contextlib
import io
import zipfile
from types import SimpleNamespace

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pytest

from tests._examples import run_example
from tests._seed import SEED


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Function that runs an example on a few images of the folder `home`, or without any."""

    def run(name, n_images, home=None):
        folder, shown = tmp_path_factory.mktemp(name), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(shown):
            patch.chdir(folder)
            patch.setenv("SKLSSL_DATA", str(home or ""))
            module = run_example(name, "--small", "--n-images", n_images, "--output", "picture.png")
        plt.close("all")
        assert "--small: a few images" in shown.getvalue()
        picture = cv2.imread(str(folder / "picture.png"))
        return SimpleNamespace(module=module, shown=shown.getvalue(), picture=picture)

    return run


@pytest.fixture(scope="module")
def heads_run(run):
    return run("heads_and_layers", 128)


@pytest.fixture(scope="module")
def signs_run(run):
    return run("traffic_sign_boxes", 12)


@pytest.fixture
def heads(heads_run):
    return heads_run.module


@pytest.fixture
def signs(signs_run):
    return signs_run.module


@pytest.mark.parametrize("name", ["heads_and_layers", "traffic_sign_boxes"])
@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--output", "nowhere/a.png", "does not exist"),
        ("--backbone", "patchnet", "has no stage block2"),
    ],
)
def test_wrong_options(name, option, value, said, capsys):
    with pytest.raises(SystemExit):
        run_example(name, "--small", option, value)
    assert said in capsys.readouterr().err


# Heads and layers --------------------------------------------------------------------------------


@pytest.fixture
def part_of_cifar10(data_home, tmp_path):
    """A folder with some images of CIFAR-10: all of them take long to decode."""
    path = min(data_home.glob("cifar10*.zip"), default=None)
    if path is None:
        pytest.skip("there is no CIFAR-10")
    with zipfile.ZipFile(path) as full, zipfile.ZipFile(tmp_path / path.name, "w") as part:
        names = full.namelist()
        for subset in ("train/", "test/"):
            images = [name for name in names if name.startswith(subset) and name[-1] != "/"]
            for name in images[:: len(images) // 100]:
                part.writestr(name, full.read(name))
    return tmp_path


def check_heads(run):
    blocks, starts = run.module.blocks, run.module.starts
    assert set(blocks) == {
        (f"block{i}", head) for i in range(1, 5) for head in ("linear", "mlp", "conv")
    }
    assert starts["RotNet, frozen"] == blocks["block2", "conv"]
    assert len(starts) == 3
    assert all(0 <= score <= 100 for score in (*blocks.values(), *starts.values()))
    for text in ("block4", "83.84", "random, frozen", "all trained with labels"):
        assert text in run.shown
    assert run.picture.std() > 10


def test_heads_and_layers(heads_run):
    check_heads(heads_run)
    assert "128 training and 128 test images (16, 16, 1)" in heads_run.shown


def test_heads_and_layers_on_real_images(run, part_of_cifar10):
    found = run("heads_and_layers", 48, part_of_cifar10)
    check_heads(found)
    assert "48 training and 48 test images (32, 32, 3)" in found.shown


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
        assert np.abs(box - found).max() <= 0.52  # half a pixel, and rounding
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


def check_signs(run):
    for name in ("mean box", "RotNet, frozen", "random, frozen", "trained from scratch"):
        assert name in run.shown
    height, width, _ = run.picture.shape
    assert width > height > 300


def test_traffic_sign_boxes(signs_run):
    check_signs(signs_run)
    assert "digits" in signs_run.shown


def test_traffic_sign_boxes_on_real_images(run, data_home):
    if not (data_home / "gtsrb-sub.npz").exists():
        pytest.skip("there are no traffic signs")
    found = run("traffic_sign_boxes", 12, data_home)
    check_signs(found)
    assert "signs moved" in found.shown


def test_weights_of_other_images_are_carried_over(signs, digits):
    canvases, _ = signs.paste_digits(digits[0][:20], seed=SEED)
    embedder = signs.pretrain(canvases, "convnet", epochs=1, others=digits[0][:30])
    assert embedder.n_epochs_ == 0
    assert embedder.transform(canvases).shape[0] == 20


def test_boxes_are_learned(signs, digits):
    X, boxes = signs.paste_digits(digits[0][:300], seed=SEED, side=20)
    X_test, boxes_test = signs.paste_digits(digits[0][300:400], seed=SEED + 100, side=20)
    model = signs.learners("convnet", "convnet", epochs=5)["random, frozen"]
    mean_box = np.tile(boxes.mean(axis=0), (len(X_test), 1))
    found = model.fit(X, boxes).predict(X_test)
    assert signs.iou(found, boxes_test).mean() > signs.iou(mean_box, boxes_test).mean() + 0.1
