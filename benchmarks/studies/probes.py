# As it ran at commit f4537c5, for the record; it does not run today.
"""Which classifier of scikit-learn on many features: seconds, memory and accuracy.

    SKLSSL_DATA=... python benchmarks/probes.py [--rows 1000 10000 50000] [--only NAME ...]
        [--features FOLDER] [--limit 180]

CIFAR-10, 10,000 test images, 2,048 features: RotNet with a convnet of 64 channels, 1 epoch on
10,000 of the images, its block2 averaged to 4x4 cells. They are computed once and kept in the
folder as train.npy and test.npy, if it is given. Each fit runs in a process of its own, which
gives its memory and is ended after `limit` seconds. Lines go to results/probes.jsonl. "load" is
the number of cores that other work kept busy meanwhile: where it is not near 0, threads wait for
each other and the seconds are no measure.
"""

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

Logistic = partial(LogisticRegression, max_iter=1000)


def scaled(model):
    return make_pipeline(StandardScaler(), model)


def reduced(model):
    pca = PCA(256, svd_solver="covariance_eigh")
    return make_pipeline(StandardScaler(), pca, StandardScaler(), model)


def sgd(n, C):
    return SGDClassifier(loss="log_loss", alpha=1 / (C * n), average=True, random_state=0)


# Name -> the type of the features, and what makes the classifier for so many rows.
RUNS = {
    "lbfgs, as they are": ("float32", lambda n: Logistic()),
    "lbfgs, as they are, C=100": ("float32", lambda n: Logistic(C=100)),
    "lbfgs, scaled": ("float32", lambda n: scaled(Logistic())),
    "lbfgs, scaled, C=0.1": ("float32", lambda n: scaled(Logistic(C=0.1))),
    "lbfgs, scaled, C=0.01": ("float32", lambda n: scaled(Logistic(C=0.01))),
    "lbfgs, scaled, C=0.001": ("float32", lambda n: scaled(Logistic(C=0.001))),
    "lbfgs, scaled, C=0.0001": ("float32", lambda n: scaled(Logistic(C=0.0001))),
    "lbfgs, scaled, C=0.01, float64": ("float64", lambda n: scaled(Logistic(C=0.01))),
    "lbfgs, scaled, C=0.01, tol=0.01": ("float32", lambda n: scaled(Logistic(C=0.01, tol=0.01))),
    "lbfgs, scaled, C=0.01, 30 steps": (
        "float32",
        lambda n: scaled(Logistic(C=0.01, max_iter=30)),
    ),
    "lbfgs, 256 components, C=0.01": ("float32", lambda n: reduced(Logistic(C=0.01))),
    "newton-cg, scaled, C=0.01": (
        "float32",
        lambda n: scaled(Logistic(C=0.01, solver="newton-cg")),
    ),
    "newton-cholesky, scaled, C=0.01": (
        "float32",
        lambda n: scaled(Logistic(C=0.01, solver="newton-cholesky")),
    ),
    "saga, scaled, C=0.01": (
        "float32",
        lambda n: scaled(Logistic(C=0.01, solver="saga", random_state=0)),
    ),
    "saga, scaled, C=0.01, tol=0.01": (
        "float32",
        lambda n: scaled(Logistic(C=0.01, solver="saga", tol=0.01, random_state=0)),
    ),
    "SGDClassifier, scaled, C=0.01": ("float32", lambda n: scaled(sgd(n, 0.01))),
    "SGDClassifier, scaled, C=0.001": ("float32", lambda n: scaled(sgd(n, 0.001))),
    "RidgeClassifier, scaled, alpha=1000": (
        "float32",
        lambda n: scaled(RidgeClassifier(alpha=1000)),
    ),
    "LinearSVC, scaled, C=0.0001": (
        "float32",
        lambda n: scaled(LinearSVC(C=0.0001, dual=False)),
    ),
}


def make_features(folder):
    from sklssl import RotNetEmbedder
    from sklssl.backbones._convnet import convnet
    from sklssl.datasets import load_cifar10

    X, y = load_cifar10(return_X_y=True)
    X_test, y_test = load_cifar10(subset="test", return_X_y=True)
    embedder = RotNetEmbedder(
        partial(convnet, width=64), layer="block2", pool_size=4, max_epochs=1, random_state=0
    ).fit(X[:10_000])
    for name, images, labels in (("train", X, y), ("test", X_test, y_test)):
        np.save(folder / f"{name}.npy", embedder.transform(images))
        np.save(folder / f"{name}_labels.npy", labels)


def fit_one(folder, name, n_rows, limit):
    """Fit and print a line; the process is killed by an alarm after `limit` seconds."""
    dtype, make = RUNS[name]
    Z = np.load(folder / "train.npy")[:n_rows].astype(dtype)
    y = np.load(folder / "train_labels.npy")[:n_rows]
    model = make(n_rows)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        signal.alarm(limit)
        start, cpu = time.perf_counter(), time.process_time()
        model.fit(Z, y)
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
        signal.alarm(0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    last = model[-1] if hasattr(model, "steps") else model
    n_steps = getattr(last, "n_iter_", None)
    Z_test = np.load(folder / "test.npy").astype(dtype)
    row = {
        "fit_seconds": round(seconds, 1),
        "fit_cpu_seconds": round(cpu_seconds, 1),
        "peak_mb": peak,
        "accuracy": round(float(model.score(Z_test, np.load(folder / "test_labels.npy"))), 4),
        "accuracy_train": round(float(model.score(Z[:5000], y[:5000])), 4),
        "steps": None if n_steps is None else int(np.max(n_steps)),
        "converged": not any(issubclass(w.category, ConvergenceWarning) for w in caught),
    }
    print(json.dumps(row))


def _busy_seconds():
    """Count the seconds that all cores together have worked, from /proc/stat."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def _own_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(folder, name, n_rows, limit):
    from _common import write_line

    command = [sys.executable, __file__, "--features", str(folder), "--limit", str(limit)]
    command += ["--one", name, "--rows", str(n_rows)]
    start, before = time.perf_counter(), _busy_seconds() - _own_seconds()
    found = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    load = (_busy_seconds() - _own_seconds() - before) / (time.perf_counter() - start)
    if found.returncode == -signal.SIGALRM:
        row = {"over_seconds": limit}
    elif found.returncode:
        row = {"failed": found.returncode}
    else:
        row = json.loads(found.stdout)
    write_line("probes", classifier=name, rows=n_rows, features=2048, load=round(load, 2), **row)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, nargs="*", default=[1000, 10_000, 50_000])
    parser.add_argument("--only", nargs="*", default=list(RUNS), help="names; all by default")
    parser.add_argument("--features", type=Path, default=Path(tempfile.gettempdir()) / "probes")
    parser.add_argument("--limit", type=int, default=180, help="seconds for each fit")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        fit_one(args.features, args.one, args.rows[0], args.limit)
    else:
        args.features.mkdir(exist_ok=True)
        if not (args.features / "test_labels.npy").exists():
            make_features(args.features)
        for n_rows in args.rows:
            for name in args.only:
                run(args.features, name, n_rows, args.limit)
