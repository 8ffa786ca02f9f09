"""Accuracy of embedders on several data sets, and of pixels, HOG and an untrained network.

    python -m benchmarks.accuracy.image_sets [--seeds 0 1 2] [--data NAME ...] [--quick]
                                                    [--only ROW ...]

Data sets: CIFAR-10 (4,000 images and their labels, all test images), its lossless part, traffic
signs (with the split of the data set, which separates tracks), pets (64x64), 4,000 images of 20
classes of Tiny-ImageNet, digits; 4,000 images of MNIST and of Fashion-MNIST and 5,000 of their
test images, in the layout of torchvision. The probes are the same for all rows: with 10 and 50
labels per class (five draws), the default classifier of compare_embedders ("default"); with as many
or all labels, a logistic regression with C = 5 / n_features on standardised features ("accuracy");
with all labels, a ridge classifier with alpha = 0.3 * n_features ("ridge"), and the 20 nearest
neighbours by the cosine distance of standardised features ("knn"). HOG uses 8x8 cells at
32x32 pixels and 9 orientations. A result has the CPU seconds of `fit` and, for 50 labels, the
accuracy of the ridge classifier on each single layer and on the default `layer`.
"""

import argparse
import os
import time
import zipfile
from pathlib import Path

import cv2
import numpy as np
import torchvision
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks._common import Cifar4K, rows, write_line
from sklssl import (
    PatchDictionaryEmbedder,
    RotNetEmbedder,
    ScaleNetEmbedder,
    SimCLREmbedder,
    ViewWhiteningEmbedder,
)
from sklssl.datasets import load_digit_images
from sklssl.semi_supervised._default_classifier import fit_default_classifier

N_LABELS, N_DRAWS = (10, 50), 5
MOST_FEATURES = 6000  # with more, a logistic regression on all labels takes many minutes


def home():
    return Path(os.environ["SKLSSL_DATA"])


def cifar(seed):
    data = Cifar4K(seed)
    return data.X, data.y, data.X_test, data.y_test


def lossless(seed):
    with np.load(home() / "cifar10-lossless-part.npz", allow_pickle=False) as d:
        order = np.random.default_rng(seed).permutation(len(d["x_train"]))
        X, y = d["x_train"][order], d["y_train"][order]
        X_test = np.concatenate([d["x_test"], X[4000:]])
        return X[:4000], y[:4000], X_test, np.concatenate([d["y_test"], y[4000:]])


def signs(seed):
    with np.load(home() / "gtsrb-sub.npz", allow_pickle=False) as d:
        return d["x_train"], d["y_train"], d["x_test"], d["y_test"]


def digits(seed):
    X, y = load_digit_images(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(X))
    return X[order[:1300]], y[order[:1300]], X[order[1300:]], y[order[1300:]]


def decode(data):
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), 1), cv2.COLOR_BGR2RGB)


def pets(seed, side=64):
    with zipfile.ZipFile(home() / "pets-sub.zip") as file:
        names = sorted(n for n in file.namelist() if n.endswith(".jpg"))
        X = np.stack([_square(decode(file.read(name)), side) for name in names])
    breeds = [Path(name).name.rpartition("_")[0] for name in names]
    y = np.unique(breeds, return_inverse=True)[1]
    order = np.random.default_rng(seed).permutation(len(X))
    return X[order[:400]], y[order[:400]], X[order[400:]], y[order[400:]]


def _square(image, side):
    height, width = image.shape[:2]
    s = min(height, width)
    top, left = (height - s) // 2, (width - s) // 2
    cut = image[top : top + s, left : left + s]
    return cv2.resize(cut, (side, side), interpolation=cv2.INTER_AREA)


def tiny(seed):
    with zipfile.ZipFile(home() / "tiny-imagenet-200-sub.zip") as file:
        names = file.namelist()
        root = next(n for n in names if n.endswith("wnids.txt")).removesuffix("wnids.txt")
        classes = file.read(f"{root}wnids.txt").decode().split()[:20]
        train = [(n, n.split("/")[-3]) for n in names if "/images/" in n and "train/" in n]
        lines = file.read(f"{root}val/val_annotations.txt").decode().splitlines()
        test = [(f"{root}val/images/{f}", c) for f, c in (line.split("\t")[:2] for line in lines)]
        out = []
        for part in (train, test):
            kept = [(n, c) for n, c in part if c in classes and n.endswith(".JPEG")]
            out += [np.stack([decode(file.read(n)) for n, _ in kept])]
            out += [np.array([classes.index(c) for _, c in kept])]
    X, y, X_test, y_test = out
    some = np.random.default_rng(seed).permutation(len(X))[:4000]
    return X[some], y[some], X_test, y_test


def torchvision_set(name):
    """Return a reader of a data set of torchvision, for example of FashionMNIST."""

    def read(seed):
        rng, out = np.random.default_rng(seed), []
        for train, n_images in ((True, 4000), (False, 5000)):
            data = getattr(torchvision.datasets, name)(home(), train=train)
            some = rng.permutation(len(data))[:n_images]
            out += [data.data[some].numpy(), data.targets[some].numpy()]
        return tuple(out)

    return read


SETS = {
    "cifar10-4k": cifar,
    "cifar10-lossless": lossless,
    "digits": digits,
    "fashion-mnist": torchvision_set("FashionMNIST"),
    "gtsrb": signs,
    "mnist": torchvision_set("MNIST"),
    "pets": pets,
    "tiny20": tiny,
}


