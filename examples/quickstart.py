"""
Few labels, many images
=======================

An embedder learns features from images without labels. A classifier on these features then needs
fewer labels than a classifier on pixels. How many fewer, and with which embedder, depends on the
images: ``compare_embedders`` measures it. A quarter of the images are held out for testing, and a
few of the others are labelled in each class.

Run ``python examples/quickstart.py`` for 1,797 handwritten digits, or use your own images with one
folder per class: ``python examples/quickstart.py --data my_images.zip``. Images without class
folders are shown without labels.
"""

# %%
# The candidates
# --------------
# Raw pixels and an untrained network are always included. Add embedders, or change the parameters
# of these. ``verbose=1`` shows the progress of training.

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklssl import PatchDictionaryEmbedder, RotNetEmbedder
from sklssl.datasets import load_digit_images, load_image_folder
from sklssl.inspection import ImageMapDisplay, NeighborsDisplay, compare_embedders

EMBEDDERS = {
    "PatchDictionaryEmbedder": PatchDictionaryEmbedder(),
    "RotNetEmbedder": RotNetEmbedder(verbose=1),
}


def load(data, image_size):
    """Load the digits, or a folder or zip file of images; unlabelled images have target -1."""
    if data is None:
        return load_digit_images()
    return load_image_folder(data, image_size=image_size, on_error="skip")


def check(bunch):
    """Raise an error if there are too few images or classes for a comparison."""
    if len(bunch.images) < 4:
        raise ValueError(f"At least 4 images are needed, but there are {len(bunch.images)}.")
    sizes = np.bincount(bunch.target[bunch.target >= 0])
    if len(sizes) == 1:
        raise ValueError(
            f"All labels are of one class, '{bunch.target_names[0]}'. Create one folder per class, "
            "or use no class folders for unlabelled images."
        )
    if len(sizes) and sizes.min() < 2:
        raise ValueError(
            f"There is only one image of the class '{bunch.target_names[sizes.argmin()]}'. At "
            "least 2 images per class are needed: one for training, and one for testing."
        )


# %%
# Choosing an embedder
# --------------------
# The table has the accuracy on the held-out images. The recommended embedder is the fastest to fit
# among those that are not worse than the best by more than the spread.


def choose_embedder(images, y):
    """Compare the embedders, print the results, and return the recommended one."""
    if (y < 0).all():
        print("Without labels embedders cannot be compared: using a PatchDictionaryEmbedder.")
        return PatchDictionaryEmbedder(random_state=0).fit(images)
    smallest = np.bincount(y[y >= 0]).min()
    test_size = 0.25 if smallest >= 8 else 0.5
    n_labels = [n for n in (2, 10, 50) if n <= 0.9 * (1 - test_size) * smallest][-2:] or [1]
    comparison = compare_embedders(
        images, y, EMBEDDERS, n_labels=n_labels, test_size=test_size, random_state=0, verbose=1
    )
    print(f"\n{comparison}\n\n{judge(comparison)}\n")
    return comparison.estimators[comparison.choice]


def judge(comparison):
    """Report whether the features were better than pixels, and what to try next."""
    n_labels, choice = comparison.n_labels[-1], comparison.choice
    labels = f"with {n_labels} label{'s' * (n_labels > 1)} per class"
    wrong = {name: f"{1 - scores[-1].mean():.1%}" for name, scores in comparison.scores.items()}
    pretrained = (
        'a network trained on ImageNet, RotNetEmbedder("resnet18", image_size=224, '
        'init_weights="imagenet", max_epochs=0)'
    )
    if choice not in EMBEDDERS:
        return (
            f"Not worth it here: {labels} no embedder is clearly better than the {choice}, which "
            f"get{'s' * (choice != 'raw pixels')} {wrong[choice]} of other images wrong; next, try "
            f"more images, a larger --image-size or {pretrained}."
        )
    next_step = pretrained
    if comparison.scores[choice][-1].mean() > 0.8:
        name = type(comparison.estimators[choice]).__name__
        next_step = f"SemiSupervisedClassifier({name}()), which also learns from unlabelled images"
    return (
        f"Worth it: {labels} {choice} gets {wrong[choice]} of other images wrong, raw pixels "
        f"{wrong['raw pixels']} and an untrained network {wrong['untrained network']}; next, try "
        f"{next_step}."
    )


