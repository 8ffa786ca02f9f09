"""Two patch dictionaries side by side, of patches of 4 and of 8 pixels, and a ridge classifier.

    python -m benchmarks.studies.two_sizes [--seeds 0 1 2]

Accuracy on all test images with all labels, with both and with each dictionary alone; the sets
and the probe are those of image_sets.py. The sizes were chosen on no set: a smaller and a larger
one than the default of 6.
"""

import time

import numpy as np

from benchmarks._common import asked_runs, write_line
from benchmarks.accuracy.image_sets import SETS, ridge
from sklssl import PatchDictionaryEmbedder

SIDES, N_ATOMS = (4, 8), (300, 1600)


def run(name, seed):
    X, y, X_test, y_test = SETS[name](seed)
    embedders = [PatchDictionaryEmbedder(N_ATOMS, patch_size=s, random_state=seed) for s in SIDES]
    start = time.perf_counter()
    for embedder in embedders:
        embedder.fit(X)
    seconds = round(time.perf_counter() - start, 1)
    Z, Z_test = ([e.transform(images) for e in embedders] for images in (X, X_test))
    scores = {"ridge_all": ridge(np.hstack(Z), y, np.hstack(Z_test), y_test)}
    for side, A, B in zip(SIDES, Z, Z_test, strict=True):
        scores[f"ridge_{side}"] = ridge(A, y, B, y_test)
    line = {key: round(float(score), 4) for key, score in scores.items()}
    total = round(time.perf_counter() - start)
    write_line(__file__, data=name, seed=seed, fit_seconds=seconds, seconds=total, **line)


if __name__ == "__main__":
    for seed, name in asked_runs(["cifar10-4k"]):
        run(name, seed)
