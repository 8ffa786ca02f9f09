# As it ran at commit b58d2bb, for the record; it does not run today.
"""Fine-tuning against the same network from scratch, and what computing frozen maps once saves.

    SKLSSL_DATA=... python benchmarks/finetuning.py [--seeds 0 1 2] [--embedders FILE ...]

CIFAR-10: RotNet on 4,000 images without labels, then 400 or 4,000 of their labels; 10,000 test
images. An embedder in a joblib file, one a seed, saves the pretraining.
"""

import argparse
import time

import joblib
import numpy as np
from _common import Cifar4K, rows, write_line
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklssl import FineTuneClassifier, RotNetEmbedder
from sklssl.finetuning import _base

SETTINGS = {
    "from scratch": {},
    "fine-tuned": {},
    "from scratch, last stage": {"layer": "block4"},
    "fine-tuned, last stage": {"layer": "block4"},
    "fine-tuned, a tenth of the rate": {"backbone_learning_rate": 1e-4},
}


def probe(Z, Z_test, data, n_labels):
    """Score a logistic regression on frozen features of the first `n_labels` images."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500))
    return model.fit(Z[:n_labels], data.y[:n_labels]).score(Z_test, data.y_test)


def compare(data, seed, embedder, names):
    untrained = RotNetEmbedder(max_epochs=0, random_state=seed).fit(data.X)
    features = {
        "raw pixels": (rows(data.X), rows(data.X_test)),
        "probe, untrained": (untrained.transform(data.X), untrained.transform(data.X_test)),
        "probe, RotNet": (embedder.transform(data.X), embedder.transform(data.X_test)),
    }
    for n_labels in (400, 4000):
        for name, (Z, Z_test) in features.items():
            accuracy = probe(Z, Z_test, data, n_labels)
            write_line(
                "finetuning", setting=name, labels=n_labels, seed=seed, accuracy=round(accuracy, 4)
            )
        for name in names:
            start = embedder if name.startswith("fine-tuned") else "convnet"
            tuner = FineTuneClassifier(start, random_state=seed, **SETTINGS[name])
            begin = time.process_time()
            tuner.fit(data.X[:n_labels], data.y[:n_labels])
            write_line(
                "finetuning",
                setting=name,
                labels=n_labels,
                seed=seed,
                accuracy=round(tuner.score(data.X_test, data.y_test), 4),
                epochs=tuner.n_epochs_,
                cpu_seconds=round(time.process_time() - begin, 1),
            )


def compare_cache(data, embedder):
    """Give the time of an epoch with the maps computed once, against every time."""
    limit = _base._LARGEST_CACHE
    for head in ("linear", "mlp", "conv"):
        seconds = {limit: [], 0: []}
        for repeat in range(3):
            for bytes_allowed in sorted(seconds, reverse=repeat % 2 == 0):
                _base._LARGEST_CACHE = bytes_allowed
                tuner = FineTuneClassifier(
                    embedder, head=head, frozen_until="all", max_epochs=3, random_state=0
                ).fit(data.X, data.y)
                seconds[bytes_allowed] += [row["duration"] for row in tuner.history_]
        cached, computed = (float(np.median(seconds[b])) for b in (limit, 0))
        write_line(
            "finetuning",
            setting="frozen maps",
            head=head,
            epoch_seconds_cached=round(cached, 3),
            epoch_seconds_computed=round(computed, 3),
            ratio=round(computed / cached, 1),
        )
    _base._LARGEST_CACHE = limit


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--embedders", nargs="*", help="joblib files, one for each seed")
    parser.add_argument("--only", nargs="*", default=list(SETTINGS), help="names; all by default")
    parser.add_argument("--cache-only", action="store_true")
    args = parser.parse_args()
    for i, seed in enumerate(args.seeds):
        data = Cifar4K(seed)
        if args.embedders:
            embedder = joblib.load(args.embedders[i])
        else:
            embedder = RotNetEmbedder(random_state=seed).fit(data.X)
        if args.cache_only:
            compare_cache(data, embedder)
            break
        compare(data, seed, embedder, args.only)
