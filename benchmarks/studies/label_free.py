# As it ran at commit d532ee5, for the record; it does not run today.
"""Which score of features, read without labels, orders embedders as a probe with labels does?

    SKLSSL_DATA=... python benchmarks/label_free.py [--data NAME] [--correlate]

Digits: pretext on 1,300 images, probe on 50 labels, ten draws, 497 test images. CIFAR-10: pretext
on 2,000 images, probe on their labels, 5,000 test images. (a) Trainings that differ in method,
rate, epochs, batch or width, at the default layer, (b) layers and pool sizes of two trained
embedders. Scores see the training images alone; the probe's accuracy is of the test images. The
lines of kind "correlation" have Spearman's rank correlation of each score with that accuracy, with
an interval of 90 % from resampling; --correlate computes them again from the lines that are there.
"""

import argparse
import json
import time
from functools import partial

import numpy as np
from _common import RESULTS, Cifar4K, Digits, write_line
from scipy.stats import spearmanr

from sklssl import (
    MultiScaleEmbedder,
    PatchRelEmbedder,
    PatchRotEmbedder,
    RotationDecouplingEmbedder,
    RotNetEmbedder,
    SimCLREmbedder,
)
from sklssl.backbones._convnet import convnet
from sklssl.exceptions import NonFiniteLossError
from sklssl.metrics import (
    alignment_scorer,
    dead_feature_share,
    effective_rank,
    knn_score,
    rankme_score,
    uniformity_score,
)

SCORES = (
    "rankme",
    "effective_rank",
    "uniformity",
    "alignment",
    "alignment_and_uniformity",
    "minus_dead_features",
    "pretext",
    "knn",
    "knn_few",
    "n_features",
)

# Of the default width, those that are meant to be bad.
FAILURES = ("untrained", "RotNet, rate 3", "SimCLR, rate 0.1")


