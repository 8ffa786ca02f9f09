"""The effect of the number of threads, and of a GPU, on a fit with the same seed.

    python -m benchmarks.robustness.determinism

Two epochs of RotNet on 300 digits, each fit in a separate process. The features of two fits are
compared, the accuracies of a probe on them, and the features of the first fitted network in both
settings. A fit with another seed is included, to put the differences into perspective.
"""

import argparse
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks._common import write_line
from sklssl import RotNetEmbedder
from sklssl.datasets import load_digit_images

NETWORKS = ("convnet", "nin", "resnet18")
N_IMAGES = 300


class Setting(NamedTuple):
    """The device, number of threads and seed of a fit."""

    device: str = "cpu"
    n_threads: int = 1
    seed: int = 0


ONE, TWO, CUDA = Setting(), Setting(n_threads=2), Setting("cuda")
PAIRS = {
    "again": (ONE, ONE),
    "two threads": (ONE, TWO),
    "two threads, again": (TWO, TWO),
    "another seed": (ONE, Setting(seed=1)),
    "cuda": (ONE, CUDA),
    "cuda, again": (CUDA, CUDA),
}


def fit(network, precision, device, seed, path):
    """Fit an embedder, and write it and the features of all digits to `path`."""
    X = load_digit_images().images
    embedder = RotNetEmbedder(
        network, max_epochs=2, precision=precision, device=device, random_state=int(seed)
    ).fit(X[:N_IMAGES])
    Path(path).write_bytes(pickle.dumps({"embedder": embedder, "Z": embedder.transform(X)}))


def transform(device, source, path):
    """Compute features by the embedder in `source`, and write them to `path`."""
    embedder = pickle.loads(Path(source).read_bytes())["embedder"].set_params(device=device)
    Path(path).write_bytes(pickle.dumps({"Z": embedder.transform(load_digit_images().images)}))


def in_own_process(setting, *args):
    """Run a step with the threads of `setting`, and return the features that it wrote."""
    subprocess.run(
        [sys.executable, "-m", __spec__.name, "--step", *map(str, args)],
        env={**os.environ, "OMP_NUM_THREADS": str(setting.n_threads)},
        check=True,
    )
    return pickle.loads(Path(args[-1]).read_bytes())["Z"]


def compare(Z, other):
    """Return how far features differ, relative to their maximum."""
    return {
        "same_bytes": Z.tobytes() == other.tobytes(),
        "max_difference": float(f"{np.abs(Z - other).max() / np.abs(Z).max():.2g}"),
        "correlation": round(float(np.corrcoef(Z.ravel(), other.ravel())[0, 1]), 5),
    }


def accuracy(Z):
    """Return the accuracy of a probe on the digits that were not used for training."""
    y = load_digit_images().target
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    probe.fit(Z[:N_IMAGES], y[:N_IMAGES])
    return round(float(probe.score(Z[N_IMAGES:], y[N_IMAGES:])), 4)


def run(network, precision, folder):
    def fitted(setting, path):
        return in_own_process(
            setting, "fit", network, precision, setting.device, setting.seed, path
        )

    first = {}
    for name, (one, other) in PAIRS.items():
        if "cuda" in (one.device, other.device) and not torch.cuda.is_available():
            continue
        source = f"{folder}/{one.device}{one.n_threads}"
        if one not in first:
            first[one] = fitted(one, source)
        Z = fitted(other, f"{folder}/other")
        there = in_own_process(other, "transform", other.device, source, f"{folder}/there")
        write_line(
            __file__,
            network=network,
            precision=precision,
            pair=name,
            fit=compare(first[one], Z),
            accuracy=[accuracy(first[one]), accuracy(Z)],
            transform=compare(first[one], there),
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--step"]:
        {"fit": fit, "transform": transform}[sys.argv[2]](*sys.argv[3:])
        sys.exit()
    parser = argparse.ArgumentParser()
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for network in args.networks:
            for precision in ("float32", "bfloat16"):
                run(network, precision, folder)
