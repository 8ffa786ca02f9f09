"""
Few labels, many images
=======================

An embedder learns features from images without labels. A classifier on these features then needs
fewer labels than a classifier on pixels. How many fewer, and with which embedder, depends on the
images: ``compare_embedders`` measures it, on handwritten digits or on your own images.

``python examples/quickstart.py --data my_images.zip`` takes a zip file, or a folder, of your own
images, with one folder per class. Images without class folders are shown without labels.
"""

# %%
# The images
# ----------
# 1,797 handwritten digits of 8x8 pixels, as an array ``(n, height, width, channels)`` of uint8.
# Images without a label would have the target -1.

import argparse
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.backend_bases import FigureCanvasBase
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklssl import PatchDictionaryEmbedder, RotNetEmbedder, ViewWhiteningEmbedder
from sklssl.datasets import load_digit_images, load_image_folder
from sklssl.inspection import ImageMapDisplay, NeighborsDisplay, compare_embedders

parser = argparse.ArgumentParser(description="Compare embedders on a set of images.")
parser.add_argument("--data", help="a folder or zip file of your own images, one folder per class")
parser.add_argument("--image-size", type=int, default=64, help="side to resize your images to")
parser.add_argument("--output", default="quickstart.png", help="file name of the picture")
parser.add_argument("--epochs", type=int, default=10, help="of training of RotNetEmbedder")
args = parser.parse_args(sys.argv[1:] if "__file__" in globals() else [])  # none in a notebook


def load(data, image_size):
    """Load images of which there are enough for a comparison."""
    if data is None:
        return load_digit_images()
    bunch = load_image_folder(data, image_size=image_size, on_error="skip")
    if len(bunch.images) < 4:
        raise ValueError(f"At least 4 images are needed, but there are {len(bunch.images)}.")
    # Bytes of file names that are not valid UTF-8 can neither be printed nor drawn.
    names = [name.encode(errors="replace").decode() for name in bunch.target_names]
    bunch.target_names = np.array(names, dtype=str)
    sizes = np.bincount(bunch.target[bunch.target >= 0], minlength=len(names))
    if len(sizes) == 1:
        raise ValueError(
            f"All labels are of one class, '{names[0]}'. Create one folder per class, or use no "
            "class folders for unlabelled images."
        )
    if len(sizes) and sizes.min() < 2:
        number = "1 image" if sizes.min() else "0 images"
        raise ValueError(
            f"The class '{names[sizes.argmin()]}' has {number} that can be read. At least 2 images "
            "per class are needed: one for training, and one for testing."
        )
    if any(name.strip() in ("-1", "-1.0") for name in names):
        raise ValueError(
            "A class folder is named like the label of unlabelled images, -1. Rename it: to "
            "'unlabelled' if its images have no label."
        )
    return bunch


output = Path(args.output if Path(args.output).suffix else f"{args.output}.png")
formats = sorted(FigureCanvasBase.get_supported_filetypes())
if output.suffix[1:].lower() not in formats:
    parser.error(
        f"The picture {args.output!r} has an unknown format. End its name in one of "
        f"{', '.join(f'.{name}' for name in formats)}."
    )
if not output.absolute().parent.is_dir():
    parser.error(f"The folder of the picture {args.output!r} does not exist. Create it first.")
try:
    bunch = load(args.data, args.image_size)
except (OSError, ValueError) as error:  # problems with the user's images
    parser.error(str(error))
images, y = bunch.images, bunch.target
print(f"{len(images)} images {images.shape[1:]}, {np.sum(y >= 0)} of them with a label")

# %%
# The comparison
# --------------
# A quarter of the images are held out for testing, and a few of the others are labelled in each
# class. Raw pixels and an untrained network are always included. Add embedders, or change the
# parameters of these. The recommended embedder is the fastest to fit among those that are not worse
# than the best by more than the spread.

embedders = {
    "PatchDictionaryEmbedder": PatchDictionaryEmbedder(),
    "ViewWhiteningEmbedder": ViewWhiteningEmbedder(),
    "RotNetEmbedder": RotNetEmbedder(max_epochs=args.epochs, verbose=1),
}
comparison = None
if (y < 0).all():
    print("Without labels embedders cannot be compared: using a ViewWhiteningEmbedder.")
    embedder = ViewWhiteningEmbedder(random_state=0).fit(images)
