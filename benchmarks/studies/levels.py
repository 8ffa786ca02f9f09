"""Do brightness, colour and contrast as features of their own help or harm a dictionary?

    python -m benchmarks.studies.levels [--seeds 0 1 2] [--data NAME ...]

Patches are normalised, so that a dictionary alone cannot see them. Accuracies in per cent, with
and without these columns of the same features, on standardised features: a ridge classifier on all
labels, a logistic regression on 10 and 50 labels per class (five draws), and the 20 nearest
neighbours. In three sets of simulated images, the four classes differ in the background, the
contrast or the brightness alone.
"""

import numpy as np
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from benchmarks._common import asked_runs, write_line
from benchmarks.accuracy.image_sets import SETS, draws, probe, ridge, rows
from sklssl import PatchDictionaryEmbedder
from sklssl.datasets import load_digit_images

N_LABELS = (10, 50)


def simulated(kind, seed):
    """Return 800 images: digits, or noise, of four backgrounds, contrasts or brightnesses."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 4, 800)
    level = y[:, np.newaxis, np.newaxis, np.newaxis]
    strokes = load_digit_images(return_X_y=True)[0][rng.permutation(1797)[:800]].astype(float)
    texture = 20 * rng.standard_normal((800, 32, 32, 1))
    X = {
        "background": 0.6 * strokes + 20 + 20 * level,
        "contrast": (0.4 + 0.15 * level) * strokes,
        "brightness": texture + 80 + 15 * level + 5 * rng.standard_normal((800, 1, 1, 1)),
    }[kind]
    X = np.clip(X + 3 * rng.standard_normal(X.shape), 0, 255).astype(np.uint8)
    return X[:600], y[:600], X[600:], y[600:]


KINDS = ("background", "contrast", "brightness")
DATA = (*KINDS, "digits", "pets", "tiny20", "gtsrb", "cifar10-4k")


def scores(Z, y, Z_test, y_test, seed):
    few = {
        f"few_{n}": np.mean([probe(Z[r], y[r], Z_test, y_test) for r in draws(y, n, seed)])
        for n in N_LABELS
    }
    scale = StandardScaler().fit(Z)
    knn = KNeighborsClassifier(20, metric="cosine").fit(scale.transform(Z), y)
    found = {
        **few,
        "ridge": ridge(Z, y, Z_test, y_test),
        "knn": knn.score(scale.transform(Z_test), y_test),
    }
    return {name: round(100 * float(score), 2) for name, score in found.items()}


if __name__ == "__main__":
    for seed, name in asked_runs(DATA):
        X, y, X_test, y_test = simulated(name, seed) if name in KINDS else SETS[name](seed)
        embedder = PatchDictionaryEmbedder(random_state=seed).fit(X)
        Z, Z_test = embedder.transform(X), embedder.transform(X_test)
        n_cells = embedder.pool_size**2
        levels = np.arange(2 * 128 * n_cells, (2 * 128 + 32) * n_cells)
        parts = {
            "with": (Z, Z_test),
            "without": (np.delete(Z, levels, axis=1), np.delete(Z_test, levels, axis=1)),
            "raw pixels": (rows(X), rows(X_test)),
        }
        for features, (A, B) in parts.items():
            found = scores(A, y, B, y_test, seed)
            write_line(__file__, data=name, features=features, seed=seed, **found)
