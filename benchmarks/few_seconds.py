"""What needs no training, beside pixels and HOG: the patch dictionary on unlike image sets.

    SKLSSL_DATA=... python benchmarks/few_seconds.py [--seeds 0 1 2] [--data NAME ...]

Sets: CIFAR-10 (4,000 images and their labels, all test images), its lossless part, traffic signs
(their own split, which keeps tracks apart), pets (64x64), 20 classes of Tiny-ImageNet, digits. With
10 and 50 labels a class (five draws) or all, one probe for all rows: standardised features, a
logistic regression with C = 5 / n_features. HOG is of 8x8 cells at 32x32 pixels, 9 orientations.
"""

import argparse
import os
import time
import zipfile
from pathlib import Path

import cv2
import numpy as np
from _common import Cifar4K, rows, write_line
from skimage.feature import hog as skimage_hog
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklssl import PatchDictionaryEmbedder, RotNetEmbedder
from sklssl.datasets import load_digit_images

N_LABELS, N_DRAWS = (10, 50), 5


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


def pets(seed):
    with zipfile.ZipFile(home() / "pets-sub.zip") as file:
        names = sorted(n for n in file.namelist() if n.endswith(".jpg"))
        X = np.stack([_square(decode(file.read(name)), 64) for name in names])
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
    return tuple(out)


SETS = {
    "cifar10-4k": cifar,
    "cifar10-lossless": lossless,
    "digits": digits,
    "gtsrb": signs,
    "pets": pets,
    "tiny20": tiny,
}


def hog(X):
    """Give histograms of oriented gradients, by scikit-image."""
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


def features(X, X_test, seed):
    """Yield the name, the seconds to fit, and the features of each part."""
    yield "raw pixels", 0.0, rows(X), rows(X_test)
    yield "HOG", 0.0, hog(X), hog(X_test)
    for name, embedder in {
        "untrained": RotNetEmbedder(max_epochs=0, random_state=seed),
        "PatchDictionary, first alone": PatchDictionaryEmbedder(512, random_state=seed),
        "PatchDictionary": PatchDictionaryEmbedder(random_state=seed),
        "PatchDictionary (300, 1200)": PatchDictionaryEmbedder((300, 1200), random_state=seed),
    }.items():
        start = time.perf_counter()
        embedder.fit(X)
        seconds = time.perf_counter() - start
        yield name, seconds, embedder.transform(X), embedder.transform(X_test)


def probe(Z, y, Z_test, y_test):
    clf = LogisticRegression(C=5 / Z.shape[1], max_iter=1000)
    return make_pipeline(StandardScaler(), clf).fit(Z, y).score(Z_test, y_test)


def draws(y, n, seed):
    """Give the rows of every draw of `n` labels a class; fewer where a class has not so many."""
    for draw in range(N_DRAWS):
        rng = np.random.default_rng([seed, draw])
        yield np.concatenate([rng.permutation(np.flatnonzero(y == c))[:n] for c in np.unique(y)])


def run(name, seed):
    X, y, X_test, y_test = SETS[name](seed)
    for features_name, seconds, Z, Z_test in features(X, X_test, seed):
        row = {"data": name, "features": features_name, "seed": seed, "n_features": Z.shape[1]}
        row["fit_seconds"] = round(seconds, 1)
        for n in N_LABELS:
            scores = [probe(Z[few], y[few], Z_test, y_test) for few in draws(y, n, seed)]
            row[f"accuracy_{n}"] = round(float(np.mean(scores)), 4)
        row["accuracy_all"] = round(float(probe(Z, y, Z_test, y_test)), 4)
        write_line("few_seconds", **row)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--data", nargs="*", default=list(SETS), choices=list(SETS))
    args = parser.parse_args()
    for seed in args.seeds:
        for name in args.data:
            run(name, seed)