# %%
# The picture
# -----------
# It shows which images have similar features: a map of the images, the nearest neighbours of some,
# and the classes that a classifier on the features confuses.

MOST_CLASSES = 12  # of which confusions are shown


def save_picture(path, bunch, features):
    """Draw all plots of the features, and save the figure to `path`."""
    figure = Figure(figsize=(12, 11), layout="constrained")
    (left,), (bottom,) = figure.subfigures(2, 1, height_ratios=[13, 9], squeeze=False)
    legend = "Some images (blue frames), and their nearest neighbours"
    if (bunch.target >= 0).any():
        left, right = left.subfigures(1, 2, width_ratios=[7, 5])
        draw_confusion(right.subplots(), bunch, features)
        legend += " (red frames if of another class)"
    data = features, bunch.images, bunch.target
    shown = {"target_names": bunch.target_names, "random_state": 0}
    ax = left.subplots()
    ax.set_title("Map of the images: similar images are close")
    ImageMapDisplay.from_features(*data, ax=ax, image_size=0.06, **shown)
    bottom.suptitle(legend)
    names = [Path(name).stem for name in bunch.filenames] if "filenames" in bunch else None
    ax = bottom.subplots()
    NeighborsDisplay.from_features(*data, rows=4, n_neighbors=11, names=names, ax=ax, **shown)
    figure.savefig(path, dpi=100)


def draw_confusion(ax, bunch, features):
    """Draw the confusion matrix of a classifier on the features."""
    labelled = bunch.target >= 0
    Z_train, Z_test, y_train, y_test = train_test_split(
        features[labelled],
        bunch.target[labelled],
        test_size=0.5,
        random_state=0,
        stratify=bunch.target[labelled],
    )
    classifier = LogisticRegression(C=5 / features.shape[1], max_iter=1000)
    probe = make_pipeline(StandardScaler(), classifier).fit(Z_train, y_train)
    classes = largest_classes(bunch)
    ConfusionMatrixDisplay.from_predictions(
        y_test,
        probe.predict(Z_test),
        labels=classes,
        display_labels=[shorten(bunch.target_names[label]) for label in classes],
        xticks_rotation="vertical",
        cmap="Blues",
        colorbar=False,
        ax=ax,
    )
    ax.set_anchor("N")
    which = f"; the {len(classes)} largest classes" if len(classes) <= y_test.max() else ""
    ax.figure.suptitle(
        "Predictions for half of the images, trained on the others:\n"
        f"{probe.score(Z_test, y_test):.1%} right{which}"
    )


def largest_classes(bunch):
    """Return the classes with the most images, in order."""
    sizes = np.bincount(bunch.target[bunch.target >= 0])
    return np.sort(np.argsort(-sizes, kind="stable")[:MOST_CLASSES])


def shorten(name, longest=16):
    """Shorten a long name by removing its middle."""
    n_first = longest // 3
    fits = len(name) <= longest
    return name if fits else f"{name[:n_first]}…{name[n_first + 1 - longest :]}"


# %%
# Main program
# ------------


def main(arguments=None):
    """Compare the embedders, print the table and save the picture."""
    parser = argparse.ArgumentParser(description="Compare embedders on a set of images.")
    parser.add_argument(
        "--data", help="a folder or zip file of your own images, one folder per class"
    )
    parser.add_argument(
        "--image-size", type=int, default=64, help="side to which your images are resized"
    )
    parser.add_argument("--output", default="quickstart.png", help="file name of the picture")
    args = parser.parse_args(arguments)
    if not Path(args.output).absolute().parent.is_dir():
        parser.error(f"The folder of the picture {args.output!r} does not exist. Create it first.")
    try:
        bunch = load(args.data, args.image_size)
        check(bunch)
        embedder = choose_embedder(bunch.images, bunch.target)
    except (OSError, ValueError) as error:  # problems with the user's images
        parser.error(str(error))
    save_picture(args.output, bunch, embedder.transform(bunch.images))
    print(f"The picture is in {args.output}.")


if __name__ == "__main__":
    main()
