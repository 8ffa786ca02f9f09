"""Self-supervised ConvNet model for learning semantic features.

RotNet with a Network in Network of four blocks on CIFAR-10: tables 3 (a non-linear classifier on
each block), 4 and 5 (a convolutional one, beside random and supervised networks), and 6 (boxes of
traffic signs, on signs that are shrunk and moved: the paper crops them from street scenes; the
accuracy of its boxes is not defined, here it is the share with an overlap, IoU, above a half).
"""

from dataclasses import dataclass

import numpy as np

from benchmarks.papers._boxes import boxes_of_signs, share_found
from benchmarks.papers._images import cifar10
from benchmarks.papers._work import tuned
from sklssl import RotNetEmbedder
from sklssl.finetuning import FineTuneRegressor


@dataclass(frozen=True)
class Size:
    n_images: int
    n_test: int
    epochs: int
    tune_epochs: int
    n_boxes: int
    batch_size: int


SIZES = {
    "smoke": Size(n_images=16, n_test=16, epochs=1, tune_epochs=1, n_boxes=12, batch_size=8),
    "cpu": Size(n_images=1000, n_test=2000, epochs=6, tune_epochs=10, n_boxes=500, batch_size=32),
    "full": Size(
        n_images=50_000, n_test=10_000, epochs=100, tune_epochs=100, n_boxes=3000, batch_size=128
    ),
}
UNPOOLED = 64  # more cells than any feature map has


def jobs(size):
    """Return the function of each row."""
    return {"RotNet": _rotnet(size), "random": _random(size), "supervised": _supervised(size)}


def _settings(size, learning_rate=0.1):
    return {
        "optimizer": "sgd",
        "learning_rate": learning_rate,
        "lr_schedule": "step",
        "max_epochs": size.tune_epochs,
        "batch_size": size.batch_size,
        "pool_size": UNPOOLED,
    }


def _embedder(size, epochs):
    return RotNetEmbedder("nin4", max_epochs=epochs, batch_size=size.batch_size)


def _rotnet(size):
    def job(seed, fit):
        data = cifar10(size.n_images, size.n_test, seed)
        start = fit(_embedder(size, size.epochs), data[0])
        found = {"pretext": start.score(data[2])}
        for layer in start.layer_names_:
            found[layer] = tuned(
                *(fit, start, data), head="mlp", layer=layer, frozen_until=layer, **_settings(size)
            )
        return found | _on_block2(size, fit, start, data)

    return job


def _random(size):
    def job(seed, fit):
        data = cifar10(size.n_images, size.n_test, seed)
        return _on_block2(size, fit, fit(_embedder(size, 0), data[0]), data)

    return job


def _on_block2(size, fit, start, data):
    """Return the results of another block on two frozen ones: classes of CIFAR-10, and boxes."""
    frozen = {"head": "conv", "layer": "block2", "frozen_until": "block2"}
    X, boxes, X_test, boxes_test = boxes_of_signs()
    some = np.random.default_rng(fit.seed).permutation(len(X))[: size.n_boxes]
    # Signs have another size than the images that the network knows: its weights are carried over.
    other = fit(RotNetEmbedder("nin4", max_epochs=0, init_weights=start), X)
    model = fit(FineTuneRegressor(other, **frozen, **_settings(size, 0.05)), X[some], boxes[some])
    return {
        "conv": tuned(fit, start, data, **frozen, **_settings(size)),
        "boxes": share_found(model.predict(X_test), boxes_test),
        "mean_box": share_found(np.tile(boxes[some].mean(axis=0), (len(X_test), 1)), boxes_test),
    }


def _supervised(size):
    def job(seed, fit):
        data = cifar10(size.n_images, size.n_test, seed)
        settings = {"head": "conv", "layer": "block2", **_settings(size)}
        return {"conv": tuned(fit, "nin4", data, **settings)}

    return job
