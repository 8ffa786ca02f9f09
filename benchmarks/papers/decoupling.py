"""Improving Self-Supervised Representation Learning by Rotation Feature Decoupling & NT-Xent Loss.

Table 1 (linear and non-linear classifiers on AlexNet's last convolution, before and after tuning on
20 % of the labels) and table 2 (transfer to other images). Mini Places is not here: traffic signs
take its place. The paper's failed SimCLR is a row, too.
"""

from dataclasses import dataclass

import numpy as np

from benchmarks.accuracy.image_sets import probe, signs
from benchmarks.papers._images import cifar10, first, resized, tiny_imagenet
from benchmarks.papers._work import tuned
from sklssl import RotationDecouplingEmbedder, RotNetEmbedder, SimCLREmbedder
from sklssl.finetuning import FineTuneClassifier


@dataclass(frozen=True)
class Size:
    classes: int  # of Tiny-ImageNet
    n_images: int  # of a class
    n_transfer: int
    epochs: int
    tune_epochs: int


SIZES = {
    "smoke": Size(classes=3, n_images=10, n_transfer=40, epochs=1, tune_epochs=1),
    "cpu": Size(classes=40, n_images=70, n_transfer=2000, epochs=12, tune_epochs=20),
    "full": Size(classes=200, n_images=80, n_transfer=50_000, epochs=200, tune_epochs=65),
}
LAYER = {"layer": "conv5", "pool_size": 3}


def jobs(size):
    """Return the function of each row."""
    common = {"backbone": "alexnet", **LAYER}
    # With the default rate, of 0.001, the features of AlexNet vary along two directions only.
    slow = {"learning_rate": 3e-4, **common}
    rows = {
        "base": RotationDecouplingEmbedder(instance_task="nce", **slow),
        "contrastive": RotationDecouplingEmbedder(instance_task="nt_xent", **slow),
        "SimCLR": SimCLREmbedder(**common),
        "RotNet": RotNetEmbedder(learning_rate=0.01, **common),
    }
    found = {name: _pretrained(size, embedder) for name, embedder in rows.items()}
    untrained = RotNetEmbedder(max_epochs=0, **common)
    return found | {"untrained": _pretrained(size, untrained), "supervised": _supervised(size)}


def _pretrained(size, embedder):
    def job(seed, fit):
        data = tiny_imagenet(size.classes, size.n_images, seed)
        if embedder.max_epochs:
            embedder.set_params(max_epochs=size.epochs)
        start = fit(embedder, data[0])
        fifth = first(data, len(data[0]) // 5)[:2]
        model = fit(FineTuneClassifier(start, max_epochs=size.tune_epochs, **LAYER), *fifth)
        others = {"cifar10": cifar10(size.n_transfer, 2000, seed), "signs": _signs(seed)}
        others = {
            name: resized(first(other, size.n_transfer), 64) for name, other in others.items()
        }
        found = {}
        for prefix, features in (("", start), ("tuned_", model.to_embedder())):
            found[f"{prefix}linear"] = _probe(features, data)
            found[f"{prefix}nonlinear"] = tuned(
                *(fit, features, data), head="mlp", frozen_until="all", **LAYER
            )
            for name, other in others.items():
                found[prefix + name] = _probe(features, other)
        return found

    return job


def _signs(seed):
    X, y, X_test, y_test = signs(seed)
    order = np.random.default_rng(seed).permutation(len(X))
    return X[order], y[order], X_test, y_test


def _probe(embedder, data):
    X, y, X_test, y_test = data
    return probe(embedder.transform(X), y, embedder.transform(X_test), y_test)


def _supervised(size):
    def job(seed, fit):
        data = tiny_imagenet(size.classes, size.n_images, seed)
        fifth = first(data, len(data[0]) // 5)
        return {"linear": tuned(fit, "alexnet", fifth, max_epochs=size.tune_epochs, **LAYER)}

    return job
