"""
Labels for a fifth of the images
================================

A network is first trained on all images without labels, and then fine-tuned on the fifth that has
labels. How much does each step contribute? This follows Sangam and Feng (2021), who decouple the
features of AlexNet on Tiny-ImageNet: half of them predict rotations, the others are invariant to
them, learned by noise-contrastive estimation ("nce", the original paper) or by NT-Xent ("nt_xent",
their extension).

Run ``python examples/fine_tune_a_fifth.py``. It uses 1,000 images of CIFAR-10 if the environment
variable ``SKLSSL_DATA`` names a folder that contains it, and scikit-learn's digits otherwise.
``--small``, as in notebooks, takes seconds. ``--paper`` uses the network, data and epochs of the
paper and needs a GPU.
"""

# %%
# Settings
# --------
# The paper uses 80,000 training images of Tiny-ImageNet; here all images in the file are used. The
# paper does not report the image size for AlexNet; the network was designed for 224 pixels.
# Optimizers, learning rates and batch sizes are the defaults of sklssl, not those of the paper.

import argparse
import os
import sys
import warnings
import zipfile
from pathlib import Path

import cv2
import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklssl import RotationDecouplingEmbedder
from sklssl.datasets import load_cifar10, load_digit_images
from sklssl.finetuning import FineTuneClassifier
from sklssl.inspection import ViewsDisplay
from sklssl.preprocessing import ImageResizer

SETTINGS = {
    "small": {"n_train": 60, "n_test": 60, "epochs": 1, "fine_tune_epochs": 2},
    "cpu": {"n_train": 1000, "n_test": 1000, "epochs": 8, "fine_tune_epochs": 20},
    "paper": {
        "data": "tiny-imagenet",
        "backbone": "alexnet",
        "image_size": 224,
        "epochs": 200,
        "fine_tune_epochs": 65,
    },
}
parser = argparse.ArgumentParser(description="Fine-tune on a fifth of the labels.")
parser.add_argument("--small", action="store_true", help="takes seconds")
parser.add_argument("--paper", action="store_true", help="the setting of the paper, for a GPU")
parser.add_argument("--data", default="cifar10", choices=["cifar10", "tiny-imagenet", "digits"])
parser.add_argument("--backbone", default="convnet")
parser.add_argument("--image-size", type=int, help="side to which images are resized")
parser.add_argument("--n-train", type=int, help="number of training images")
parser.add_argument("--n-test", type=int, help="number of test images")
parser.add_argument("--epochs", type=int, help="of the pretraining")
parser.add_argument("--fine-tune-epochs", type=int)
parser.add_argument("--seed", type=int, default=0)
command = sys.argv[1:] if "__file__" in globals() else ["--small"]  # the latter in a notebook
args = parser.parse_args(command)
parser.set_defaults(**SETTINGS["small" if args.small else "paper" if args.paper else "cpu"])
args = parser.parse_args(command)  # what the command does not say, the setting does

# %%
# The images
# ----------
# Tiny-ImageNet stores the labels of its validation images, which are the test images here, in a
# list instead of folders, so it needs its own loader.


def load_tiny_imagenet(path):
    """Read training and validation images (64x64) and their class indices."""
    with zipfile.ZipFile(path) as archive:
        # The parts of a path: [tiny-imagenet-200/]train/<class>/images/<file>, val/images/<file>.
        names = [Path(name) for name in archive.namelist() if name.endswith(".JPEG")]
        names = sorted(name for name in names if "test" not in name.parts)
        is_train = np.array(["train" in name.parts for name in names])
        rows = archive.read((names[-1].parent.parent / "val_annotations.txt").as_posix())
        words = dict(row.split("\t")[:2] for row in rows.decode().splitlines())
        classes = [words.get(name.name) or name.parts[-3] for name in names]
        files = [np.frombuffer(archive.read(name.as_posix()), np.uint8) for name in names]
    images = [cv2.imdecode(file, cv2.IMREAD_COLOR) for file in files]
    X, y = np.array(images)[..., ::-1], np.unique(classes, return_inverse=True)[1]
    return X[is_train], X[~is_train], y[is_train], y[~is_train]


def load(data, n_train, n_test, seed=0):
    """Return the name of the data, and training and test images and labels; None means all."""
    try:
        if data == "digits":
            X, y = load_digit_images(return_X_y=True)
            X, X_test, y, y_test = train_test_split(X, y, test_size=497, random_state=seed)
        elif data == "tiny-imagenet":
            home = Path(os.environ.get("SKLSSL_DATA", ""))
            archive = next(home.glob("tiny-imagenet-200*.zip"), None)
            if archive is None:
                raise FileNotFoundError("SKLSSL_DATA names no folder with tiny-imagenet-200*.zip")
            X, X_test, y, y_test = load_tiny_imagenet(archive)
        elif n_train and n_test and n_train + n_test <= 10_000:
            # A few images can be taken from the test set, which loads faster.
            X, y = load_cifar10(subset="test", return_X_y=True)
            X, X_test, y, y_test = train_test_split(X, y, test_size=n_test, random_state=seed)
        else:
            X, y = load_cifar10(return_X_y=True)
            X_test, y_test = load_cifar10(subset="test", return_X_y=True)
    except FileNotFoundError as error:
        print(f"No such data, using scikit-learn's digits instead: {error}\n")
        return load("digits", n_train, n_test, seed)
    rng = np.random.default_rng(seed)
    some, others = rng.permutation(len(X))[:n_train], rng.permutation(len(X_test))[:n_test]
    return data, X[some], X_test[others], y[some], y_test[others]


