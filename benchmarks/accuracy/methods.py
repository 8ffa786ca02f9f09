"""All methods at equal CPU time, compared with raw pixels and the untrained network.

    python -m benchmarks.accuracy.methods [--seconds 180] [--seeds 0 1 2] [--only NAME ...]
    python -m benchmarks.accuracy.methods --defaults [...]

CIFAR-10: pretext task on 4,000 random images, probes on their labels, 10,000 test images. One epoch
is timed first; then each method is trained for as many epochs as the CPU seconds allow, or for its
default number of epochs with --defaults. Each method runs in a separate process with one thread, to
measure its memory. Probes: logistic regression, and the 20 nearest neighbours with cosine distance,
both on standardised features. Results are written to results/methods.jsonl.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

from sklearn.base import clone
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks._common import Cifar4K, rows, write_line
from sklssl import (
    MultiScaleEmbedder,
    PatchRelEmbedder,
    PatchRotEmbedder,
    RotationDecouplingEmbedder,
    RotNetEmbedder,
    ScaleNetEmbedder,
    SimCLREmbedder,
)

METHODS = {
    "untrained": RotNetEmbedder(max_epochs=0),
    "RotNet": RotNetEmbedder(),
    "ScaleNet": ScaleNetEmbedder(),
    "SimCLR": SimCLREmbedder(),
    "multi-scale SimCLR": MultiScaleEmbedder(SimCLREmbedder()),
    "PatchRot": PatchRotEmbedder(),
    "PatchRel": PatchRelEmbedder(),
    "decoupling, nce": RotationDecouplingEmbedder(instance_task="nce"),
    "decoupling, nt_xent": RotationDecouplingEmbedder(instance_task="nt_xent"),
}


def fit(embedder, X, seconds):
    """Fit for about `seconds` of CPU time (None: for the default epochs); return the time used."""
    if seconds is not None:
        start = time.process_time()
        clone(embedder).set_params(max_epochs=1).fit(X)
        epoch = time.process_time() - start
        embedder.set_params(max_epochs=max(1, round(seconds / epoch)))
    start = time.process_time()
    embedder.fit(X)
    return time.process_time() - start


def knn(data, Z, Z_test):
    probe = make_pipeline(StandardScaler(), KNeighborsClassifier(20, metric="cosine"))
    return float(probe.fit(Z, data.y).score(Z_test, data.y_test))


def run(name, seed, seconds):
    """Fit one method and write its result, or one per layer for the untrained network."""
    data = Cifar4K(seed)
    embedder = clone(METHODS[name])
    key = next(key for key in embedder.get_params() if key.split("__")[-1] == "random_state")
    embedder.set_params(**{key: seed})
    spent = fit(embedder, data.X, None if name == "untrained" else seconds)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # before the probes
    for layer in embedder.layer_names_ if name == "untrained" else [None]:
        if layer:
            embedder.set_params(layer=layer)
        Z, Z_test = embedder.transform(data.X), embedder.transform(data.X_test)
        write_line(
            __file__,
            data=data.name,
            method=name,
            seed=seed,
            budget="defaults" if seconds is None else seconds,
            layer=layer or "auto",
            epochs=embedder.n_epochs_,
            linear=round(data.probe(Z, Z_test), 4),
            knn=round(knn(data, Z, Z_test), 4),
            pretext_accuracy=round(embedder.score(data.X_test[:2000]), 4),
            fit_cpu_seconds=round(spent, 1),
            peak_mb=round(memory),
        )


def run_raw(seed, seconds):
    data = Cifar4K(seed)
    Z, Z_test = rows(data.X), rows(data.X_test)
    accuracies = {"linear": round(data.probe(Z, Z_test), 4), "knn": round(knn(data, Z, Z_test), 4)}
    write_line(__file__, data=data.name, method="raw", seed=seed, budget=seconds, **accuracies)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=180, help="CPU seconds per method")
    parser.add_argument("--defaults", action="store_true", help="train for the default epochs")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--only", nargs="*", default=["raw", *METHODS])
    parser.add_argument("--one", help=argparse.SUPPRESS)  # what a child process does
    args = parser.parse_args()
    seconds = None if args.defaults else args.seconds
    if args.one:
        name, seed = json.loads(args.one)
        run_raw(seed, seconds) if name == "raw" else run(name, seed, seconds)
    else:
        for seed in args.seeds:
            for name in args.only:
                one = ["--one", json.dumps([name, seed])]
                child = [sys.executable, "-m", __spec__.name, *sys.argv[1:], *one]
                subprocess.run(child, check=True)
