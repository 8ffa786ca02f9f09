"""Data, probes and result files shared by the benchmarks."""

import argparse
import itertools
import json
import os
import platform
import subprocess
import time
from pathlib import Path

import numpy as np
import sklearn
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklssl
from sklssl.datasets import load_cifar10, load_digit_images


def results_of(script):
    """Return the path of the results file of `script`."""
    return Path(script).parent / "results" / f"{Path(script).stem}.jsonl"


def write_line(script, **row):
    """Print a result, and append it to the results of `script` with its provenance."""
    print(json.dumps(row), flush=True)
    path = results_of(script)
    path.parent.mkdir(exist_ok=True)
    with open(path, "a") as file:
        file.write(json.dumps({**row, **provenance()}) + "\n")


def asked_runs(names, seeds=(0, 1, 2)):
    """Iterate over (seed, data set) as asked for by --seeds and --data; the defaults are given."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="*", default=seeds)
    parser.add_argument("--data", nargs="*", default=list(names), choices=list(names))
    args = parser.parse_args()
    return itertools.product(args.seeds, args.data)


def provenance():
    """Return the machine, versions, commit and date of a result."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else _cpu_name()
    return {
        "device": f"{device}, {torch.get_num_threads()} threads",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "sklearn": sklearn.__version__,
        "sklssl": sklssl.__version__,
        "commit": commit,
        "date": time.strftime("%Y-%m-%d"),
    }


def _cpu_name():
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    return platform.processor()


class Digits:
    """50 labels of 1,300 digits, ten draws, 497 test images; the split depends on the seed."""

    name = "digits"

    def __init__(self, seed):
        X, y = load_digit_images(return_X_y=True)
        order = np.random.default_rng(seed).permutation(len(X))
        X, y = X[order], y[order]
        self.X, self.X_test, self.y, self.y_test = X[:1300], X[1300:], y[:1300], y[1300:]

    def probe(self, Z, Z_test):
        """Return the mean accuracy over the draws."""
        scores = []
        for draw in range(10):
            rng = np.random.default_rng(draw)
            few = np.concatenate(
                [rng.permutation(np.flatnonzero(self.y == c))[:5] for c in range(10)]
            )
            probe = LogisticRegression(max_iter=2000).fit(Z[few], self.y[few])
            scores.append(probe.score(Z_test, self.y_test))
        return float(np.mean(scores))


class Cifar4K:
    """4,000 random labelled training images of CIFAR-10, all 10,000 test images."""

    name = "cifar10-4k"

    def __init__(self, seed):
        X, y = load_cifar10(return_X_y=True)
        some = np.random.default_rng(seed).permutation(len(X))[:4000]
        self.X, self.y = X[some], y[some]
        self.X_test, self.y_test = load_cifar10(subset="test", return_X_y=True)

    def probe(self, Z, Z_test):
        """Return the accuracy of a logistic regression on standardised features."""
        probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=300))
        return float(probe.fit(Z, self.y).score(Z_test, self.y_test))


def data_sets(seed):
    """Iterate over the available data sets; CIFAR-10 requires SKLSSL_DATA."""
    yield Digits(seed)
    if os.environ.get("SKLSSL_DATA"):
        yield Cifar4K(seed)


def cpu_seconds(work):
    """Return the CPU seconds of a call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def rows(X):
    """Return the raw pixels of uint8 images as rows in [0, 1]."""
    return X.reshape(len(X), -1) / 255