def configurations(full):
    """Name embedders; `full` is the number of epochs of RotNet that the data set can afford."""
    few, half, twice = max(1, full // 6), full // 2, 2 * full
    return {
        "untrained": RotNetEmbedder(max_epochs=0),
        "untrained, width 8": RotNetEmbedder(partial(convnet, width=8), max_epochs=0),
        "RotNet": RotNetEmbedder(max_epochs=full),
        "RotNet, few epochs": RotNetEmbedder(max_epochs=few),
        "RotNet, rate 0.01": RotNetEmbedder(max_epochs=full, learning_rate=0.01),
        "RotNet, rate 0.0001": RotNetEmbedder(max_epochs=half, learning_rate=1e-4),
        "RotNet, rate 3": RotNetEmbedder(max_epochs=half, learning_rate=3.0),
        "RotNet, batch 128": RotNetEmbedder(max_epochs=full, batch_size=128),
        "RotNet, width 8": RotNetEmbedder(partial(convnet, width=8), max_epochs=full),
        "RotNet, width 16": RotNetEmbedder(partial(convnet, width=16), max_epochs=full),
        "RotNet, two scales": MultiScaleEmbedder(RotNetEmbedder(max_epochs=half)),
        "SimCLR": SimCLREmbedder(max_epochs=twice),
        "SimCLR, few epochs": SimCLREmbedder(max_epochs=few),
        "SimCLR, rate 0.00001": SimCLREmbedder(max_epochs=full, learning_rate=1e-5),
        "SimCLR, rate 0.1": SimCLREmbedder(max_epochs=full, learning_rate=0.1),
        "PatchRel": PatchRelEmbedder(max_epochs=half),
        "PatchRot": PatchRotEmbedder(max_epochs=half),
        "decoupling": RotationDecouplingEmbedder(max_epochs=half),
    }


class Cifar2K(Cifar4K):
    """2,000 images and labels of CIFAR-10, 5,000 test images."""

    name = "cifar10-2k"

    def __init__(self, seed):
        super().__init__(seed)
        self.X, self.y = self.X[:2000], self.y[:2000]
        self.X_test, self.y_test = self.X_test[:5000], self.y_test[:5000]


def measure(data, embedder):
    """Give all scores of the training images, and the probe's accuracy on the test images."""
    Z, Z_test = embedder.transform(data.X), embedder.transform(data.X_test)
    # As many labels as a user may have: 5 of each class of digits, 20 of CIFAR-10.
    n_few = 5 if data.name == "digits" else 20
    few = np.concatenate([np.flatnonzero(data.y == c)[:n_few] for c in range(10)])
    alignment, uniformity = alignment_scorer(embedder, data.X), uniformity_score(Z)
    scores = {
        "rankme": rankme_score(Z),
        "effective_rank": effective_rank(Z),
        "uniformity": uniformity,
        "alignment": alignment,
        "alignment_and_uniformity": alignment + uniformity,
        "minus_dead_features": -dead_feature_share(Z),
        "pretext": embedder.score(data.X),
        "knn": knn_score(Z, data.y),
        "knn_few": knn_score(Z[few], data.y[few], n_neighbors=3),
        "n_features": Z.shape[1],
    }
    scores = {name: round(float(score), 4) for name, score in scores.items()}
    return {"accuracy": round(data.probe(Z, Z_test), 4), **scores}


def fit(embedder, data):
    key = next(key for key in embedder.get_params() if key.split("__")[-1] == "random_state")
    return embedder.set_params(**{key: 0}).fit(data.X)


def run(data, full):
    """Write a line for each training, and for each layer and pool size of two of them."""
    for name, embedder in configurations(full).items():
        row = {"data": data.name, "embedder": name}
        start = time.process_time()
        try:
            fit(embedder, data)
        except NonFiniteLossError as error:
            write_line("label_free", kind="failed", **row, why=str(error))
            continue
        row["fit_cpu_seconds"] = round(time.process_time() - start, 1)
        row["epochs"] = embedder.n_epochs_
        write_line("label_free", kind="training", **row, **measure(data, embedder))
        if name not in ("RotNet", "SimCLR"):
            continue
        for layer in embedder.layer_names_:
            for pool_size in (1, 2, 3, 4):
                embedder.set_params(layer=layer, pool_size=pool_size)
                row |= {"layer": layer, "pool_size": pool_size}
                write_line("label_free", kind="layer", **row, **measure(data, embedder))


def interval(x, y):
    """Give the 5th and 95th percentile of the rank correlation over resampled embedders."""
    rng, values = np.random.default_rng(0), []
    for _ in range(1000):
        some = rng.integers(len(x), size=len(x))
        if np.ptp(x[some]) > 0 and np.ptp(y[some]) > 0:
            values.append(spearmanr(x[some], y[some]).statistic)
    return [round(float(value), 2) for value in np.percentile(values, [5, 95])]


def correlate(rows, **group):
    """Write the rank correlation of each score with the accuracy over `rows`."""
    y = np.array([row["accuracy"] for row in rows])
    for score in SCORES:
        x = np.array([row[score] for row in rows])
        if np.ptp(x) == 0:  # the same for all: no order at all
            write_line("label_free", kind="correlation", **group, score=score, n=len(rows))
            continue
        rho = round(float(spearmanr(x, y).statistic), 2)
        # What the choice of the highest score costs, in accuracy.
        loss = round(float(y.max() - y[x == x.max()].mean()), 4)
        row = {"score": score, "n": len(rows), "rho": rho, "interval": interval(x, y), "loss": loss}
        write_line("label_free", kind="correlation", **group, **row)


def correlate_all(name):
    text = (RESULTS / "label_free.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    lines = [line for line in lines if line["data"] == name]
    trainings = [line for line in lines if line["kind"] == "training"]
    correlate(trainings, data=name, over="all trainings")
    rotnets = [line for line in trainings if line["embedder"].startswith(("RotNet", "untrained"))]
    correlate(rotnets, data=name, over="trainings of RotNet")
    same_width = [line for line in trainings if "width" not in line["embedder"]]
    correlate(same_width, data=name, over="trainings of one width")
    # A group made after the first results: is anything but the failures told apart?
    sound = [line for line in same_width if line["embedder"] not in FAILURES]
    correlate(sound, data=name, over="trainings of one width but failures")
    for embedder in ("RotNet", "SimCLR"):
        layers = [line for line in lines if line["kind"] == "layer"]
        layers = [line for line in layers if line["embedder"] == embedder]
        correlate(layers, data=name, over=f"layers and pool sizes of {embedder}")
        layers = [line for line in layers if line["pool_size"] == 3]  # the default
        correlate(layers, data=name, over=f"layers of {embedder}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", help="one data set; both by default")
    parser.add_argument("--correlate", action="store_true", help="no trainings")
    args = parser.parse_args()
    # As many epochs of RotNet as take a minute or so.
    for data_set, full in ((Digits, 12), (Cifar2K, 6)):
        if args.data in (None, data_set.name):
            if not args.correlate:
                run(data_set(0), full)
            correlate_all(data_set.name)
