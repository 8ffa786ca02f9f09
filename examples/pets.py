"""
Breeds of pets
==============

Which breed is it? This example uses a few hundred photographs of the Oxford-IIIT Pet data set and a
network of torchvision to study the questions of Jimenez and Hale (2023): is it sufficient to train
a head on a frozen network ("transfer learning"), or should the network be trained as well
("fine-tuning")? What is the effect of learning rate, batch size and epochs?

Run ``python examples/pets.py``. The environment variable ``SKLSSL_DATA`` should name a folder with
``pets-sub.zip`` (three breeds) or torchvision's copy of the data set (37 breeds, downloaded by
``--download``); otherwise scikit-learn's digits are used. ``--small``, as in notebooks, takes
seconds. ``--weights ResNet50_Weights.IMAGENET1K_V2``, or a file, sets the initial weights: without
it, all networks start from random weights.
"""

# %%
# Settings
# --------
# ``--paper`` uses the image size, the head, the 50 epochs and the search of the paper, and needs a
# GPU. The default settings use a small network and small images.

import argparse
import csv
import os
import sys
import zipfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import ConfusionMatrixDisplay, classification_report
from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklssl import SimCLREmbedder
from sklssl.datasets import load_digit_images, load_image_folder
from sklssl.finetuning import FineTuneClassifier
from sklssl.preprocessing import ImageResizer

SETTINGS = {
    "small": {
        "image_size": 32,
        "backbone": "convnet",
        "n_train": 150,
        "simclr_epochs": 1,
        "epochs": 2,
        "learning_rate": 1e-3,
        "search": {"learning_rate": [1e-2, 1e-3], "batch_size": [32], "max_epochs": [1]},
    },
    "cpu": {
        "image_size": 64,
        "backbone": "shufflenet_v2_x0_5",
        "simclr_epochs": 30,
        "epochs": 30,
        "learning_rate": 1e-3,
        "search": {
            "learning_rate": [1e-2, 1e-3, 1e-4],
            "batch_size": [32, 64],
            "max_epochs": [10, 30],
        },
    },
    "paper": {
        "image_size": 224,
        "backbone": "resnet50",
        "layer": "last",
        "simclr_epochs": 100,
        "epochs": 50,
        "batch_size": 64,
        "learning_rate": 1e-4,
        "search": {
            "learning_rate": [1e-3, 8e-4, 5e-4, 4e-4, 3.5e-4, 3e-4, 1e-4],
            "batch_size": [32, 64],
            "max_epochs": [10, 20, 50],
        },
    },
}
parser = argparse.ArgumentParser(description="Transfer learning and fine-tuning on pets.")
parser.add_argument("--small", action="store_true", help="takes seconds")
parser.add_argument("--paper", action="store_true", help="the setting of the paper, for a GPU")
parser.add_argument("--data", default="pets", choices=["pets", "digits"])
parser.add_argument("--download", action="store_true", help="download the pets with torchvision")
parser.add_argument(
    "--backbone", help="network of sklssl or torchvision, such as resnet50, vit_b_16"
)
parser.add_argument("--weights", help="name of torchvision weights for it, or a file")
parser.add_argument("--layer", choices=["auto", "last"], help="the layer to use")
parser.add_argument("--image-size", type=int, help="side to which images are resized")
parser.add_argument("--n-train", type=int, help="number of training images; default: all")
parser.add_argument("--simclr-epochs", type=int)
parser.add_argument("--epochs", type=int, help="epochs of transfer learning and fine-tuning")
parser.add_argument("--learning-rate", type=float, help="learning rate, except in the search")
parser.add_argument("--search-fine-tuned", action="store_true", help="not with a frozen network")
parser.add_argument("--seed", type=int, default=0)
parser.set_defaults(batch_size=32)
command = sys.argv[1:] if "__file__" in globals() else ["--small"]  # the latter in a notebook
args = parser.parse_args(command)
parser.set_defaults(**SETTINGS["small" if args.small else "paper" if args.paper else "cpu"])
args = parser.parse_args(command)  # what the command does not say, the setting does

# %%
# The photographs
# ---------------
# They are not square and differ in size; here all are resized to squares. The zip file contains
# outlines in addition to the photographs, and a list of the test photographs.


