"""
Where is the sign?
==================

Features learned from telling rotations serve to say where things are, too. Here a network that saw
traffic signs without labels is frozen after its second block, and a convolutional block and three
layers behind it learn the corners of each sign's box from examples, as in a course project at KTH
by Dalla Torre, Cros and Soyleyici (2019). It is compared with the same network frozen at random
weights, with one trained in full, and with an answer that looks at no image: the mean box.

Run ``python examples/traffic_sign_boxes.py``. The signs, a part of GTSRB [1]_ cut to 35x35 pixels
with their boxes, are looked for as ``gtsrb-sub.npz`` in the folder that the environment variable
SKLSSL_DATA names. Without it the things to find are digits on a larger canvas.

.. [1] Stallkamp, Schlipsing, Salmen, Igel. The German Traffic Sign Recognition Benchmark.
   IJCNN 2011.
"""

# %%
# What is compared
# ----------------
# A box is (x1, y1, x2, y2) in pixels. How good an answer is says the area that it shares with the
# true box over the area that either covers: 1 for the same box, 0 for boxes apart.

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
    """Give intersection over union, (n,), of boxes (n, 4) with others (n, 4).

    A box whose corners are in the wrong order has no area.
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
# The images of one track of GTSRB are frames of one drive past one sign, all but the same. Whoever
# chooses settings by a part of the training images must therefore split them by track, as with
# ``GroupShuffleSplit`` and ``groups=track_train``, and not use ``early_stopping``, which splits by
# image. Nothing is chosen here, and scores are of the test images.
#
# Every sign fills most of its image, so that the mean box of the training images is all but right.
# To ask for more, the images are shrunk and moved within their frame, and the boxes with them; the
# pixels at their edges run on to the frame. The paper cuts signs out of whole street scenes.


def load_signs(path):
    """Give images and boxes for training, and for the test."""
    with np.load(path, allow_pickle=False) as file:
        names = ("x_train", "roi_train", "x_test", "roi_test")
        return tuple(file[name] for name in names)


def move(images, boxes, seed, scales=(0.4, 0.8)):
    """Shrink each image to a share of its side drawn from `scales`, at a random place."""
    rng = np.random.default_rng(seed)
    side = images.shape[1]
    scale = rng.uniform(*scales, size=(len(images), 1))
    corner = rng.uniform(0, 1, (len(images), 2)) * side * (1 - scale)
    moved = np.empty_like(images)
    for i, (image, s, (x, y)) in enumerate(zip(images, scale[:, 0], corner, strict=True)):
        # Half a pixel, since a box counts from the pixel's edge and OpenCV from its centre.
        matrix = np.array([[s, 0, x + s / 2 - 0.5], [0, s, y + s / 2 - 0.5]])
        moved[i] = cv2.warpAffine(image, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE)
    return moved, boxes * scale + np.tile(corner, 2)


def paste_digits(images, seed, side=32):
    """Paste 8x8 digits, enlarged to 10 to 20 pixels, on a canvas; give the boxes of their ink."""
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
    """Yield a name, images and boxes for training, and images and boxes for the test."""
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
    """Give `n_wanted` random ones of n rows, or all."""
    return np.random.default_rng(0).permutation(n)[:n_wanted]


# %%
# The learners
# ------------
# All have the same network and head. Only the start differs, and what is frozen.


def pretrain(X, backbone, epochs, on_cifar10=False):
    """Learn from the images alone, or from CIFAR-10: then the weights are carried over."""
    if not on_cifar10:
        return RotNetEmbedder(backbone, max_epochs=epochs, random_state=0).fit(X)
    other = RotNetEmbedder(backbone, max_epochs=epochs, random_state=0)
    other.fit(load_cifar10().images[: len(X)])
    # The images differ in size, so an embedder for these starts from the other's weights, and as
    # it does not train, keeps them.
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
    """Yield a name, the boxes that it predicts for the test images, and the seconds it learned."""
    yield "mean box", np.tile(boxes.mean(axis=0), (len(X_test), 1)), 0.0
    for name, model in models.items():
        start = time.perf_counter()
        model.fit(X, boxes)
        seconds = time.perf_counter() - start
        yield name, model.predict(X_test), seconds


# %%
# The picture
# -----------
# Some test images with the true box and two answers.


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
# All together
# ------------
# The paper reports an "accuracy" of 69.91 % for RotNet, frozen, and 22.51 % for random weights,
# without saying what it counts; so only the order can be compared.


def main(
    backbone="convnet",
    n_images=None,
    pretrain_epochs=10,
    epochs=10,
    on_cifar10=False,
    output="traffic_sign_boxes.png",
):
    """Compare the learners, print a table for each task and save the picture of the last one."""
    for task, X, boxes, X_test, boxes_test in tasks(n_images):
        print(f"{task}: {len(X)} images to learn from, {len(X_test)} to test on\n")
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
    parser = argparse.ArgumentParser(description="Find boxes with features learned from images.")
    parser.add_argument("--small", action="store_true", help="a few images, one epoch of each")
    parser.add_argument("--backbone", default="convnet", help="the network; nin in the paper")
    parser.add_argument("--n-images", type=int, help="of the images; all by default")
    parser.add_argument("--pretrain-epochs", type=int, default=10, help="of RotNet")
    parser.add_argument("--epochs", type=int, default=10, help="of learning boxes")
    parser.add_argument("--on-cifar10", action="store_true", help="RotNet sees CIFAR-10 instead")
    parser.add_argument("--output", default="traffic_sign_boxes.png", help="for the picture")
    settings = vars(parser.parse_args())
    if settings.pop("small"):
        settings.update(SMALL)
    main(**settings)
