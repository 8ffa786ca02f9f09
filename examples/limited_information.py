"""
Images without corners, without colour
======================================

How good is an embedding of images with less information? Huang and Roozbahani (2021) paint the
corners of all images white ("Harris"), or of a random half of them ("hybrid"), remove the colour
("grey"), or both, and train RotNet and ScaleNet on the resulting images. They find that ScaleNet,
which learns rotations on small images first, loses less accuracy.

Run ``python examples/limited_information.py``. It uses 1,000 images of CIFAR-10 if the environment
variable ``SKLSSL_DATA`` names a folder that contains it, and scikit-learn's digits otherwise.
``--small`` takes seconds. ``--paper`` uses the network, images and epochs of the paper and needs a
GPU.
"""

# %%
# Settings
# --------
# The paper trains every network for 100 epochs, ScaleNet at each of two scales, and classifies with
# 50,000 or 4,000 labels. It reports one pretext accuracy for both, so we assume that the pretext
# task always used all 50,000 images. At half size an epoch processes a quarter of the pixels.
# Therefore ScaleNet gets 4/5 of RotNet's epochs at each scale here, so that both process the same
# number of pixels. With ``--paper`` both get 100 epochs, as in the paper, which does not report the
# number of epochs for classification.

import argparse

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklssl import RotNetEmbedder, ScaleNetEmbedder
from sklssl.datasets import load_cifar10, load_digit_images
from sklssl.finetuning import FineTuneClassifier
from sklssl.preprocessing import HarrisCornerMasker, PseudoGrayscaler

SETTINGS = {
    "small": {"n_images": 60, "n_labels": 60, "n_test": 60, "epochs": 1, "fine_tune_epochs": 1},
    "cpu": {
        "n_images": 1000,
        "n_labels": 1000,
        "n_test": 1000,
        "epochs": 5,
        "fine_tune_epochs": 6,
    },
    "paper": {
        "backbone": "resnet50",
        "batch_size": 128,
        "n_images": 50_000,
        "n_labels": 4000,
        "n_test": 10_000,
        "epochs": 100,
        "scale_epochs": 100,
        "fine_tune_epochs": 100,
    },
}
# Table 3 of the paper: the pretext accuracy, and the accuracy with 4,000 labels.
PAPER = {
    ("original", "RotNet"): (82.45, 71.98),
    ("original", "ScaleNet"): (84.65, 73.69),
    ("Harris", "RotNet"): (50.38, 62.80),
    ("Harris", "ScaleNet"): (45.83, 69.83),
    ("hybrid", "RotNet"): (81.76, 69.32),
    ("hybrid", "ScaleNet"): (81.79, 73.16),
    ("grey", "RotNet"): (80.33, 70.63),
    ("grey", "ScaleNet"): (80.71, 72.48),
    ("grey-Harris", "RotNet"): (65.34, 61.63),
    ("grey-Harris", "ScaleNet"): (69.65, 68.09),
}


# %%
# The inputs
# ----------
# Each input is one step, or two, before an estimator: a pipeline removes information from all
# images that pass through it, including those for classifiers and for testing. The paper states
# this for colours; for corners it states that classification suffers without them, which suggests
# the same. With ``--full-downstream`` only the pretext task uses reduced images. For the hybrid
# input, the images that lose their corners are drawn at random, and are the same in every epoch.


def make_inputs(seed):
    """Return the five kinds of input as transformers of images."""
    return {
        "original": FunctionTransformer(),
        "Harris": HarrisCornerMasker(),
        "hybrid": HarrisCornerMasker(fraction=0.5, random_state=seed),
        "grey": PseudoGrayscaler(),
        "grey-Harris": make_pipeline(PseudoGrayscaler(), HarrisCornerMasker()),
    }


def load(data, setting, seed=0):
    """Return training and test images and labels, as many as the settings require."""
    n_train, n_test = setting["n_images"], setting["n_test"]
    try:
        if data == "digits":
            X, y = load_digit_images(return_X_y=True)
            X, X_test, y, y_test = train_test_split(X, y, test_size=497, random_state=seed)
        elif n_train + n_test <= 10_000:
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
# Scores
# ------
# Three accuracies on the test images: of the pretext task; of a logistic regression on the
# embedding, which uses all layers of the network; and of the whole network fine-tuned on the
# labels, which is what the paper reports. Fine-tuning the untrained network is supervised learning
# from random weights.


def make_embedders(setting, seed):
    """Return the untrained network, RotNet and ScaleNet."""
    epochs = setting["epochs"]
    common = {key: setting[key] for key in ("backbone", "batch_size")} | {"random_state": seed}
    scale_epochs = setting.get("scale_epochs") or max(1, round(epochs / 1.25))
    return {
        "untrained network": RotNetEmbedder(max_epochs=0, **common),
        "RotNet": RotNetEmbedder(max_epochs=epochs, **common),
        "ScaleNet": ScaleNetEmbedder(max_epochs=scale_epochs, **common),
    }


