"""Accuracy of SemiSupervisedClassifier with few labels and its default classifier.

    python -m benchmarks.accuracy.semi_supervised [--seeds 0 1 2] [--only EMBEDDER ...]

Digits with 50 labels of 1,300 images, and CIFAR-10 with 400 labels of 4,000, equally many per
class, drawn five times for each seed; mean accuracy on other images (497 digits, all 10,000 test
images).
"""

import argparse
import time

import numpy as np

from benchmarks._common import write_line
from benchmarks.accuracy.image_sets import SETS, draws
from sklssl import (
    PatchDictionaryEmbedder,
    RotNetEmbedder,
    SemiSupervisedClassifier,
    ViewWhiteningEmbedder,
)

EMBEDDERS = {
    "PatchDictionary": lambda seed: PatchDictionaryEmbedder(random_state=seed),
    "PatchDictionary, whitened": lambda seed: ViewWhiteningEmbedder(random_state=seed),
    "RotNet": lambda seed: RotNetEmbedder(random_state=seed),
    "RotNet, whitened": lambda seed: ViewWhiteningEmbedder(
        RotNetEmbedder(random_state=seed), random_state=seed
    ),
}
RUNS = [
    ("digits", 5, "PatchDictionary"),
    ("digits", 5, "PatchDictionary, whitened"),
    ("digits", 5, "RotNet"),
    ("digits", 5, "RotNet, whitened"),
    ("cifar10-4k", 40, "PatchDictionary"),
    ("cifar10-4k", 40, "PatchDictionary, whitened"),
]

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--only", nargs="*", default=list(EMBEDDERS), choices=list(EMBEDDERS))
    args = parser.parse_args()
    for name, n_labels, embedder in RUNS:
        for seed in args.seeds if embedder in args.only else []:
            X, y, X_test, y_test = SETS[name](seed)
            seconds, scores = [], []
            for rows in draws(y, n_labels, seed):
                few = np.full(len(y), -1)
                few[rows] = y[rows]
                start = time.process_time()
                model = SemiSupervisedClassifier(EMBEDDERS[embedder](seed)).fit(X, few)
                seconds.append(time.process_time() - start)
                scores.append(model.score(X_test, y_test))
            write_line(
                __file__,
                data=name,
                n_labels=n_labels * len(np.unique(y)),
                embedder=embedder,
                seed=seed,
                n_draws=len(scores),
                fit_seconds=round(float(np.mean(seconds)), 1),
                accuracy=round(float(np.mean(scores)), 4),
            )
