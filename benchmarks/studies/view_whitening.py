"""How strong should the views be, and how much should their covariance be shrunk?

    python -m benchmarks.studies.view_whitening [--seeds 0] [--data NAME ...]

The features of the default dictionary, whitened in several ways. Accuracies in per cent: the
default classifier on 10 and 50 labels per class (five draws), a ridge classifier on all labels, and
the 20 nearest neighbours, on at most 5,000 test images. In three sets of simulated images, the
classes differ in the background, the contrast or the brightness alone.
"""

import numpy as np
from sklearn.frozen import FrozenEstimator

from benchmarks._common import asked_runs, write_line
from benchmarks.accuracy.image_sets import SETS, draws, few_probe, knn, ridge
from benchmarks.studies.levels import KINDS, simulated
from sklssl import PatchDictionaryEmbedder, ViewWhiteningEmbedder

DATA = ("digits", "pets", "gtsrb", "fashion-mnist", "cifar10-4k", *KINDS)
N_TEST = 5000
SETTINGS = {
    "not whitened": None,
    "default": {},
    "whole images": {"crop_scale": (1.0, 1.0)},
    "crops from 0.5": {"crop_scale": (0.5, 1.0)},
    "jitter 0": {"jitter_strength": 0.0},
    "jitter 0.2": {"jitter_strength": 0.2},
    "shrinkage 0.95": {"shrinkage": 0.95},
    "shrinkage 0.3": {"shrinkage": 0.3},
}


def scores(Z, y, Z_test, y_test, seed):
    few = {
        f"few_{n}": np.mean([few_probe(Z[r], y[r], Z_test, y_test) for r in draws(y, n, seed)])
        for n in (10, 50)
    }
    found = few | {"ridge": ridge(Z, y, Z_test, y_test), "knn": knn(Z, y, Z_test, y_test)}
    return {name: round(100 * float(score), 2) for name, score in found.items()}


if __name__ == "__main__":
    for seed, name in asked_runs(DATA, seeds=[0]):
        X, y, X_test, y_test = simulated(name, seed) if name in KINDS else SETS[name](seed)
        X_test, y_test = X_test[:N_TEST], y_test[:N_TEST]
        embedder = PatchDictionaryEmbedder(random_state=seed).fit(X)
        for title, params in SETTINGS.items():
            if params is not None:
                frozen = FrozenEstimator(embedder)
                chosen = ViewWhiteningEmbedder(frozen, random_state=seed, **params).fit(X)
            else:
                chosen = embedder
            found = scores(chosen.transform(X), y, chosen.transform(X_test), y_test, seed)
            write_line(__file__, data=name, setting=title, seed=seed, **found)