data, X, X_test, y, y_test = load(args.data, args.n_train, args.n_test, args.seed)
try:
    few, _ = train_test_split(np.arange(len(X)), train_size=0.2, stratify=y, random_state=args.seed)
except ValueError as error:
    parser.error(f"--n-train {len(X)} leaves too few labels: {error}")
print(
    f"{data}: {len(X)} images of {len(np.unique(y))} classes, {len(few)} of them with labels for "
    f"the fine-tuning, {len(X_test)} test images\n{args.backbone}, {args.epochs} epochs of "
    f"pretraining, {args.fine_tune_epochs} of fine-tuning"
)
if args.small:
    print("--small: a few images and epochs, so the accuracies are noise")

# %%
# What the network sees
# ---------------------
# During pretraining each image is shifted a little and shown at four rotations. One half of the
# features must tell them apart; the other half must be the same for all four, and different for
# other images.


def make_embedder(task, epochs):
    """Return a network to pretrain; with 0 epochs it keeps its random weights."""
    return RotationDecouplingEmbedder(
        args.backbone,
        instance_task=task,
        image_size=args.image_size,
        max_epochs=epochs,
        random_state=args.seed,
    )


angles = ["0°", "90°", "180°", "270°"]
try:
    ViewsDisplay.from_estimator(make_embedder("nce", 0), X[:6], rows=[0, 1], target_names=angles)
except ValueError as error:  # an unknown network, or an image size that it cannot have
    parser.error(str(error))

# %%
# Probes
# ------
# As in the paper, the features are those of the last convolution. They are frozen, and a classifier
# is fitted on them with all labels. This alone does not show whether fine-tuning improved the
# features or only introduced the labels earlier, so the same linear classifier is also fitted on
# the labelled fifth alone. First, pixels and a network with random weights:

COLUMNS = ("own head, a fifth", "linear, a fifth", "linear, all", "non-linear, all")
HEADING = """
accuracy in %          own head,      linear,      linear,  non-linear,    paper:
                         a fifth      a fifth          all          all    linear, non-linear"""
# Table 1 of the paper: a linear and a non-linear classifier on frozen features, all labels.
PAPER = {
    "supervised, a fifth": (18.42,),
    "nce": (26.58, 37.22),
    "nt_xent": (27.54, 38.19),
    "nce, fine-tuned": (33.56, 40.25),
    "nt_xent, fine-tuned": (34.90, 40.99),
}
results = {}


def probe(transform):
    """Return the accuracies of classifiers on frozen features."""
    train, test = transform(X), transform(X_test)
    linear = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    mlp = make_pipeline(StandardScaler(), MLPClassifier((200, 200), max_iter=60, random_state=0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 60 iterations are enough here
        return {
            "linear, a fifth": linear.fit(train[few], y[few]).score(test, y_test),
            "linear, all": linear.fit(train, y).score(test, y_test),
            "non-linear, all": mlp.fit(train, y).score(test, y_test),
        }


def show(name, scores):
    """Keep some scores, and print them with those of the paper."""
    results[name] = scores
    cells = [f"{100 * scores[c]:13.1f}" if c in scores else " " * 13 for c in COLUMNS]
    paper = [f"{value:10.2f}" for value in PAPER.get(name, ())]
    print(f"{name:19}{''.join(cells)}{''.join(paper)}", flush=True)


def pixels(images):
    """Return the pixels as features, of at most 32x32 pixels."""
    images = ImageResizer(min(32, images.shape[1])).fit_transform(images)
    return images.reshape(len(images), -1) / 255


print(HEADING)
show("raw pixels", probe(pixels))
starts = {"untrained network": make_embedder("nce", 0).fit(X)}
last = starts["untrained network"].layer_names_[-1]
show("untrained network", probe(starts["untrained network"].set_layer(last).transform))

# %%
# Pretraining
# -----------
# The two networks of the paper learn from all images, without labels.

print(HEADING)
for task in ("nce", "nt_xent"):
    starts[task] = make_embedder(task, args.epochs).fit(X).set_layer(last)
    show(task, probe(starts[task].transform))

# %%
# Fine-tuning
# -----------
# ``FineTuneClassifier`` puts a linear head on the layer used by the embedder, here the last one,
# and trains both on the labelled fifth. ``to_embedder`` returns the network as an embedder for the
# probes. The untrained network is fine-tuned as well, as the supervised baseline.

print(HEADING)
for name, start in starts.items():
    tuned = FineTuneClassifier(start, max_epochs=args.fine_tune_epochs, random_state=args.seed)
    tuned.fit(X[few], y[few])
    scores = {"own head, a fifth": tuned.score(X_test, y_test)}
    label = f"{name}, fine-tuned" if start.n_epochs_ else "supervised, a fifth"
    show(label, scores | probe(tuned.to_embedder().transform))
print(
    "\nThe paper's numbers: AlexNet, 80,000 images of Tiny-ImageNet with 200 classes, 200 + 65 "
    "epochs."
)

# %%
# The contribution of each step
# -----------------------------
# Dots of one colour can be compared. Pretraining has contributed if they are further right than
# those of the untrained network, and fine-tuning if they are further right than those of the same
# network before it.

figure, ax = plt.subplots(figsize=(8, 4), layout="constrained")
for column, marker in zip(reversed(COLUMNS), "osD^", strict=True):
    rows = [name for name in results if column in results[name]]
    ax.plot([100 * results[name][column] for name in rows], rows, marker, label=column)
ax.invert_yaxis()
ax.grid(axis="y")
ax.set_xlabel("accuracy in %")
_ = ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
