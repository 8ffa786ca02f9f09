"""The cost of reliability: time of a checkpoint compared with an epoch, and file sizes.

    python -m benchmarks.robustness.checkpoints

Epochs of RotNet on 4,000 images of CIFAR-10 (requires SKLSSL_DATA); the time spent on checkpoints,
guards and the fingerprint of the images is measured in the same training run. Sizes are those of
saved embedders, compared with their weights.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

import sklssl
from benchmarks._common import Cifar4K, write_line
from sklssl import RotNetEmbedder
from sklssl._training import fingerprint, guards, loop, run  # to time their functions


class Clock:
    """Replace a function, and add up the time spent in it."""

    def __init__(self, owner, name):
        self.seconds, self.calls = 0.0, 0
        inner = getattr(owner, name)

        def timed(*args, **kwargs):
            start = time.perf_counter()
            try:
                return inner(*args, **kwargs)
            finally:
                self.seconds += time.perf_counter() - start
                self.calls += 1

        setattr(owner, name, timed)


def cost(backbone, n_epochs):
    X = Cifar4K(0).X
    clocks = {
        "checkpoint_s": Clock(loop._Bookkeeping, "_state"),
        "guard_s": Clock(guards.CollapseGuard, "look"),
        "snapshot_s": Clock(run.copy, "deepcopy"),
        "fingerprint_s": Clock(fingerprint, "fingerprint"),
    }
    with tempfile.TemporaryDirectory(dir=".") as folder:
        embedder = RotNetEmbedder(
            backbone, max_epochs=n_epochs, random_state=0, checkpoint_dir=folder
        )
        start = time.perf_counter()
        embedder.fit(X)
        whole = time.perf_counter() - start
        size = max(path.stat().st_size for path in Path(folder).rglob("*.safetensors"))
    epoch = float(np.median([row["duration"] for row in embedder.history_]))
    per_epoch = {name: round(clock.seconds / n_epochs, 4) for name, clock in clocks.items()}
    percent = 100 * clocks["checkpoint_s"].seconds / n_epochs / epoch
    write_line(
        __file__,
        what="cost",
        backbone=backbone,
        n_images=len(X),
        epochs=n_epochs,
        fit_s=round(whole, 2),
        epoch_s=round(epoch, 3),
        **per_epoch,
        percent=round(percent, 2),
        checkpoint_bytes=size,
    )


def size(backbone):
    X = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
    embedder = RotNetEmbedder(backbone, max_epochs=0, random_state=0).fit(X)
    state = embedder.pretext_.state_dict().values()
    weights = sum(tensor.numel() * tensor.element_size() for tensor in state)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.safetensors")
        sklssl.save(embedder, path)
        n_bytes = path.stat().st_size
    write_line(
        __file__,
        what="size",
        backbone=backbone,
        tensors=len(state),
        weights_bytes=weights,
        file_bytes=n_bytes,
        beyond_bytes=n_bytes - weights,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--backbones", nargs="+", default=["convnet", "resnet18"])
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--what", nargs="+", choices=["cost", "size"], default=["cost", "size"])
    args = parser.parse_args()
    if "size" in args.what:
        for backbone in ("convnet", "nin", "resnet18", "resnet50", "mobilenet_v3_large"):
            size(backbone)
    if "cost" in args.what:
        for backbone in args.backbones:
            cost(backbone, args.epochs)