else:
    classes = np.where(y < 0, "-1", bunch.target_names[y])  # "-1": without a label
    smallest = np.bincount(y[y >= 0]).min()
    test_size = 0.25 if smallest >= 8 else 0.5
    try:
        comparison = compare_embedders(
            images, classes, embedders, test_size=test_size, random_state=0, verbose=1
        )
    except ValueError as error:
        parser.error(str(error))
    embedder = comparison.estimators[comparison.choice]
    print(f"\n{comparison}")

# %%
# Was it worth it?
# ----------------
# Only if the features are better than pixels, by more than the spread. If they are not, or good
# already, there are other things to try.


def judge(comparison):
    """Report whether the features were better than pixels, and what to try next."""
    n_labels, choice = comparison.n_labels[-1], comparison.choice
    labels = f"with {n_labels} label{'s' * (n_labels > 1)} per class"
    wrong = {name: f"{1 - scores[-1].mean():.1%}" for name, scores in comparison.scores.items()}
    pretrained = (
        'a network trained on ImageNet, RotNetEmbedder("resnet18", image_size=224, '
        'init_weights="imagenet", max_epochs=0)'
    )
    if choice not in embedders:
        # What to try instead of raw pixels is in the advice of the comparison.
        pixels = choice == "raw pixels"
        next_step = f"; next, try more images, a larger --image-size or {pretrained}"
        return (
            f"Not worth it here: {labels} no embedder is clearly better than the {choice}, which "
            f"get{'s' * (not pixels)} {wrong[choice]} of other images wrong"
            f"{next_step * (not pixels)}."
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


if comparison is not None:
    print(judge(comparison))

# %%
# The picture
# -----------
# A map of the images, in which images with similar features are close; the classes that a
# classifier on the features confuses; and some images with their nearest neighbours.

features = embedder.transform(images)
known = {"target_names": bunch.target_names, "random_state": 0}
labelled, has_labels = y >= 0, bool((y >= 0).any())
figure = plt.figure(figsize=(12, 11), layout="constrained")
(left,), (bottom,) = figure.subfigures(2, 1, height_ratios=[13, 9], squeeze=False)
if has_labels:
    left, right = left.subfigures(1, 2, width_ratios=[7, 5])
ax = left.subplots()
ax.set_title("Map of the images: similar images are close")
ImageMapDisplay.from_features(features, images, y, ax=ax, image_size=0.06, **known)
bottom.suptitle(
    "Some images (blue frames), and their nearest neighbours"
    + " (red frames if of another class)" * has_labels
)
names = [Path(name).stem for name in bunch.filenames] if "filenames" in bunch else None
NeighborsDisplay.from_features(
    features, images, y, rows=4, n_neighbors=11, names=names, ax=bottom.subplots(), **known
)


def shorten(names, longest=16):
    """Remove the middle of long names, and number the names if they are then the same."""
    n_first = longest // 3
    short = [
        name if len(name) <= longest else f"{name[:n_first]}…{name[n_first + 1 - longest :]}"
        for name in names
    ]
    are_distinct = len(set(short)) == len(short)
    return short if are_distinct else [f"{i}: {name}" for i, name in enumerate(short)]


if has_labels:
    Z_train, Z_test, y_train, y_test = train_test_split(
        features[labelled], y[labelled], test_size=0.5, random_state=0, stratify=y[labelled]
    )
    classifier = RidgeClassifier(alpha=0.3 * features.shape[1])
    probe = make_pipeline(StandardScaler(), classifier).fit(Z_train, y_train)
    largest = np.sort(np.argsort(-np.bincount(y[labelled]), kind="stable")[:12])
    ConfusionMatrixDisplay.from_predictions(
        y_test,
        probe.predict(Z_test),
        labels=largest,
        display_labels=shorten([bunch.target_names[label] for label in largest]),
        xticks_rotation="vertical",
        cmap="Blues",
        colorbar=False,
        ax=right.subplots(),
    )
    right.axes[0].set_anchor("N")
    which = f"; the {len(largest)} largest classes" if len(largest) <= y.max() else ""
    right.suptitle(
        "Predictions for half of the images, trained on the others:\n"
        f"{probe.score(Z_test, y_test):.1%} right{which}"
    )
figure.savefig(output, dpi=100)
print(f"The picture is in {output}.")
