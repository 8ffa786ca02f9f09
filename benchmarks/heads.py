"""Which head on which frozen stage, beside random frozen weights and training in full?

    SKLSSL_DATA=... python benchmarks/heads.py [--seeds 0 1 2] [--embedder FILE ...] [--only NAME]

CIFAR-10, 4,000 images and their labels, the first 5,000 test images, the default network. The
embedder is RotNet with its defaults on the 4,000 images, fitted here, or read from a file of joblib
for each seed (load no file that is not your own). Training is by Adam with batches of 32: 20 epochs
of "linear" (rate 0.01, as it learns too little in that time at 0.001) and "mlp", 4 of "conv" on
frozen stages, 8 of it with the network in full. The maps of "linear" and "mlp" are averaged to 3x3
cells, in one run of "mlp" to 8x8.
"""

import argparse
import time

import joblib
from _common import Cifar4K, write_line

from sklssl import RotNetEmbedder
from sklssl.finetuning import FineTuneClassifier

N_TEST = 5000
LAYERS = ("block1", "block2", "block3", "block4")
EPOCHS = {"linear": 20, "mlp": 20, "conv": 4}


def measure(data, seed, embedder, weights, head, layer, **params):
    """Write a line for a classifier: its accuracy on the test images, and what it took."""
    rate = 1e-2 if head == "linear" else 1e-3
    params = {"max_epochs": EPOCHS[head], "frozen_until": "all", "learning_rate": rate} | params
    model = FineTuneClassifier(embedder, head=head, layer=layer, random_state=seed, **params)
    start = time.process_time()
    model.fit(data.X, data.y)
    seconds = time.process_time() - start
    write_line(
        "heads",
        data=data.name,
        weights=weights,
        head=head,
        layer=layer,
        pool_size=params.get("pool_size"),
        seed=seed,
        epochs=model.n_epochs_,
        learning_rate=params["learning_rate"],
        accuracy=round(model.score(data.X_test[:N_TEST], data.y_test[:N_TEST]), 4),
        train_accuracy=round(model.history_[-1]["accuracy"], 4),
        fit_cpu_seconds=round(seconds, 1),
    )


def pooled_heads(data, seed, pretrained):
    for layer in LAYERS:
        measure(data, seed, pretrained, "RotNet", "linear", layer)
        measure(data, seed, pretrained, "RotNet", "mlp", layer)
    measure(data, seed, pretrained, "RotNet", "mlp", "block2", pool_size=8)
    measure(data, seed, "convnet", "random", "mlp", "block2")


def conv_heads(data, seed, pretrained):
    for layer in ("block2", "block4"):
        measure(data, seed, pretrained, "RotNet", "conv", layer)
    measure(data, seed, "convnet", "random", "conv", "block2")


def full_trainings(data, seed, pretrained):
    kind = {"frozen_until": None, "max_epochs": 8}
    measure(data, seed, "convnet", "trained in full", "conv", "block2", **kind)


PARTS = {"pooled": pooled_heads, "conv": conv_heads, "full": full_trainings}


def run(seed, file, parts):
    data, pretrained = Cifar4K(seed), None
    if parts != ["full"]:
        pretrained = joblib.load(file) if file else RotNetEmbedder(random_state=seed).fit(data.X)
    for part in parts:
        PARTS[part](data, seed, pretrained)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--embedder", nargs="*", help="a file for each seed; fitted here without")
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS), help="which parts")
    args = parser.parse_args()
    for seed, file in zip(args.seeds, args.embedder or [None] * len(args.seeds), strict=True):
        run(seed, file, args.only)
