"""The sweep behind the defaults of the methods after RotNet: one change at a time, two data sets.

    python -m benchmarks.studies.method_defaults [--only TEXT ...] [--data NAME]

A line for every stage of every setting, pooled to 3x3, in results/method_defaults.jsonl. The
trainings are short: on CIFAR-10 a third of the default epochs, on the digits all of them.
"""

import argparse
import time

from benchmarks._common import data_sets, write_line
from sklssl import PatchRelEmbedder, PatchRotEmbedder, RotationDecouplingEmbedder, SimCLREmbedder

B128 = {"batch_size": 128}  # what the other settings of SimCLR were tried with
SETTINGS = {
    "SimCLR": (SimCLREmbedder, B128),
    "SimCLR, rate 3e-3": (SimCLREmbedder, {**B128, "learning_rate": 3e-3}),
    "SimCLR, batch 64": (SimCLREmbedder, {"batch_size": 64}),
    "SimCLR, batch 256": (SimCLREmbedder, {"batch_size": 256}),
    "SimCLR, crops from 0.08": (SimCLREmbedder, {**B128, "crop_scale": (0.08, 1.0)}),
    "SimCLR, crops from 0.5": (SimCLREmbedder, {**B128, "crop_scale": (0.5, 1.0)}),
    "SimCLR, jitter 1": (SimCLREmbedder, {**B128, "jitter_strength": 1.0}),
    "SimCLR, no flip": (SimCLREmbedder, {**B128, "horizontal_flip": False}),
    "SimCLR, temperature 0.2": (SimCLREmbedder, {**B128, "temperature": 0.2}),
    "SimCLR, sgd 0.1": (SimCLREmbedder, {**B128, "optimizer": "sgd", "learning_rate": 0.1}),
    "PatchRot": (PatchRotEmbedder, {}),
    "PatchRot, rate 0.03": (PatchRotEmbedder, {"learning_rate": 0.03}),
    "PatchRot, ratio 0.5": (PatchRotEmbedder, {"patch_ratio": 0.5}),
    "PatchRel": (PatchRelEmbedder, {}),
    "PatchRel, rate 0.03": (PatchRelEmbedder, {"learning_rate": 0.03}),
    "decoupling": (RotationDecouplingEmbedder, {"instance_task": "nt_xent"}),
    "decoupling, sgd 0.03": (
        RotationDecouplingEmbedder,
        {
            "instance_task": "nt_xent",
            "optimizer": "sgd",
            "learning_rate": 0.03,
            "lr_schedule": "step",
        },
    ),
    "decoupling, temperature 0.1": (
        RotationDecouplingEmbedder,
        {"instance_task": "nt_xent", "temperature": 0.1},
    ),
    "decoupling, PU weights": (
        RotationDecouplingEmbedder,
        {"instance_task": "nt_xent", "pu_weighting": True},
    ),
    "decoupling by NCE": (RotationDecouplingEmbedder, {"instance_task": "nce"}),
    "decoupling by NCE, sgd 0.1": (
        RotationDecouplingEmbedder,
        {
            "instance_task": "nce",
            "optimizer": "sgd",
            "learning_rate": 0.1,
            "lr_schedule": "step",
        },
    ),
}


def run(data, name, seed, max_epochs):
    cls, params = SETTINGS[name]
    if data.name == "digits" and cls is SimCLREmbedder:
        params = {"horizontal_flip": False, **params}  # mirrored digits are none
    embedder = cls(random_state=seed, **params)
    if max_epochs or data.name != "digits":
        embedder.set_params(max_epochs=max_epochs or embedder.max_epochs // 3)
    start = time.perf_counter()
    embedder.fit(data.X)
    seconds = time.perf_counter() - start
    for layer in embedder.layer_names_[1:]:
        embedder.set_params(layer=layer)
        Z, Z_test = embedder.transform(data.X), embedder.transform(data.X_test)
        write_line(
            __file__,
            data=data.name,
            setting=name,
            seed=seed,
            epochs=embedder.n_epochs_,
            layer=layer,
            accuracy=round(data.probe(Z, Z_test), 4),
            pretext_accuracy=round(embedder.history_[-1]["accuracy"], 4),
            fit_seconds=round(seconds, 1),
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="*", default=[""], help="settings that start with these")
    parser.add_argument("--data", help="one data set; both by default")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--max-epochs", type=int, help="instead of those above")
    args = parser.parse_args()
    for seed in args.seeds:
        for data in data_sets(seed):
            for name in SETTINGS:
                if args.data in (None, data.name) and name.startswith(tuple(args.only)):
                    run(data, name, seed, args.max_epochs)
