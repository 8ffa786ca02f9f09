"""
Where is the sign?
==================

Features learned by predicting rotations can also be used to locate objects. Here a network is
trained on traffic signs without labels and frozen after its second block. A convolutional block and
three further layers are trained to predict the bounding box of each sign, as in a course project at
KTH by Dalla Torre, Cros and Soyleyici (2019). It is compared with the same network frozen with
random weights, with a network trained completely, and with a constant prediction: the mean box.

Run ``python examples/traffic_sign_boxes.py``. The signs, a part of GTSRB [1]_ cropped to 35x35
pixels with their boxes, are loaded from ``gtsrb-sub.npz`` in the folder in the environment variable
SKLSSL_DATA. Without it, the objects are digits on a larger canvas.

.. [1] Stallkamp, Schlipsing, Salmen, Igel. The German Traffic Sign Recognition Benchmark.
   IJCNN 2011.
"""

# %%
# The score
# ---------
# A box is (x1, y1, x2, y2) in pixels. A prediction is scored by intersection over union (IoU): the
# area shared with the true box divided by the area covered by either box, 1 for identical boxes and
# 0 for disjoint boxes.

import argparse
import os
import time
from pathlib import Path

import cv2
import numpy as np

from sklssl import RotNetEmbedder
from sklssl.datasets import load_cifar10, load_digit_images
from sklssl.finetuning import FineTuneRegressor


def iou(boxes, others):
    """Return the intersection over union, (n,), of boxes (n, 4) with others (n, 4).

    A box whose corners are in the wrong order has area 0.
    """
    boxes, others = np.asarray(boxes, float), np.asarray(others, float)
    low = np.maximum(boxes[:, :2], others[:, :2])
    high = np.minimum(boxes[:, 2:], others[:, 2:])
    shared, *areas = (
        np.clip(end - start, 0, None).prod(axis=1)
        for start, end in (
            (low, high),
            (boxes[:, :2], boxes[:, 2:]),
            (others[:, :2], others[:, 2:]),
        )
    )
    union = sum(areas) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


# %%
# The signs
# ---------
# The images of a track of GTSRB are nearly identical frames from driving past one sign. To choose
# settings on a part of the training images, they must therefore be split by track, for example with
# ``GroupShuffleSplit`` and ``groups=track_train``, and ``early_stopping``, which splits by image,
# must not be used. Nothing is chosen here, and scores are computed on the test images.
#
# Every sign fills most of its image, so that the mean box of the training images is nearly correct.
# For a harder task, images are shrunk and moved within their frame, together with the boxes; edge
# pixels are extended to the frame. The paper crops signs from whole street scenes.


def load_signs(path):
    """Return training images and boxes, and test images and boxes."""
    with np.load(path, allow_pickle=False) as file:
        names = ("x_train", "roi_train", "x_test", "roi_test")
        return tuple(file[name] for name in names)


def move(images, boxes, seed, scales=(0.4, 0.8)):
    """Shrink each image by a factor drawn from `scales`, and place it at random."""
    rng = np.random.default_rng(seed)
    side = images.shape[1]
    scale = rng.uniform(*scales, size=(len(images), 1))
    corner = rng.uniform(0, 1, (len(images), 2)) * side * (1 - scale)
    moved = np.empty_like(images)
    for i, (image, s, (x, y)) in enumerate(zip(images, scale[:, 0], corner, strict=True)):
        # Half a pixel: boxes are measured from pixel edges, OpenCV from pixel centres.
        matrix = np.array([[s, 0, x + s / 2 - 0.5], [0, s, y + s / 2 - 0.5]])
        moved[i] = cv2.warpAffine(image, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE)
    return moved, boxes * scale + np.tile(corner, 2)


def paste_digits(images, seed, side=32):
    """Paste 8x8 digits, enlarged to 10 to 20 pixels, on a canvas; return their boxes."""
    rng = np.random.default_rng(seed)
    canvas = np.zeros((len(images), side, side, 1), np.uint8)
    boxes = np.empty((len(images), 4))
    for i, image in enumerate(images):
        size = int(rng.integers(10, 21))
        x, y = rng.integers(0, side - size + 1, 2)
        digit = cv2.resize(image[..., 0], (size, size))
        canvas[i, y : y + size, x : x + size, 0] = digit
        rows, columns = (np.flatnonzero((digit > 64).any(axis=axis)) for axis in (1, 0))
        boxes[i] = x + columns[0], y + rows[0], x + columns[-1] + 1, y + rows[-1] + 1
    return canvas, boxes


def tasks(n_images=None):
    """Yield a name, training images and boxes, and test images and boxes."""
    path = Path(os.environ.get("SKLSSL_DATA") or ".") / "gtsrb-sub.npz"
    if path.exists():
        X, boxes, X_test, boxes_test = load_signs(path)
        some, few = (pick(len(images), n_images) for images in (X, X_test))
        X, boxes, X_test, boxes_test = X[some], boxes[some], X_test[few], boxes_test[few]
        yield "signs as they are", X, boxes, X_test, boxes_test
        yield "signs moved", *move(X, boxes, seed=0), *move(X_test, boxes_test, seed=1)
    else:
        digits = load_digit_images().images
        some, few = pick(1300, n_images), 1300 + pick(497, n_images)
        yield "digits", *paste_digits(digits[some], seed=0), *paste_digits(digits[few], seed=1)


