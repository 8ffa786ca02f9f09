"""Accuracy of SemiSupervisedClassifier with few labels and its default classifier.

    python -m benchmarks.accuracy.semi_supervised [--seeds 0 1 2]

Digits with 50 labels of 1,300 images, and CIFAR-10 with 400 labels of 4,000, equally many per
class; accuracy on other images (497 digits, all 10,000 test images).
"""

import argparse
import time

import numpy as np

from benchmarks._common import write_line
from benchmarks.accuracy.image_sets import SETS
from sklssl import PatchDictionaryEmbedder, RotNetEmbedder, SemiSupervisedClassifier

EMBEDDERS = {"PatchDictionary": PatchDictionaryEmbedder, "RotNet": RotNetEmbedder}
RUNS = [
    ("digits", 5, "PatchDictionary"),
    ("digits", 5, "RotNet"),
    ("cifar10-4k", 40, "PatchDictionary"),
]

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    args = parser.parse_args()
    for name, n_labels, embedder in RUNS:
        for seed in args.seeds:
            X, y, X_test, y_test = SETS[name](seed)
            few = np.full(len(y), -1)
            for c in np.unique(y):
                rows = np.random.default_rng(seed).permutation(np.flatnonzero(y == c))[:n_labels]
                few[rows] = c
            start = time.perf_counter()
            model = SemiSupervisedClassifier(EMBEDDERS[embedder](random_state=seed)).fit(X, few)
            seconds = round(time.perf_counter() - start, 1)
            write_line(
                __file__,
                data=name,
                n_labels=n_labels * len(np.unique(y)),
                embedder=embedder,
                seed=seed,
                fit_seconds=seconds,
                accuracy=round(float(model.score(X_test, y_test)), 4),
            )
