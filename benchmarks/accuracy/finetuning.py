"""Fine-tuning compared with training the same network from scratch.

    python -m benchmarks.accuracy.finetuning [--seeds 0 1 2] [--embedders FILE ...]

CIFAR-10: RotNet on 4,000 images without labels, then 400 or 4,000 of their labels; 10,000 test
images. Pass joblib files of fitted embedders, one per seed, to skip the pretraining.
"""

import argparse
import time

import joblib
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks._common import Cifar4K, rows, write_line
from sklssl import FineTuneClassifier, RotNetEmbedder

SETTINGS = {
    "from scratch": {},
    "fine-tuned": {},
    "from scratch, last stage": {"layer": "block4"},
    "fine-tuned, last stage": {"layer": "block4"},
    "fine-tuned, a tenth of the rate": {"backbone_learning_rate": 1e-4},
}


def probe(Z, Z_test, data, n_labels):
    """Return the accuracy of a logistic regression on features of the first `n_labels` images."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500))
    return model.fit(Z[:n_labels], data.y[:n_labels]).score(Z_test, data.y_test)


def compare(data, seed, embedder, names):
    untrained = RotNetEmbedder("convnet", max_epochs=0, random_state=seed).fit(data.X)
    features = {
        "raw pixels": (rows(data.X), rows(data.X_test)),
        "probe, untrained": (untrained.transform(data.X), untrained.transform(data.X_test)),
        "probe, RotNet": (embedder.transform(data.X), embedder.transform(data.X_test)),
    }
    for n_labels in (400, 4000):
        for name, (Z, Z_test) in features.items():
            accuracy = probe(Z, Z_test, data, n_labels)
            write_line(
                __file__, setting=name, labels=n_labels, seed=seed, accuracy=round(accuracy, 4)
            )
        for name in names:
            start = embedder if name.startswith("fine-tuned") else "convnet"
            tuner = FineTuneClassifier(start, random_state=seed, **SETTINGS[name])
            begin = time.process_time()
            tuner.fit(data.X[:n_labels], data.y[:n_labels])
            write_line(
                __file__,
                setting=name,
                labels=n_labels,
                seed=seed,
                accuracy=round(tuner.score(data.X_test, data.y_test), 4),
                epochs=tuner.n_epochs_,
                cpu_seconds=round(time.process_time() - begin, 1),
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--embedders", nargs="*", help="joblib files, one per seed")
    parser.add_argument("--only", nargs="*", default=list(SETTINGS), help="names (default: all)")
    args = parser.parse_args()
    for i, seed in enumerate(args.seeds):
        data = Cifar4K(seed)
        if args.embedders:
            embedder = joblib.load(args.embedders[i])
        else:
            embedder = RotNetEmbedder("convnet", random_state=seed).fit(data.X)
        compare(data, seed, embedder, args.only)
