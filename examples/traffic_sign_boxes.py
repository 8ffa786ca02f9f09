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
SKLSSL_DATA. Without it, the objects are digits on a larger canvas. ``--small``, which is the
default in a notebook, takes seconds and shows no more than that everything runs.

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
import sys
import time
from pathlib import Path

import cv2
import matplotlib.pyplot as plt
import numpy as np

from sklssl import RotNetEmbedder
from sklssl.backbones import make_backbone
from sklssl.datasets import load_cifar10, load_digit_images
from sklssl.finetuning import FineTuneRegressor

parser = argparse.ArgumentParser(description="Predict boxes from features learned without labels.")
parser.add_argument("--small", action="store_true", help="a few images, one epoch each")
parser.add_argument("--backbone", default="convnet", help="the network; nin in the paper")
parser.add_argument("--n-images", type=int, help="number of images; default: all")
parser.add_argument("--pretrain-epochs", type=int, default=10, help="of RotNet")
parser.add_argument("--epochs", type=int, default=10, help="of learning boxes")
parser.add_argument("--on-cifar10", action="store_true", help="train RotNet on CIFAR-10 instead")
parser.add_argument("--output", default="traffic_sign_boxes.png", help="for the picture")
arguments = sys.argv[1:] if "__file__" in globals() else ["--small"]  # in a notebook
if parser.parse_args(arguments).small:
    parser.set_defaults(n_images=96, pretrain_epochs=1, epochs=1)
    print("--small: a few images and epochs, so the scores are noise.")
args = parser.parse_args(arguments)


def area(low, high):
    """Return the areas, (n,), of boxes with these corners; 0 if they are in the wrong order."""
    return np.clip(high - low, 0, None).prod(axis=1)


def iou(boxes, others):
    """Return the intersection over union, (n,), of boxes (n, 4) with others (n, 4)."""
    boxes, others = np.asarray(boxes, float), np.asarray(others, float)
    (low, high), (other_low, other_high) = np.hsplit(boxes, 2), np.hsplit(others, 2)
    shared = area(np.maximum(low, other_low), np.minimum(high, other_high))
    union = area(low, high) + area(other_low, other_high) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


print(f"A square moved by half its side: IoU {iou([[0, 0, 4, 4]], [[2, 0, 6, 4]])[0]:.2f}")

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


def pick(n, n_wanted):
    """Return `n_wanted` random indices of n rows, or all."""
    return np.random.default_rng(0).permutation(n)[:n_wanted]


def tasks(n_images=None):
    """Yield a name, training images and boxes, and test images and boxes."""
    path = Path(os.environ.get("SKLSSL_DATA") or ".") / "gtsrb-sub.npz"
    if path.exists():
        parts = []
        with np.load(path, allow_pickle=False) as file:
            for part in ("train", "test"):
                images, boxes = file[f"x_{part}"], file[f"roi_{part}"]
                some = pick(len(images), n_images)
                parts += images[some], boxes[some]
        X, boxes, X_test, boxes_test = parts
        yield "signs as they are", X, boxes, X_test, boxes_test
        yield "signs moved", *move(X, boxes, seed=0), *move(X_test, boxes_test, seed=1)
    else:
        digits = load_digit_images().images
        some, few = pick(1300, n_images), 1300 + pick(497, n_images)
        yield "digits", *paste_digits(digits[some], seed=0), *paste_digits(digits[few], seed=1)


if not Path(args.output).absolute().parent.is_dir():
    parser.error(f"The folder of the picture {args.output!r} does not exist. Create it first.")
try:
    if "block2" not in make_backbone(args.backbone).layer_names:
        raise ValueError(f"The backbone {args.backbone!r} has no stage block2.")
    cifar10 = load_cifar10().images if args.on_cifar10 else None
except (OSError, ValueError) as error:
    parser.error(str(error))
tables = list(tasks(args.n_images))
for task, X, _, X_test, _ in tables:
    print(f"{task}: {len(X)} training images, {len(X_test)} test images {X.shape[1:]}")

# %%
# Learning without labels
# -----------------------
# RotNet is trained on the images, or on as many images of CIFAR-10. The images differ in size from
# those of CIFAR-10, so another embedder is then initialised with the weights, and is not trained.


def pretrain(X, backbone, epochs, others=None):
    """Return an embedder of `X` that was trained on `X`, or on as many of `others`."""
    if others is None:
        return RotNetEmbedder(backbone, max_epochs=epochs, random_state=0).fit(X)
    other = pretrain(others[: len(X)], backbone, epochs)
    return RotNetEmbedder(backbone, init_weights=other, max_epochs=0, random_state=0).fit(X)


embedders = []
for task, X, *_ in tables:
    start = time.perf_counter()
    embedders.append(pretrain(X, args.backbone, args.pretrain_epochs, cifar10))
    print(f"{task}: RotNet trained in {time.perf_counter() - start:.0f} s")

# %%
# Learning boxes
# --------------
# All models have the same network and head. Only the initial weights and the frozen layers differ.
# The paper reports an "accuracy" of 69.91 % for RotNet, frozen, and 22.51 % for random weights,
# without defining it, so only the order can be compared.


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


answers = {}
for (task, X, boxes, X_test, boxes_test), embedder in zip(tables, embedders, strict=True):
    print(f"{task:21} {'mean IoU':>8} {'IoU > 0.5':>10} {'seconds':>8}")
    models = learners(embedder, args.backbone, args.epochs)
    answers["true box"] = boxes_test
    for name, found, seconds in compare(X, boxes, X_test, boxes_test, models):
        overlap = iou(found, boxes_test)
        share = 100 * (overlap > 0.5).mean()
        print(f"{name:21} {overlap.mean():8.3f} {share:8.1f} % {seconds:8.1f}")
        answers[name] = found
    print()

# %%
# The picture
# -----------
# Some test images of the last table with the true box and two predictions.

COLORS = {"true box": "#37b24d", "RotNet, frozen": "#f2a900", "random, frozen": "#e03131"}
figure, axes = plt.subplots(2, 6, figsize=(10, 3.8), layout="constrained")
for i, (image, ax) in enumerate(zip(tables[-1][3], axes.flat, strict=False)):
    ax.imshow(image.squeeze(), cmap="gray", extent=(0, image.shape[1], image.shape[0], 0))
    for name, color in COLORS.items():
        x1, y1, x2, y2 = answers[name][i]
        ax.plot([x1, x2, x2, x1, x1], [y1, y1, y2, y2, y1], color=color, label=name)
for ax in axes.flat:
    ax.set_axis_off()
figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
figure.savefig(args.output, dpi=150)
print(f"The picture is in {args.output}.")
