"""
Few labels, many images
=======================

An embedder looks at images without labels and learns to describe them. A classifier on that
description then needs fewer labels than one on the pixels. How many fewer, and with which
embedder, depends on the images: ``compare_embedders`` tries it out on 1,797 handwritten digits, a
quarter of them set aside, with a few labels of each class that are drawn five times.

Run ``python examples/quickstart.py``, or with your own images, one folder a class:
``python examples/quickstart.py --data my_images.zip --image-size 32``.
"""

# %%
# What is compared
# ----------------
# Raw pixels and what needs no training are always there. None adds the embedders that the library
# suggests; give a list of others to compare those.

import argparse

import numpy as np

from sklssl.datasets import load_digit_images, load_image_folder
from sklssl.inspection import compare_embedders

EMBEDDERS = None


def load(data=None, image_size=None):
    """Load the digits, or a folder or zip file of images."""
    if data is None:
        return load_digit_images(return_X_y=True)
    return load_image_folder(data, image_size=image_size, return_X_y=True)


def choose_n_labels(y):
    """Choose numbers of labels a class that the training part, three quarters, can give."""
    smallest = 0.7 * np.bincount(y).min()
    return [n for n in (2, 5, 10, 20, 50) if n <= smallest] or [1]


# %%
# The picture
# -----------
# Accuracy against the number of labels; the bands are the spread over the draws.


def save_picture(path, comparison):
    """Draw the accuracies with their spread, and save the figure to `path`."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(7, 4.4), layout="constrained")
    labels = comparison.n_labels
    for row in comparison.rows:
        scores = 100 * comparison.scores[row["name"]]
        mean, spread = scores.mean(axis=1), scores.std(axis=1)
        name = f"{row['name']}: {row['n_features']} features, fitted in {row['fit_time']:.1f} s"
        (line,) = ax.plot(labels, mean, "o-", label=name)
        ax.fill_between(labels, mean - spread, mean + spread, color=line.get_color(), alpha=0.15)
    ax.set(xscale="log", xlabel="labels a class", ylabel="accuracy on other images (%)")
    ax.set_xticks(labels, [str(n) for n in labels])
    ax.minorticks_off()
    ax.grid(alpha=0.3)
    ax.legend(frameon=False, loc="lower right", fontsize=8)
    ax.set_title(f"{comparison.n_train} training and {comparison.n_test} test images", fontsize=10)
    ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
    plt.close(figure)


# %%
# All together
# ------------


def main(arguments=None):
    """Compare the embedders, print the table and save the picture."""
    parser = argparse.ArgumentParser(description="Which embedder for some images?")
    parser.add_argument("--data", help="a folder or zip of your own images, one folder a class")
    parser.add_argument("--image-size", type=int, help="side to which your images are resized")
    parser.add_argument("--output", default="quickstart.png", help="where the picture goes")
    args = parser.parse_args(arguments)
    try:
        X, y = load(args.data, args.image_size)
        comparison = compare_embedders(
            X, y, EMBEDDERS, n_labels=choose_n_labels(y), random_state=0, verbose=1
        )
    except (OSError, ValueError) as error:  # what is said about images of your own
        parser.error(str(error))
    print(f"\n{comparison}")
    save_picture(args.output, comparison)
    print(f"\nThe picture is in {args.output}.")


if __name__ == "__main__":
    main()