def linear_probe():
    """Make the classifier for features and pixels."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))


def raw_pixels(X):
    """Flatten uint8 images to rows in [0, 1]."""
    return X.reshape(len(X), -1) / 255


def measure(embedder, before, images, labels, setting, seed):
    """Score an embedder after the step `before` on labelled images; None uses the pixels.

    `images` and `labels` are pairs for training and test.
    """
    if embedder is None:
        candidates = {"linear": [FunctionTransformer(raw_pixels), linear_probe()]}
    else:
        # A FrozenEstimator is not changed by clone and fit.
        frozen = FrozenEstimator(embedder)
        fine_tuned = FineTuneClassifier(
            frozen,
            layer=embedder.layer_names_[-1],
            max_epochs=setting["fine_tune_epochs"],
            batch_size=setting["batch_size"],
            random_state=seed,
        )
        candidates = {"linear": [frozen, linear_probe()], "fine-tuned": [fine_tuned]}
    return {
        name: make_pipeline(before, *steps).fit(images[0], labels[0]).score(images[1], labels[1])
        for name, steps in candidates.items()
    }


# %%
# Main program
# ------------

COLUMNS = ("pretext", "linear", "fine-tuned")


def show(name, method, scores, paper=()):
    """Print a row of the table, with the results of the paper."""
    cells = [f"{100 * scores[c]:12.1f}" if c in scores else f"{'':12}" for c in COLUMNS]
    print(
        f"{name:12} {method:18}{''.join(cells)}{''.join(f'{v:14.2f}' for v in paper)}", flush=True
    )


def main(setting="cpu", data="cifar10", inputs=None, seed=0, **changes):
    """Train RotNet and ScaleNet on all or some kinds of input, and print their accuracies."""
    usual = {"backbone": "convnet", "batch_size": 32, "full_downstream": False}
    setting = usual | SETTINGS[setting] | changes
    data, X, X_test, y, y_test = load(data, setting, seed)
    images, labels = (X[: setting["n_labels"]], X_test), (y[: setting["n_labels"]], y_test)
    embedders = make_embedders(setting, seed)
    seen = (
        "unreduced images" if setting["full_downstream"] else "the same images as the pretext task"
    )
    print(
        f"{data}: {len(X)} images, {len(images[0])} with labels, {len(X_test)} test images\n"
        f"{setting['backbone']}, {setting['epochs']} epochs of RotNet, "
        f"{embedders['ScaleNet'].max_epochs} of ScaleNet at each of its scales, "
        f"{setting['fine_tune_epochs']} of fine-tuning\nClassifiers use {seen}.\n"
    )
    print(f"{'accuracy in %':31}{''.join(f'{c:>12}' for c in COLUMNS)}{'paper: pretext, 4K':>28}")
    for name, step in make_inputs(seed).items():
        if inputs and name not in inputs:
            continue
        before = FunctionTransformer() if setting["full_downstream"] else step
        show(name, "raw pixels", measure(None, before, images, labels, setting, seed))
        found = {}
        for method, embedder in embedders.items():
            pipe = make_pipeline(step, clone(embedder)).fit(X)
            scores = measure(pipe[-1], before, images, labels, setting, seed)
            if pipe[-1].n_epochs_:
                scores["pretext"] = pipe.score(X_test)
            found[method] = scores
            show(name, method, scores, PAPER.get((name, method), ()))
        gain = {c: found["ScaleNet"][c] - found["RotNet"][c] for c in COLUMNS}
        pairs = zip(PAPER[name, "ScaleNet"], PAPER[name, "RotNet"], strict=True)
        show("", "ScaleNet - RotNet", gain, [scale - rot for scale, rot in pairs])
    print("\nThe paper's numbers: ResNet50, all 50,000 images in the pretext task, mean of 3 runs.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description="RotNet and ScaleNet on images with less information."
    )
    parser.add_argument("--small", action="store_true", help="takes seconds")
    parser.add_argument("--paper", action="store_true", help="the setting of the paper, for a GPU")
    parser.add_argument("--data", choices=["cifar10", "digits"])
    parser.add_argument("--inputs", nargs="+", choices=list(make_inputs(0)), help="default: all")
    parser.add_argument("--full-downstream", action="store_true", default=None)
    parser.add_argument("--backbone")
    parser.add_argument("--n-images", type=int, help="number of images for the pretext task")
    parser.add_argument("--n-labels", type=int, help="number of labelled images")
    parser.add_argument("--n-test", type=int, help="number of test images")
    parser.add_argument("--epochs", type=int, help="of RotNet")
    parser.add_argument("--scale-epochs", type=int, help="epochs of ScaleNet at each scale")
    parser.add_argument("--fine-tune-epochs", type=int)
    parser.add_argument("--seed", type=int, default=0)
    given = {k: v for k, v in vars(parser.parse_args()).items() if v is not None}
    small, paper = given.pop("small"), given.pop("paper")
    main("small" if small else "paper" if paper else "cpu", **given)
