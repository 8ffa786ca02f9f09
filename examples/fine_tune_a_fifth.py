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
``--small`` takes seconds. ``--paper`` uses the network, data and epochs of the paper and needs a
GPU.
"""

# %%
# Settings
# --------
# The paper uses 80,000 training images of Tiny-ImageNet; here all images in the file are used. The
# paper does not report the image size for AlexNet; the network was designed for 224 pixels.
# Optimizers, learning rates and batch sizes are the defaults of sklssl, not those of the paper.

import argparse
import os
import warnings
import zipfile
from pathlib import Path

import cv2
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
from sklssl.preprocessing import ImageResizer

SETTINGS = {
    "small": {"n_train": 60, "n_test": 60, "epochs": 1, "fine_tune_epochs": 2},
    "cpu": {"n_train": 1000, "n_test": 1000, "epochs": 8, "fine_tune_epochs": 20},
    "paper": {
        "data": "tiny-imagenet",
        "backbone": "alexnet",
        "image_size": 224,
        "n_train": None,
        "n_test": None,
        "epochs": 200,
        "fine_tune_epochs": 65,
    },
}
# Table 1 of the paper: a linear and a non-linear classifier on frozen features, all labels.
PAPER = {
    "supervised, a fifth": (18.42, None),
    "nce": (26.58, 37.22),
    "nt_xent": (27.54, 38.19),
    "nce, fine-tuned": (33.56, 40.25),
    "nt_xent, fine-tuned": (34.90, 40.99),
}


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


def load(data, setting, seed=0):
    """Return training and test images and labels, as many as the settings require."""
    n_train, n_test = setting["n_train"], setting["n_test"]
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
        elif n_train is not None and n_train + n_test <= 10_000:
            # A few images can be taken from the test set, which loads faster.
            X, y = load_cifar10(subset="test", return_X_y=True)
            X, X_test, y, y_test = train_test_split(X, y, test_size=n_test, random_state=seed)
        else:
            X, y = load_cifar10(return_X_y=True)
            X_test, y_test = load_cifar10(subset="test", return_X_y=True)
    except FileNotFoundError as error:
        print(f"No such data, using scikit-learn's digits instead: {error}\n")
        return load("digits", setting, seed)
    rng = np.random.default_rng(seed)
    some, others = rng.permutation(len(X))[:n_train], rng.permutation(len(X_test))[:n_test]
    return data, X[some], X_test[others], y[some], y_test[others]


# %%
# Probes
# ------
# As in the paper, the features are those of the last convolution. They are frozen, and a classifier
# is fitted on them with all labels. This alone does not show whether fine-tuning improved the
# features or only introduced the labels earlier, so the same linear classifier is also fitted on
# the labelled fifth alone. For the same reason the untrained network is fine-tuned as well, as the
# supervised baseline.


def features(embedder, X):
    """Embed images; None returns the pixels, at most 32x32."""
    if embedder is None:
        X = X if X.shape[1] <= 32 else ImageResizer(32).fit_transform(X)
        return X.reshape(len(X), -1) / 255
    return embedder.transform(X)


def probe(embedder, X, X_test, y, y_test, few):
    """Return the accuracies of classifiers on frozen features."""
    train, test = features(embedder, X), features(embedder, X_test)
    linear = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    mlp = make_pipeline(StandardScaler(), MLPClassifier((200, 200), max_iter=60, random_state=0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 60 iterations are enough here
        return {
            "linear, a fifth": linear.fit(train[few], y[few]).score(test, y_test),
            "linear": linear.fit(train, y).score(test, y_test),
            "non-linear": mlp.fit(train, y).score(test, y_test),
        }


# %%
# Fine-tuning
# -----------
# ``FineTuneClassifier`` puts a linear head on the layer used by the embedder, here the last one,
# and trains both on the labelled fifth. ``to_embedder`` returns the network as an embedder for the
# probes.


def fine_tune(start, X, y, few, epochs, seed=0):
    """Fine-tune the network of a fitted embedder on the rows `few`."""
    classifier = FineTuneClassifier(start, max_epochs=epochs, random_state=seed)
    return classifier.fit(X[few], y[few])


# %%
# Main program
# ------------


def show(name, scores):
    """Print a row of the table, with the results of the paper."""
    columns = ("own head", "linear, a fifth", "linear", "non-linear")
    cells = [f"{100 * scores[c]:15.1f}" if c in scores else f"{'':15}" for c in columns]
    paper = [f"{'' if v is None else f'{v:.2f}':>10}" for v in PAPER.get(name, (None, None))]
    print(f"{name:24}{''.join(cells)}   {''.join(paper)}", flush=True)


def main(setting="cpu", data=None, seed=0, **changes):
    """Pretrain twice, fine-tune each, and print the accuracies of the features."""
    setting = {"backbone": "convnet", "image_size": None, **SETTINGS[setting], **changes}
    data = data or setting.get("data", "cifar10")
    data, X, X_test, y, y_test = load(data, setting, seed)
    rows = np.arange(len(X))
    few, _ = train_test_split(rows, train_size=0.2, stratify=y, random_state=seed)
    print(
        f"{data}: {len(X)} images of {len(np.unique(y))} classes, {len(few)} of them with labels "
        f"for the fine-tuning, {len(X_test)} test images\n{setting['backbone']}, "
        f"{setting['epochs']} epochs of pretraining, {setting['fine_tune_epochs']} of fine-tuning\n"
    )
    heads = [
        ["own head,", "linear,", "linear,", "non-linear,"],
        ["a fifth", "a fifth", "all", "all"],
    ]
    paper = ["paper:", "linear, non-linear"]
    for label, head, says in zip(["accuracy in %", ""], heads, paper, strict=True):
        print(f"{label:24}{''.join(f'{word:>15}' for word in head)}     {says}")
    rest = (X, X_test, y, y_test, few)
    show("raw pixels", probe(None, *rest))

    def embedder(task="nce", epochs=0):
        fitted = RotationDecouplingEmbedder(
            setting["backbone"],
            instance_task=task,
            image_size=setting["image_size"],
            max_epochs=epochs,
            random_state=seed,
        ).fit(X)
        return fitted.set_layer(fitted.layer_names_[-1])

    starts = {"untrained network": embedder()}
    show("untrained network", probe(starts["untrained network"], *rest))
    for task in ("nce", "nt_xent"):
        starts[task] = embedder(task, setting["epochs"])
        show(task, probe(starts[task], *rest))
    for name, start in starts.items():
        tuned = fine_tune(start, X, y, few, setting["fine_tune_epochs"], seed)
        scores = {"own head": tuned.score(X_test, y_test)}
        label = f"{name}, fine-tuned" if start.n_epochs_ else "supervised, a fifth"
        show(label, scores | probe(tuned.to_embedder(), *rest))
    print(
        "\nThe paper's numbers: AlexNet, 80,000 images of Tiny-ImageNet with 200 classes, 200 + 65 "
        "epochs."
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Fine-tune on a fifth of the labels.")
    parser.add_argument("--small", action="store_true", help="takes seconds")
    parser.add_argument("--paper", action="store_true", help="the setting of the paper, for a GPU")
    parser.add_argument("--data", choices=["cifar10", "tiny-imagenet", "digits"])
    parser.add_argument("--backbone")
    parser.add_argument("--image-size", type=int, help="side to which images are resized")
    parser.add_argument("--n-train", type=int, help="number of training images")
    parser.add_argument("--n-test", type=int, help="number of test images")
    parser.add_argument("--epochs", type=int, help="of the pretraining")
    parser.add_argument("--fine-tune-epochs", type=int)
    parser.add_argument("--seed", type=int, default=0)
    given = {k: v for k, v in vars(parser.parse_args()).items() if v is not None}
    small, paper = given.pop("small"), given.pop("paper")
    main("small" if small else "paper" if paper else "cpu", **given)
