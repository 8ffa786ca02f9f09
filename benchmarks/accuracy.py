"""What the default parameters give, beside raw pixels and the untrained network.

    SKLSSL_DATA=... python benchmarks/accuracy.py [--seeds 0 1 2] [--data digits|cifar10-4k]

Digits: 50 labels, ten draws. CIFAR-10: pretext on 4,000 random images, probe on their labels,
10,000 test images. The epochs of ScaleNet are chosen so that both see as many pixels, which is
about equal time; the seconds are in the lines.
"""

import argparse
import time

from _common import data_sets, rows, write_line

from sklssl import RotNetEmbedder, ScaleNetEmbedder

EMBEDDERS = {
    "untrained": (RotNetEmbedder, {"max_epochs": 0}),
    "RotNet": (RotNetEmbedder, {}),
    "ScaleNet": (ScaleNetEmbedder, {}),
}


def run(data, seed, pool_sizes):
    accuracy = round(data.probe(rows(data.X), rows(data.X_test)), 4)
    write_line("accuracy", data=data.name, embedder="raw", seed=seed, accuracy=accuracy)
    for name, (cls, params) in EMBEDDERS.items():
        start = time.perf_counter()
        embedder = cls(random_state=seed, **params).fit(data.X)
        fit_seconds = time.perf_counter() - start
        for pool_size in pool_sizes or [embedder.pool_size]:
            embedder.set_params(pool_size=pool_size)
            Z, Z_test = embedder.transform(data.X), embedder.transform(data.X_test)
            write_line(
                "accuracy",
                data=data.name,
                embedder=name,
                seed=seed,
                epochs=embedder.n_epochs_,
                pool_size=pool_size,
                accuracy=round(data.probe(Z, Z_test), 4),
                pretext_accuracy=round(embedder.score(data.X_test), 4),
                n_features=Z.shape[1],
                fit_seconds=round(fit_seconds, 1),
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--data", help="one data set; both by default")
    parser.add_argument("--pool-sizes", type=int, nargs="*", help="the default one if not given")
    args = parser.parse_args()
    for seed in args.seeds:
        for data in data_sets(seed):
            if args.data in (None, data.name):
                run(data, seed, args.pool_sizes)
