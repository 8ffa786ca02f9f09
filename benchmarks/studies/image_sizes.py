"""At which size should photographs be embedded?

    python -m benchmarks.studies.image_sizes [--seeds 0 1 2] [--sides 32 ...]

The default dictionary on pets (400 images, squares of the photographs): accuracies in per cent of a
logistic regression on 10 and 50 labels per class (five draws), and of a ridge classifier on all
labels, on standardised features; CPU seconds to fit and embed 600 images.
"""

import argparse
import time

from benchmarks._common import write_line
from benchmarks.accuracy.image_sets import accuracies, pets
from sklssl import PatchDictionaryEmbedder

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--sides", type=int, nargs="*", default=[32, 48, 64, 96, 128])
    args = parser.parse_args()
    for seed in args.seeds:
        for side in args.sides:
            X, y, X_test, y_test = pets(seed, side)
            start = time.process_time()
            embedder = PatchDictionaryEmbedder(random_state=seed).fit(X)
            Z, Z_test = embedder.transform(X), embedder.transform(X_test)
            seconds = round(time.process_time() - start, 1)
            found = accuracies(Z, y, Z_test, y_test, seed)
            write_line(__file__, side=side, seed=seed, **found, cpu_seconds=seconds)
