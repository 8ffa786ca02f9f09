"""
Few labels, many images
=======================

An embedder looks at images without labels and learns to describe them. A logistic regression on
that description then needs fewer labels than one on the pixels. Here: 1,300 handwritten digits,
of which 50 have a label, five of each class. The labels are drawn five times; the table says how
the accuracy on 497 other digits varies with the draw.

Run ``python examples/quickstart.py``, or with your own images, one folder a class:
``python examples/quickstart.py --data my_images.zip --image-size 32``.
"""

# %%
# What is compared
# ----------------
# The untrained network is the honest baseline: random filters describe images rather well.

import argparse
import time

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from sklssl import RotNetEmbedder, ScaleNetEmbedder
from sklssl.datasets import load_digit_images, load_image_folder

EMBEDDERS = {
    "raw pixels": None,
    "untrained network": RotNetEmbedder(max_epochs=0, random_state=0),
    "RotNet": RotNetEmbedder(random_state=0),
    "ScaleNet": ScaleNetEmbedder(random_state=0),
}


def describe(embedder, X_train, X_test):
    """Embed training and test images; also give the seconds that took."""
    start = time.perf_counter()
    if embedder is None:
        train, test = (X.reshape(len(X), -1) / 255 for X in (X_train, X_test))
    else:
        # No labels here: the embedder sees the training images alone.
        train, test = embedder.fit_transform(X_train), embedder.transform(X_test)
    return train, test, time.perf_counter() - start


def draw_labels(y, n_per_class, seed):
    """Pick the rows that get a label: `n_per_class` of each class, or all there are."""
    rng = np.random.default_rng(seed)
    return np.concatenate(
        [rng.permutation(np.flatnonzero(y == label))[:n_per_class] for label in np.unique(y)]
    )


def accuracies(train, test, y_train, y_test, n_per_class, n_draws=5):
    """Score a logistic regression for several draws of the labelled rows."""
    scores = []
    for seed in range(n_draws):
        few = draw_labels(y_train, n_per_class, seed)
        probe = LogisticRegression(max_iter=2000).fit(train[few], y_train[few])
        scores.append(probe.score(test, y_test))
    return np.array(scores)


# %%
# The picture
# -----------
# Accuracy against the number of labels, and what the network sees: every image turned four ways.


def save_picture(path, curves, images):
    """Draw the accuracy curves and some views, and save both to `path`."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(10, 4.4), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[3, 2])
    ax = left.subplots()
    colors = ["#8c8c8c", "#c49a6c", "#1f6fb2", "#c8321e"]
    for (name, (labels, mean, spread)), color in zip(curves.items(), colors, strict=True):
        ax.plot(labels, 100 * mean, "o-", color=color, label=name)
        ax.fill_between(
            labels, 100 * (mean - spread), 100 * (mean + spread), color=color, alpha=0.15
        )
    ax.set(xscale="log", xlabel="labelled images", ylabel="accuracy on other images (%)")
    ax.set_xticks(labels, [str(n) for n in labels])
    ax.minorticks_off()
    ax.grid(alpha=0.3)
    ax.legend(frameon=False, loc="lower right")
    ax.spines[["top", "right"]].set_visible(False)

    axes = right.subplots(len(images), 4)
    for row, image in zip(axes, images, strict=True):
        for turns, cell in enumerate(row):
            cell.imshow(np.rot90(image, turns).squeeze(), cmap="gray")
            cell.set_axis_off()
    for turns, cell in enumerate(axes[0]):
        cell.set_title(f"{90 * turns}°", fontsize=10)
    right.suptitle("what the network sees: how was it turned?", fontsize=10)
    figure.savefig(path, dpi=150)


# %%
# All together
# ------------


def main(data=None, image_size=None, output="quickstart.png"):
    """Compare the embedders, print the table and save the picture."""
    if data is None:
        X, y = load_digit_images(return_X_y=True)
    else:
        X, y = load_image_folder(data, image_size=image_size, return_X_y=True)
    n_test = min(497, len(X) // 3)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=n_test, stratify=y, random_state=0
    )
    n_classes = len(np.unique(y))
    per_class = [2, 5, 10, 20]
    print(f"{len(X_train)} images of {n_classes} classes, {5 * n_classes} labels, 5 draws\n")
    print(f"{'':18} {'accuracy':>17} {'features':>9} {'seconds':>8}")
    curves = {}
    for name, embedder in EMBEDDERS.items():
        train, test, seconds = describe(embedder, X_train, X_test)
        scores = {n: accuracies(train, test, y_train, y_test, n) for n in per_class}
        mean, spread = 100 * scores[5].mean(), 100 * scores[5].std()
        print(f"{name:18} {mean:8.1f} % +- {spread:3.1f} {train.shape[1]:9} {seconds:8.1f}")
        curves[name] = (
            [n * n_classes for n in per_class],
            np.array([s.mean() for s in scores.values()]),
            np.array([s.std() for s in scores.values()]),
        )
    save_picture(output, curves, X_train[:4])
    print(f"\nThe picture is in {output}.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Probe embeddings with few labels.")
    parser.add_argument("--data", help="a folder or zip of your own images, one folder a class")
    parser.add_argument("--image-size", type=int, help="side to which your images are resized")
    parser.add_argument("--output", default="quickstart.png", help="where the picture goes")
    args = parser.parse_args()
    main(args.data, args.image_size, args.output)