def pick(n, n_wanted):
    """Return `n_wanted` random indices of n rows, or all."""
    return np.random.default_rng(0).permutation(n)[:n_wanted]


# %%
# The models
# ----------
# All have the same network and head. Only the initial weights and the frozen layers differ.


def pretrain(X, backbone, epochs, on_cifar10=False):
    """Train on the images without labels, or on CIFAR-10, whose weights are then reused."""
    if not on_cifar10:
        return RotNetEmbedder(backbone, max_epochs=epochs, random_state=0).fit(X)
    other = RotNetEmbedder(backbone, max_epochs=epochs, random_state=0)
    other.fit(load_cifar10().images[: len(X)])
    # The images differ in size, so another embedder for these images is initialised with the
    # weights, and is not trained.
    return RotNetEmbedder(backbone, init_weights=other, max_epochs=0, random_state=0).fit(X)


def learners(pretrained, backbone, epochs, layer="block2", seed=0):
    """Name the regressors."""
    settings = {"head": "conv", "layer": layer, "max_epochs": epochs, "random_state": seed}
    return {
        "RotNet, frozen": FineTuneRegressor(pretrained, frozen_until="all", **settings),
        "random, frozen": FineTuneRegressor(backbone, frozen_until="all", **settings),
        "RotNet, trained on": FineTuneRegressor(pretrained, **settings),
        "trained from scratch": FineTuneRegressor(backbone, **settings),
    }


def compare(X, boxes, X_test, boxes_test, models):
    """Yield the name, the predicted boxes of the test images, and the training time of models."""
    yield "mean box", np.tile(boxes.mean(axis=0), (len(X_test), 1)), 0.0
    for name, model in models.items():
        start = time.perf_counter()
        model.fit(X, boxes)
        seconds = time.perf_counter() - start
        yield name, model.predict(X_test), seconds


# %%
# The picture
# -----------
# Some test images with the true box and two predictions.


COLORS = ("#37b24d", "#f2a900", "#e03131")


def save_picture(path, images, boxes):
    """Draw `boxes`, arrays (n, 4) by name, into the images, and save them to `path`."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 6, figsize=(10, 3.8), layout="constrained")
    for i, (image, cell) in enumerate(zip(images, axes.flat, strict=False)):
        cell.imshow(image.squeeze(), cmap="gray", extent=(0, image.shape[1], image.shape[0], 0))
        for (name, rows), color in zip(boxes.items(), COLORS, strict=True):
            x1, y1, x2, y2 = rows[i]
            cell.plot([x1, x2, x2, x1, x1], [y1, y1, y2, y2, y1], color=color, label=name)
    for cell in axes.flat:
        cell.set_axis_off()
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.savefig(path, dpi=150)
    plt.close(figure)


# %%
# Main program
# ------------
# The paper reports an "accuracy" of 69.91 % for RotNet, frozen, and 22.51 % for random weights,
# without defining it, so only the order can be compared.


def main(
    backbone="convnet",
    n_images=None,
    pretrain_epochs=10,
    epochs=10,
    on_cifar10=False,
    output="traffic_sign_boxes.png",
):
    """Compare the models, print a table for each task and save the picture of the last one."""
    for task, X, boxes, X_test, boxes_test in tasks(n_images):
        print(f"{task}: {len(X)} training images, {len(X_test)} test images\n")
        print(f"{'':21} {'mean IoU':>8} {'IoU > 0.5':>10} {'seconds':>8}")
        pretrained = pretrain(X, backbone, pretrain_epochs, on_cifar10)
        models = learners(pretrained, backbone, epochs)
        answers = {"true box": boxes_test}
        for name, found, seconds in compare(X, boxes, X_test, boxes_test, models):
            overlap = iou(found, boxes_test)
            share = 100 * (overlap > 0.5).mean()
            print(f"{name:21} {overlap.mean():8.3f} {share:8.1f} % {seconds:8.1f}")
            answers[name] = found
        print()
    shown = {name: answers[name] for name in ("true box", "RotNet, frozen", "random, frozen")}
    save_picture(output, X_test, shown)
    print(f"The picture is in {output}.")


SMALL = {"n_images": 96, "pretrain_epochs": 1, "epochs": 1}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description="Predict boxes from features learned without labels."
    )
    parser.add_argument("--small", action="store_true", help="a few images, one epoch each")
    parser.add_argument("--backbone", default="convnet", help="the network; nin in the paper")
    parser.add_argument("--n-images", type=int, help="number of images; default: all")
    parser.add_argument("--pretrain-epochs", type=int, default=10, help="of RotNet")
    parser.add_argument("--epochs", type=int, default=10, help="of learning boxes")
    parser.add_argument(
        "--on-cifar10", action="store_true", help="train RotNet on CIFAR-10 instead"
    )
    parser.add_argument("--output", default="traffic_sign_boxes.png", help="for the picture")
    settings = vars(parser.parse_args())
    if settings.pop("small"):
        settings.update(SMALL)
    main(**settings)