def load_pets_zip(path, image_size):
    """Read the photographs of the subset, their breeds, and whether they are test images."""
    bunch = load_image_folder(path, image_size=image_size)
    with zipfile.ZipFile(path) as archive:
        lines = archive.read("list.csv").decode().splitlines()
    listed = {row["name"]: row for row in csv.DictReader(lines)}
    names = [Path(name) for name in bunch.filenames]
    photos = [i for i, name in enumerate(names) if name.parts[0] == "images"]
    rows = [listed[names[i].stem] for i in photos]
    breeds = np.array([row["breed"] for row in rows])
    return bunch.images[photos], breeds, np.array([row["split"] == "test" for row in rows])


def load_pets_torchvision(home, image_size, download):
    """Read torchvision's copy; raises a RuntimeError if it does not exist."""
    from torchvision.datasets import OxfordIIITPet

    images, breeds, is_test = [], [], []
    for split in ("trainval", "test"):
        pets = OxfordIIITPet(home, split=split, download=download)
        for photo, label in pets:
            image = np.asarray(photo.convert("RGB"))[np.newaxis]
            images.append(ImageResizer(image_size).fit_transform(image)[0])
            breeds.append(pets.classes[label])
            is_test.append(split == "test")
    return np.array(images), np.array(breeds), np.array(is_test)


def load(data, image_size, download=False):
    """Return images, class names, and whether each image is a test image."""
    home = Path(os.environ.get("SKLSSL_DATA") or "~/sklssl_data").expanduser()
    archive = next(home.glob("pets*.zip"), None)
    if data == "pets" and archive is not None:
        return load_pets_zip(archive, image_size)
    if data == "pets":
        try:
            return load_pets_torchvision(home, image_size, download)
        except RuntimeError:
            print("No pets in the folder SKLSSL_DATA, using scikit-learn's digits instead.\n")
    X, y = load_digit_images(return_X_y=True)
    is_test = np.zeros(len(X), dtype=bool)
    is_test[train_test_split(np.arange(len(X)), test_size=497, random_state=0)[1]] = True
    return X, y.astype(str), is_test


X, y, is_test = load(args.data, args.image_size, args.download)
X, y, X_test, y_test = X[~is_test], y[~is_test], X[is_test], y[is_test]
if args.n_train is not None and args.n_train < len(X):
    try:
        X, _, y, _ = train_test_split(
            X, y, train_size=args.n_train, stratify=y, random_state=args.seed
        )
    except ValueError as error:
        parser.error(f"--n-train {args.n_train}: {error}")
print(
    f"{len(X)} training and {len(X_test)} test images of {len(np.unique(y))} classes, seen at "
    f"{args.image_size}x{args.image_size} by {args.backbone}"
)
if args.small:
    print("--small: a few images and epochs, so the accuracies are noise")

figure, axes = plt.subplots(2, 6, figsize=(9, 3.5), layout="constrained")
rows = np.random.default_rng(args.seed).integers(len(X), size=axes.size)
for ax, row in zip(axes.flat, rows, strict=True):
    ax.imshow(X[row].squeeze(), cmap="gray")
    ax.set_title(y[row], fontsize=9)
    ax.set_axis_off()

# %%
# Initial networks
# ----------------
# An embedder that is trained for zero epochs is the network with its initial weights: random, or
# those of ``--weights``. A third network is SimCLR, trained here on the training photographs
# without labels, from the same weights if there are any. The paper leaves this to future work: its
# SimCLR is already pretrained.

if args.weights is None:
    print("No --weights: every network here starts from random weights.")


def make_start(epochs, weights=None):
    """Train a network by SimCLR, from random or given weights."""
    start = SimCLREmbedder(
        args.backbone,
        image_size=args.image_size,
        max_epochs=epochs,
        init_weights=weights,
        random_state=args.seed,
    ).fit(X)
    return start.set_layer(start.layer_names_[-1]) if args.layer == "last" else start


try:
    starts = {"untrained": make_start(0)}
    if args.weights is not None:
        starts["weights"] = make_start(0, args.weights)
except ValueError as error:  # an unknown network, or weights of another one
    parser.error(str(error))
except OSError as error:
    print(f"Skipped, because these weights are not available: {error}")
starts["SimCLR"] = make_start(args.simclr_epochs, args.weights if "weights" in starts else None)

