"""
Images without corners, without colour
======================================

How good is an embedding of images with less information? Huang and Roozbahani (2021) paint the
corners of all images white ("Harris"), or of a random half of them ("hybrid"), remove the colour
("grey"), or both, and train RotNet and ScaleNet on the resulting images. They find that ScaleNet,
which learns rotations on small images first, loses less accuracy.

Run ``python examples/limited_information.py``. It uses 1,000 images of CIFAR-10 if the environment
variable ``SKLSSL_DATA`` names a folder that contains it, and scikit-learn's digits otherwise.
``--small``, as in notebooks, takes seconds. ``--paper`` uses the network, images and epochs of the
paper and needs a GPU.
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
import sys

import matplotlib.pyplot as plt
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
from sklssl.inspection import ViewsDisplay
from sklssl.preprocessing import HarrisCornerMasker, PseudoGrayscaler

INPUTS = ["original", "Harris", "hybrid", "grey", "grey-Harris"]
SETTINGS = {
    "small": {"n_images": 60, "n_labels": 60, "n_test": 60, "epochs": 1, "fine_tune_epochs": 1},
    "cpu": {"n_images": 1000, "n_labels": 1000, "n_test": 1000, "epochs": 5, "fine_tune_epochs": 6},
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
parser = argparse.ArgumentParser(description="RotNet and ScaleNet on images with less information.")
parser.add_argument("--small", action="store_true", help="takes seconds")
parser.add_argument("--paper", action="store_true", help="the setting of the paper, for a GPU")
parser.add_argument("--data", default="cifar10", choices=["cifar10", "digits"])
parser.add_argument("--inputs", nargs="+", choices=INPUTS, default=INPUTS, help="default: all")
parser.add_argument("--full-downstream", action="store_true", help="classify unreduced images")
parser.add_argument("--backbone", default="convnet")
parser.add_argument("--n-images", type=int, help="number of images for the pretext task")
parser.add_argument("--n-labels", type=int, help="number of labelled images")
parser.add_argument("--n-test", type=int, help="number of test images")
parser.add_argument("--epochs", type=int, help="of RotNet")
parser.add_argument("--scale-epochs", type=int, help="epochs of ScaleNet at each scale")
parser.add_argument("--fine-tune-epochs", type=int)
parser.add_argument("--seed", type=int, default=0)
parser.set_defaults(batch_size=32)
command = sys.argv[1:] if "__file__" in globals() else ["--small"]  # the latter in a notebook
args = parser.parse_args(command)
parser.set_defaults(**SETTINGS["small" if args.small else "paper" if args.paper else "cpu"])
args = parser.parse_args(command)  # what the command does not say, the setting does

# %%
# The inputs
# ----------
# Each input is one step, or two, before an estimator: a pipeline removes information from all
# images that pass through it, including those for classifiers and for testing. The paper states
# this for colours; for corners it states that classification suffers without them, which suggests
# the same. With ``--full-downstream`` only the pretext task uses reduced images. For the hybrid
# input, the images that lose their corners are drawn at random, and are the same in every epoch.


def load(data, n_train, n_test, seed):
    """Return the name of the data, and training and test images and labels."""
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
        return load("digits", n_train, n_test, seed)
    rng = np.random.default_rng(seed)
    some, others = rng.permutation(len(X))[:n_train], rng.permutation(len(X_test))[:n_test]
    return data, X[some], X_test[others], y[some], y_test[others]


data, X, X_test, y, y_test = load(args.data, args.n_images, args.n_test, args.seed)
X_labelled, y_labelled = X[: args.n_labels], y[: args.n_labels]
print(f"{data}: {len(X)} images, {len(X_labelled)} with labels, {len(X_test)} test images")
if args.small:
    print("--small: a few images and epochs, so the accuracies are noise")

steps = {
    "original": FunctionTransformer(),
    "Harris": HarrisCornerMasker(),
    "hybrid": HarrisCornerMasker(fraction=0.5, random_state=args.seed),
    "grey": PseudoGrayscaler(),
    "grey-Harris": make_pipeline(PseudoGrayscaler(), HarrisCornerMasker()),
}
grid = np.vstack([np.hstack(step.fit_transform(X[:8])) for step in steps.values()])
figure, ax = plt.subplots(figsize=(8, 5), layout="constrained")
ax.imshow(grid.squeeze(), cmap="gray")
middles = X.shape[1] * (np.arange(len(steps)) + 0.5)
_ = ax.set(xticks=[], yticks=middles, yticklabels=list(steps))

# %%
# The networks
# ------------
# RotNet predicts the rotations of images. ScaleNet predicts them for images of half the size first:

common = {"backbone": args.backbone, "batch_size": args.batch_size, "random_state": args.seed}
scale_epochs = args.scale_epochs or max(1, round(args.epochs / 1.25))
embedders = {
    "untrained network": RotNetEmbedder(max_epochs=0, **common),
    "RotNet": RotNetEmbedder(max_epochs=args.epochs, **common),
    "ScaleNet": ScaleNetEmbedder(max_epochs=scale_epochs, **common),
}
print(
    f"{args.backbone}, {args.epochs} epochs of RotNet, {scale_epochs} of ScaleNet at each of its "
    f"scales, {args.fine_tune_epochs} of fine-tuning"
)
angles = ["0°", "90°", "180°", "270°"]
try:
    ViewsDisplay.from_estimator(embedders["ScaleNet"], X[:6], rows=[0, 1], target_names=angles)
except ValueError as error:  # an unknown network
    parser.error(str(error))

# %%
# Scores
# ------
# Three accuracies on the test images: of the pretext task; of a logistic regression on the
# embedding, which uses all layers of the network; and of the whole network fine-tuned on the
# labels, which is what the paper reports. Fine-tuning the untrained network is supervised learning
# from random weights.

COLUMNS = ("pretext", "linear", "fine-tuned")
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


def score(*steps):
    """Fit a pipeline on the labelled images, and return its accuracy on the test images."""
    return make_pipeline(*steps).fit(X_labelled, y_labelled).score(X_test, y_test)


def show(name, method, scores, paper=()):
    """Print a row of the table, with the results of the paper."""
    cells = [f"{100 * scores[c]:12.1f}" if c in scores else f"{'':12}" for c in COLUMNS]
    cells += [f"{value:14.2f}" for value in paper]
    print(f"{name:12} {method:18}{''.join(cells)}", flush=True)


seen = "unreduced images" if args.full_downstream else "the same images as the pretext task"
print(f"Classifiers use {seen}.\n")
print(f"{'accuracy in %':31}{''.join(f'{c:>12}' for c in COLUMNS)}{'paper: pretext, 4K':>28}")
flatten = FunctionTransformer(lambda images: images.reshape(len(images), -1) / 255)
probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
found = {}
for name in args.inputs:
    before = steps["original" if args.full_downstream else name]
    show(name, "raw pixels", {"linear": score(before, flatten, probe)})
    for method, embedder in embedders.items():
        pipe = make_pipeline(steps[name], clone(embedder)).fit(X)
        frozen = FrozenEstimator(pipe[-1])  # it is not changed by clone and fit
        fine_tuned = FineTuneClassifier(
            frozen,
            layer=pipe[-1].layer_names_[-1],
            max_epochs=args.fine_tune_epochs,
            batch_size=args.batch_size,
            random_state=args.seed,
        )
        scores = {"linear": score(before, frozen, probe), "fine-tuned": score(before, fine_tuned)}
        if pipe[-1].n_epochs_:
            scores["pretext"] = pipe.score(X_test)
        found[name, method] = scores
        show(name, method, scores, PAPER.get((name, method), ()))
    gain = {c: found[name, "ScaleNet"][c] - found[name, "RotNet"][c] for c in COLUMNS}
    pairs = zip(PAPER[name, "ScaleNet"], PAPER[name, "RotNet"], strict=True)
    show("", "ScaleNet - RotNet", gain, [scale - rot for scale, rot in pairs])
print("\nThe paper's numbers: ResNet50, all 50,000 images in the pretext task, mean of 3 runs.")

# %%
# What the missing information costs
# ----------------------------------
# The accuracy of the fine-tuned networks, here and in the paper. If ScaleNet loses less, its line
# falls less than RotNet's.

figure, ax = plt.subplots(figsize=(8, 4), layout="constrained")
for method, color in (("RotNet", "C0"), ("ScaleNet", "C1")):
    here = [100 * found[name, method]["fine-tuned"] for name in args.inputs]
    ax.plot(args.inputs, here, "o-", color=color, label=method)
    paper = [PAPER[name, method][1] for name in args.inputs]
    ax.plot(args.inputs, paper, "o:", color=color, label=f"{method}, paper")
ax.set_ylabel("accuracy in %")
_ = ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
