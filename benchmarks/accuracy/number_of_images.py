"""How many images an embedder needs, and how many labels a classifier on its features.

    python -m benchmarks.accuracy.number_of_images [--seeds 0 1 2] [--data NAME ...]

The sets of images are those of image_sets.py, with 2,000 test images of CIFAR-10. Images: an
embedder is fitted on some of the training images without labels; the default classifier of
compare_embedders is fitted on ten labels per class, five draws from all training images. Labels:
embedders are fitted on all training images, and there are more or fewer labels per class. Features
that are not learned from the images do not change with their number. Lite0 is EfficientNet-Lite0
with weights of ImageNet, as it is, at 96 pixels, with the last layer averaged over the image.
"""

import argparse
import time

import numpy as np

from benchmarks._common import rows, write_line
from benchmarks.accuracy.image_sets import SETS, draws, few_probe, hog
from sklssl import PatchDictionaryEmbedder, RotNetEmbedder

N_IMAGES = (20, 50, 100, 200, 500, 1000, 2000, 4000)
N_LABELS = (1, 2, 5, 10, 20, 50, 100)
N_TEST = 2000


def lite0(seed):
    return RotNetEmbedder(
        "timm/tf_efficientnet_lite0",
        init_weights="imagenet",
        max_epochs=0,
        layer="stage5",
        pool_size=1,
        image_size=96,
        random_state=seed,
    )


def fixed_features(sets, seed):
    """Iterate over (name, features) that are not learned from the images."""
    X, _, X_test, _ = sets
    yield "raw pixels", rows(X), rows(X_test)
    yield "HOG", hog(X), hog(X_test)
    for name, embedder in (
        ("untrained convnet", RotNetEmbedder("convnet", max_epochs=0, random_state=seed)),
        ("Lite0, ImageNet", lite0(seed)),
    ):
        embedder.fit(X)
        yield name, embedder.transform(X), embedder.transform(X_test)


def learn(sets, n, seed):
    """Return the features of an embedder that was fitted on `n` images, and the seconds of fit."""
    X, _, X_test, _ = sets
    some = np.random.default_rng([seed, 7]).permutation(len(X))[:n]
    start = time.perf_counter()
    embedder = PatchDictionaryEmbedder(random_state=seed).fit(X[some])
    seconds = round(time.perf_counter() - start, 1)
    return embedder.transform(X), embedder.transform(X_test), seconds


def score(Z, Z_test, sets, n_labels, seed):
    """Return the mean accuracy over the draws, and its standard deviation."""
    _, y, _, y_test = sets
    found = [few_probe(Z[few], y[few], Z_test, y_test) for few in draws(y, n_labels, seed)]
    return {"accuracy": round(float(np.mean(found)), 4), "spread": round(float(np.std(found)), 4)}


def run(name, seed):
    X, y, X_test, y_test = SETS[name](seed)
    sets = X, y, X_test[:N_TEST], y_test[:N_TEST]
    sizes = [n for n in N_IMAGES if n < len(X)] + [min(len(X), N_IMAGES[-1])]
    labels = [n for n in N_LABELS if n <= np.bincount(y)[np.unique(y)].min()]
    line = {"data": name, "seed": seed}
    for features, Z, Z_test in fixed_features(sets, seed):
        for n in labels:
            found = score(Z, Z_test, sets, n, seed)
            write_line(__file__, **line, features=features, n_images=0, n_labels=n, **found)
    for n_images in sizes:
        Z, Z_test, seconds = learn(sets, n_images, seed)
        row = {**line, "features": "PatchDictionary", "n_images": n_images}
        for n in labels if n_images == sizes[-1] else [10]:
            found = score(Z, Z_test, sets, n, seed)
            write_line(__file__, **row, n_labels=n, fit_seconds=seconds, **found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--data", nargs="*", default=["cifar10-4k", "gtsrb", "pets"])
    args = parser.parse_args()
    for seed in args.seeds:
        for name in args.data:
            run(name, seed)
