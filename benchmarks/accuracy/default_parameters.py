"""Accuracy of the default parameters, compared with raw pixels and the untrained network.

    python -m benchmarks.accuracy.default_parameters [--seeds 0 1 2] [--data NAME] [--only NAME ...]

Digits: 50 labels, ten draws. CIFAR-10: pretext task on 4,000 random images, probe on their labels,
10,000 test images. "ScaleNet, equal time" trains 24 epochs per scale, to process as many pixels as
RotNet does in 30 epochs; the results contain the seconds.
"""

import argparse
import time

from benchmarks._common import data_sets, rows, write_line
from sklssl import RotNetEmbedder, ScaleNetEmbedder

EMBEDDERS = {
    "untrained": (RotNetEmbedder, {"max_epochs": 0}),
    "RotNet": (RotNetEmbedder, {}),
    "ScaleNet": (ScaleNetEmbedder, {}),
    "ScaleNet, equal time": (ScaleNetEmbedder, {"max_epochs": 24}),
}


def run(data, seed, names):
    accuracy = round(data.probe(rows(data.X), rows(data.X_test)), 4)
    write_line(__file__, data=data.name, embedder="raw", seed=seed, accuracy=accuracy)
    for name in names:
        cls, params = EMBEDDERS[name]
        start = time.perf_counter()
        embedder = cls(random_state=seed, **params).fit(data.X)
        fit_seconds = time.perf_counter() - start
        Z, Z_test = embedder.transform(data.X), embedder.transform(data.X_test)
        write_line(
            __file__,
            data=data.name,
            embedder=name,
            seed=seed,
            epochs=embedder.n_epochs_,
            pool_size=embedder.pool_size,
            accuracy=round(data.probe(Z, Z_test), 4),
            pretext_accuracy=round(embedder.score(data.X_test), 4),
            n_features=Z.shape[1],
            fit_seconds=round(fit_seconds, 1),
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--data", help="one data set (default: both)")
    parser.add_argument("--only", nargs="*", default=list(EMBEDDERS), help="names (default: all)")
    args = parser.parse_args()
    for seed in args.seeds:
        for data in data_sets(seed):
            if args.data in (None, data.name):
                run(data, seed, args.only)
