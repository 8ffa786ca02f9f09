"""All methods with default parameters at equal CPU time, beside what needs no training.

    python -m benchmarks.accuracy.methods [--minutes 1 8 30] [--seeds 0 1 2] [--data NAME ...]
                                          [--only METHOD ...]

Data sets: CIFAR-10 (4,000 images, 5,000 test images), traffic signs, pets at 64x64 pixels. The time
of an epoch is measured on some of the images; then each method is trained for as many epochs as the
CPU minutes allow, but for at least one. Probes with all labels, on standardised features: a ridge
classifier with alpha = 0.3 * n_features, and the 20 nearest neighbours with cosine distance. Each
row runs in a process of its own with one thread, whose memory is measured before the probes.
Results that exist in results/methods.jsonl are not computed again.
"""

import argparse
import itertools
import json
import resource
import subprocess
import sys

import torch
from sklearn.base import clone

import sklssl
from benchmarks._common import cpu_seconds, results_of, rows, write_line
from benchmarks.accuracy.image_sets import SETS, hog, knn, ridge
from sklssl import (
    MultiScaleEmbedder,
    PatchDictionaryEmbedder,
    RotationDecouplingEmbedder,
    RotNetEmbedder,
    SimCLREmbedder,
    ViewWhiteningEmbedder,
)

UNTRAINED = {
    "raw pixels": None,
    "HOG": None,
    "untrained convnet": RotNetEmbedder("convnet", max_epochs=0),
    "untrained": RotNetEmbedder(max_epochs=0),
    "PatchDictionary": PatchDictionaryEmbedder(),
    "PatchDictionary, whitened": ViewWhiteningEmbedder(PatchDictionaryEmbedder()),
    "PatchDictionary (300, 1200)": PatchDictionaryEmbedder((300, 1200)),
}
_TASKS = ("RotNet", "ScaleNet", "PatchRot", "PatchRel", "DeepInfoMax", "DeepCluster")
_VIEWS = ("SimCLR", "MoCo", "SimSiam", "BYOL", "BarlowTwins", "VICReg")
_MANY_VIEWS = ("SwAV", "DINO", "EMPSSL", "LeJEPA")
TRAINED = {
    name: getattr(sklssl, f"{name}Embedder")() for name in (*_TASKS, *_VIEWS, *_MANY_VIEWS)
} | {
    "decoupling, nce": RotationDecouplingEmbedder(instance_task="nce"),
    "decoupling, nt_xent": RotationDecouplingEmbedder(instance_task="nt_xent"),
    "multi-scale SimCLR": MultiScaleEmbedder(SimCLREmbedder()),
}
DATA = ("cifar10-4k", "gtsrb", "pets")
N_TEST = 5000
N_TIMED = 320  # images, whose epoch is timed


def epochs_for(embedder, X, seconds):
    """Return how many epochs take `seconds`, with what is computed before the first one."""
    few = X[:N_TIMED]
    zero, one, three = (
        cpu_seconds(lambda n=n: clone(embedder).set_params(max_epochs=n).fit(few))
        for n in (0, 1, 3)
    )
    epoch = (three - one) / 2 * len(X) / len(few)
    return max(1, round((seconds - zero) / epoch))


def seeded(embedder, seed):
    keys = [key for key in embedder.get_params() if key.split("__")[-1] == "random_state"]
    return clone(embedder).set_params(**dict.fromkeys(keys, seed))


def features(name, X, X_test, seed, minutes):
    """Return the features of both sets of images, and what the fit needed."""
    if name in ("raw pixels", "HOG"):
        compute = rows if name == "raw pixels" else hog
        return compute(X), compute(X_test), {}
    embedder = seeded((UNTRAINED | TRAINED)[name], seed)
    if name in TRAINED:
        embedder.set_params(max_epochs=epochs_for(embedder, X, 60 * minutes))
    seconds = cpu_seconds(lambda: embedder.fit(X))
    found = {"fit_cpu_seconds": round(seconds, 1)}
    if name in TRAINED:
        history = embedder.history_
        epoch = sum(row["duration"] for row in history) / len(history)
        found |= {"epochs": len(history), "images_per_second": round(len(X) / epoch)}
    found["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return embedder.transform(X), embedder.transform(X_test), found


def run(data, name, seed, minutes):
    X, y, X_test, y_test = SETS[data](seed)
    X_test, y_test = X_test[:N_TEST], y_test[:N_TEST]
    Z, Z_test, found = features(name, X, X_test, seed, minutes)
    write_line(
        __file__,
        **key(data, name, seed, minutes),
        n_features=Z.shape[1],
        linear=round(float(ridge(Z, y, Z_test, y_test)), 4),
        knn=round(float(knn(Z, y, Z_test, y_test)), 4),
        **found,
    )


def key(data, name, seed, minutes):
    return {"data": data, "method": name, "seed": seed, "minutes": minutes}


def todo(args):
    """Iterate over the arguments of the rows without a result; cheap rows first."""
    path = results_of(__file__)
    lines = path.read_text().splitlines() if path.exists() else []
    done = [{k: x[k] for k in key(*"abcd")} for x in map(json.loads, lines)]
    for minutes, seed in itertools.product([0, *args.minutes], args.seeds):
        for data, name in itertools.product(args.data, args.only):
            if (name in TRAINED) == (minutes > 0) and key(data, name, seed, minutes) not in done:
                yield data, name, seed, minutes


if __name__ == "__main__":
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=int, nargs="*", default=[1, 8, 30], help="CPU minutes")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--data", nargs="*", default=DATA, choices=DATA)
    parser.add_argument("--only", nargs="*", default=[*UNTRAINED, *TRAINED])
    parser.add_argument("--one", help=argparse.SUPPRESS)  # what a child process does
    args = parser.parse_args()
    if args.one:
        run(*json.loads(args.one))
    else:
        for row in todo(args):
            child = [sys.executable, "-m", __spec__.name, "--one", json.dumps(row)]
            subprocess.run(child, check=True)