# %%
# Transfer learning and fine-tuning
# ---------------------------------
# As in the paper, the head is not linear and is trained by Adam, and the learning rate is reduced
# when the loss on a validation set of a tenth of the images stops decreasing. With
# ``frozen_until="all"`` only the head is trained; otherwise the network is trained too, with the
# same learning rate. The head uses the last layer or, if all layers are frozen, the middle one,
# except for ``--paper``.


def make_classifier(start, *, frozen):
    """Put a head on a fitted embedder that searches do not fit again."""
    return FineTuneClassifier(
        FrozenEstimator(start),
        head="mlp",
        frozen_until="all" if frozen else None,
        max_epochs=args.epochs,
        batch_size=args.batch_size,
        learning_rate=args.learning_rate,
        lr_schedule="plateau",
        random_state=args.seed,
    )


small = ImageResizer(min(32, X.shape[1])).fit(X)
pixels, pixels_test = (small.transform(part).reshape(len(part), -1) / 255 for part in (X, X_test))
probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
print(f"\n{'accuracy in %':18}{'linear probe':>14}{'transfer':>14}{'fine-tuned':>14}")
print(f"{'raw pixels':18}{100 * probe.fit(pixels, y).score(pixels_test, y_test):14.1f}")
found = []
for name, start in starts.items():
    linear = probe.fit(start.transform(X), y).score(start.transform(X_test), y_test)
    print(f"{name:18}{100 * linear:14.1f}", end="", flush=True)
    for way in ("transfer", "fine-tuned"):
        classifier = make_classifier(start, frozen=way == "transfer").fit(X, y)
        score = classifier.score(X_test, y_test)
        found.append((score, f"{name}, {way}", classifier))
        print(f"{100 * score:14.1f}", end="", flush=True)
    print()

# %%
# The best classifier
# -------------------
# Which breeds does it recognise, and which does it confuse?

_, name, best = max(found, key=lambda each: each[0])
predicted = best.predict(X_test)
print(f"\nBest on the test images, so its scores are slightly optimistic: {name}\n")
print(classification_report(y_test, predicted, zero_division=0))
figure, ax = plt.subplots(figsize=(8, 7), layout="constrained")
_ = ConfusionMatrixDisplay.from_predictions(
    y_test,
    predicted,
    include_values=len(best.classes_) <= 10,
    xticks_rotation="vertical",
    cmap="Blues",
    ax=ax,
)

# %%
# The search
# ----------
# ``GridSearchCV`` clones its estimator, and a clone is not fitted; the embedder keeps its weights
# because it is wrapped in ``FrozenEstimator``. With ``--search-fine-tuned`` the network is trained
# too; without it, feature maps are computed once per fit, which makes the search fast.

# The numbers reported in the paper, for a ResNet50 pretrained with SimCLR: the accuracy of
# fine-tuning, 37 breeds, batch size 32, 20 epochs. Other results are shown as bar charts.
PAPER = {1e-3: 44, 8e-4: 43, 5e-4: 50, 4e-4: 51, 3.5e-4: 53, 3e-4: 51, 1e-4: 50}

name = "weights" if "weights" in starts else "SimCLR"
way = "fine-tuned" if args.search_fine_tuned else "frozen"
print(f"A search on the training images: {name}, {way}\n")
classifier = make_classifier(starts[name], frozen=not args.search_fine_tuned)
folds = StratifiedKFold(3, shuffle=True, random_state=args.seed)
search = GridSearchCV(classifier, args.search, cv=folds, refit=False).fit(X, y)
results = search.cv_results_
print(f"{'epochs':>8}{'batch':>8}{'rate':>10}{'accuracy in %':>16}{'paper, fine-tuned':>20}")
for params, mean, spread in zip(
    results["params"], results["mean_test_score"], results["std_test_score"], strict=True
):
    rate, batch, epochs = (params[k] for k in ("learning_rate", "batch_size", "max_epochs"))
    paper = PAPER.get(rate, "") if (batch, epochs) == (32, 20) else ""
    accuracy = f"{100 * mean:.1f} +- {100 * spread:.1f}"
    print(f"{epochs:8}{batch:8}{rate:10}{accuracy:>16}{paper:>20}")
print(f"\nChosen: {search.best_params_}")
