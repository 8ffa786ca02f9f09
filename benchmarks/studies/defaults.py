# As it ran at commit 3b9fe73, for the record; it does not run today.
"""The sweep behind the default parameters of RotNetEmbedder: one change at a time, two data sets.

    SKLSSL_DATA=... python benchmarks/defaults.py [--only NAME ...] [--data digits|cifar10-4k]

A line for every stage and pool size of every setting, in results/defaults.jsonl.
"""

import argparse
import time
from functools import partial

from _common import data_sets, rows, write_line

from sklssl import RotNetEmbedder
from sklssl.backbones import Backbone
from sklssl.backbones._base import conv_block
from sklssl.embedding import _rotnet


def strided(strides, widths, in_channels=3, image_size=32):
    """Build a network of 3x3 convolutions with these strides and widths."""
    stages, n_in = {}, in_channels
    for i, (stride, width) in enumerate(zip(strides, widths, strict=True)):
        stages[f"block{i + 1}"], n_in = conv_block(n_in, width, stride=stride), width
    return Backbone(stages, in_channels)


SETTINGS = {
    "untrained": {"max_epochs": 0},
    "default": {},
    "batch 128": {"batch_size": 128},
    "rate 0.03": {"learning_rate": 0.03},
    "cosine": {"lr_schedule": "cosine"},
    "10 epochs": {"max_epochs": 10},
    "no shift": {"shift": 0.0},
    "widths 32-64-128-128": {"backbone": partial(strided, (2, 1, 2, 1), (32, 64, 128, 128))},
    "stride 2 in block2": {"backbone": partial(strided, (2, 2, 2, 1), (32, 64, 64, 64))},
}
# On CIFAR-10 an epoch takes 30 times as long as on the digits.
CIFAR_SETTINGS = {"untrained", "default", "batch 128", "no shift", "stride 2 in block2"}
POOL_SIZES = (1, 2, 3, 4)


def run(data, name, seed, max_epochs):
    settings = dict(SETTINGS[name])
    _rotnet._MAX_SHIFT = settings.pop("shift", 0.125)
    if data.name == "digits" and "backbone" in settings:
        strides, widths = settings["backbone"].args
        settings["backbone"] = partial(strided, (1, *strides[1:]), widths)
    if max_epochs is not None and "max_epochs" not in settings:
        settings["max_epochs"] = max_epochs
    start = time.perf_counter()
    embedder = RotNetEmbedder(random_state=seed, **settings).fit(data.X)
    seconds = time.perf_counter() - start
    pretext = embedder.history_[-1]["accuracy"] if embedder.history_ else None
    for layer in embedder.layer_names_:
        for pool_size in POOL_SIZES:
            embedder.set_params(layer=layer, pool_size=pool_size)
            Z, Z_test = embedder.transform(data.X), embedder.transform(data.X_test)
            write_line(
                "defaults",
                data=data.name,
                setting=name,
                seed=seed,
                epochs=embedder.n_epochs_,
                layer=layer,
                pool_size=pool_size,
                n_features=Z.shape[1],
                accuracy=round(data.probe(Z, Z_test), 4),
                pretext_accuracy=pretext and round(pretext, 4),
                fit_seconds=round(seconds, 1),
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="*", help="names of settings; all by default")
    parser.add_argument("--data", help="one data set; both by default")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--max-epochs", type=int, help="for settings that say nothing of it")
    args = parser.parse_args()
    for seed in range(args.seeds):
        for data in data_sets(seed):
            if args.data not in (None, data.name):
                continue
            accuracy = round(data.probe(rows(data.X), rows(data.X_test)), 4)
            write_line("defaults", data=data.name, setting="raw", seed=seed, accuracy=accuracy)
            names = SETTINGS if data.name == "digits" else CIFAR_SETTINGS
            for name in args.only or [n for n in SETTINGS if n in names]:
                run(data, name, seed, args.max_epochs)
