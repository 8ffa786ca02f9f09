"""Should flat patches become atoms of a dictionary? Run in a checkout of each answer.

    python -m benchmarks.studies.flat_patches [--seeds 0 1 2] [--data NAME ...]

Normalised, all flat patches are the same, so that images with an even background have many equal
atoms. Accuracy, in per cent, of a ridge classifier on all labels (alpha 1,000), and of a logistic
regression on 10 and 50 labels per class (five draws), on standardised features.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.preprocessing import StandardScaler

from benchmarks._common import asked_runs, write_line
from benchmarks.accuracy.image_sets import SETS
from sklssl import PatchDictionaryEmbedder

DATA = ("digits", "pets", "tiny20", "gtsrb", "cifar10-4k")


def few(Z, y, Z_test, y_test, n_labels):
    scores = []
    for draw in range(5):
        rng = np.random.default_rng(draw)
        rows = [rng.permutation(np.flatnonzero(y == c))[:n_labels] for c in np.unique(y)]
        rows = np.concatenate(rows)
        probe = LogisticRegression(C=5 / Z.shape[1], max_iter=300).fit(Z[rows], y[rows])
        scores.append(probe.score(Z_test, y_test))
    return round(100 * float(np.mean(scores)), 2)


if __name__ == "__main__":
    for seed, name in asked_runs(DATA):
        X, y, X_test, y_test = SETS[name](seed)
        embedder = PatchDictionaryEmbedder(random_state=seed).fit(X)
        Z, Z_test = embedder.transform(X), embedder.transform(X_test)
        scale = StandardScaler().fit(Z)
        data = scale.transform(Z), y, scale.transform(Z_test), y_test
        ridge = RidgeClassifier(1000).fit(*data[:2]).score(*data[2:])
        found = {"ridge": round(100 * float(ridge), 2)}
        found |= {f"few_{n}": few(*data, n) for n in (10, 50)}
        write_line(__file__, data=name, seed=seed, **found)