def hog(X):
    """Return histograms of oriented gradients, computed by scikit-image."""
    from skimage.feature import hog as skimage_hog  # other scripts only borrow the images

    images = [cv2.resize(x, (32, 32), interpolation=cv2.INTER_AREA) for x in X]
    return np.stack(
        [
            skimage_hog(
                image,
                pixels_per_cell=(8, 8),
                cells_per_block=(2, 2),
                channel_axis=2 if image.ndim == 3 else None,
            )
            for image in images
        ]
    )


def embedders(seed, quick):
    """Iterate over (name, embedder) of all embedders to compare."""
    yield "untrained convnet", RotNetEmbedder("convnet", max_epochs=0, random_state=seed)
    dictionary = PatchDictionaryEmbedder(random_state=seed)
    yield "PatchDictionary", dictionary
    yield "PatchDictionary, whitened", ViewWhiteningEmbedder(dictionary, random_state=seed)
    large = PatchDictionaryEmbedder((300, 1200), random_state=seed)
    yield "PatchDictionary (300, 1200)", large
    if not quick:
        largest = PatchDictionaryEmbedder((300, 3200), random_state=seed)
        yield "PatchDictionary (300, 3200)", largest
        yield "RotNet", RotNetEmbedder(random_state=seed)
        yield "ScaleNet", ScaleNetEmbedder(random_state=seed)
        simclr = SimCLREmbedder(random_state=seed)
        yield "SimCLR", simclr
        yield "SimCLR, whitened", ViewWhiteningEmbedder(simclr, random_state=seed)
        yield "RotNet, convnet", RotNetEmbedder("convnet", max_epochs=20, random_state=seed)


def probe(Z, y, Z_test, y_test):
    clf = LogisticRegression(C=5 / Z.shape[1], max_iter=1000)
    return make_pipeline(StandardScaler(), clf).fit(Z, y).score(Z_test, y_test)


def ridge(Z, y, Z_test, y_test):
    clf = RidgeClassifier(alpha=0.3 * Z.shape[1])
    return make_pipeline(StandardScaler(), clf).fit(Z, y).score(Z_test, y_test)


def knn(Z, y, Z_test, y_test):
    clf = KNeighborsClassifier(20, metric="cosine")
    return make_pipeline(StandardScaler(), clf).fit(Z, y).score(Z_test, y_test)


def few_probe(Z, y, Z_test, y_test):
    return fit_default_classifier(Z, y).score(Z_test, y_test)


def draws(y, n, seed):
    """Iterate over the rows of each draw of `n` labels per class (all of them, if fewer)."""
    for draw in range(N_DRAWS):
        rng = np.random.default_rng([seed, draw])
        yield np.concatenate([rng.permutation(np.flatnonzero(y == c))[:n] for c in np.unique(y)])


def accuracies(Z, y, Z_test, y_test, seed):
    """Return the accuracies of the probes by name."""
    out = {}
    for kind, fit in {"default": few_probe, "accuracy": probe}.items():
        for n in N_LABELS:
            scores = [fit(Z[few], y[few], Z_test, y_test) for few in draws(y, n, seed)]
            out[f"{kind}_{n}"] = round(float(np.mean(scores)), 4)
    if Z.shape[1] <= MOST_FEATURES:
        out["accuracy_all"] = round(float(probe(Z, y, Z_test, y_test)), 4)
    out["ridge_all"] = round(float(ridge(Z, y, Z_test, y_test)), 4)
    out["knn_all"] = round(float(knn(Z, y, Z_test, y_test)), 4)
    return out


def stages(embedder, Z, Z_test, X, y, X_test, y_test, seed):
    """Return the accuracy of a ridge classifier on each layer, and on the default `layer`."""
    parts = [embedder.transform_layers(images) for images in (X, X_test)]
    of = {name: (parts[0][name], parts[1][name]) for name in parts[0]}
    out = {}
    for name, (A, B) in {**of, embedder.layer: (Z, Z_test)}.items():
        scores = [ridge(A[few], y[few], B, y_test) for few in draws(y, 50, seed)]
        out[name] = round(float(np.mean(scores)), 4)
    return out


def run(name, seed, quick, only):
    X, y, X_test, y_test = SETS[name](seed)
    for features, Z, Z_test in (
        ("raw pixels", rows(X), rows(X_test)),
        ("HOG", hog(X), hog(X_test)),
    ):
        if only and features not in only:
            continue
        line = {"data": name, "features": features, "seed": seed, "n_features": Z.shape[1]}
        write_line(__file__, **line, **accuracies(Z, y, Z_test, y_test, seed))
    for features, embedder in embedders(seed, quick):
        if only and features not in only:
            continue
        start = time.process_time()
        embedder.fit(X)
        seconds = round(time.process_time() - start, 1)
        start = time.process_time()
        Z = embedder.transform(X)
        line = {
            "data": name,
            "features": features,
            "seed": seed,
            "n_features": Z.shape[1],
            "fit_seconds": seconds,
            "images_per_second": round(len(X) / (time.process_time() - start)),
            "symmetry": embedder.symmetry_,
        }
        Z_test = embedder.transform(X_test)
        line |= accuracies(Z, y, Z_test, y_test, seed)
        if Z.shape[1] <= MOST_FEATURES and hasattr(embedder, "layer"):
            line["stages_50"] = stages(embedder, Z, Z_test, X, y, X_test, y_test, seed)
        write_line(__file__, **line)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--data", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--quick", action="store_true", help="only embedders without training")
    parser.add_argument("--only", nargs="*", default=[], help="names of rows (default: all)")
    args = parser.parse_args()
    for seed in args.seeds:
        for name in args.data:
            run(name, seed, args.quick, args.only)
