"""Whether bfloat16 costs accuracy: the same trainings in bfloat16 and in float32.

    python -m benchmarks.studies.precision

Digits with 50 labels and, where SKLSSL_DATA is set, 4,000 images of CIFAR-10; a probe on the
features of `transform`, beside raw pixels and the untrained network. Each network gives its
features in either precision, which is read at `transform`.
"""

import argparse
import time

from sklearn.base import clone

from benchmarks._common import data_sets, rows, write_line
from sklssl import RotNetEmbedder, SimCLREmbedder

PRECISIONS = ("float32", "bfloat16")
# Half of SimCLR's default epochs: the question is the difference, not the best accuracy.
METHODS = {"RotNet": RotNetEmbedder(), "SimCLR": SimCLREmbedder(max_epochs=30)}


def probe(data, embed):
    return round(data.probe(embed(data.X), embed(data.X_test)), 4)


def run(data, seed, method):
    raw = probe(data, rows)
    for epochs in (0, METHODS[method].max_epochs):
        for trained in PRECISIONS:
            embedder = clone(METHODS[method])
            embedder.set_params(max_epochs=epochs, precision=trained, random_state=seed)
            start = time.process_time()
            embedder.fit(data.X)
            seconds = round(time.process_time() - start, 1)
            accuracy = {
                used: probe(data, embedder.set_params(precision=used).transform)
                for used in PRECISIONS
            }
            write_line(
                __file__,
                data=data.name,
                seed=seed,
                method=method,
                epochs=epochs,
                trained_in=trained,
                embedded_in=accuracy,
                raw=raw,
                cpu_seconds=seconds,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    args = parser.parse_args()
    for method in args.methods:
        for seed in args.seeds:
            for data in data_sets(seed):
                run(data, seed, method)
