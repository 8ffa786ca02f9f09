# As it ran at commit c58f519, for the record; it does not run today.
"""Do features learned without labels say where a traffic sign is?

    SKLSSL_DATA=... python benchmarks/boxes.py [--seeds 0 1 2] [--starts NAME ...]

The images and learners are those of examples/traffic_sign_boxes.py: signs of GTSRB as they are
(seed 0 alone, since the mean box is nearly right there), and shrunk and moved; the default network.
500 of 3,440 images have a box, learned in 10 epochs; 1,071 test images. RotNet sees all 3,440
without labels for 6 epochs ("signs"), or has its defaults on 4,000 images of CIFAR-10, as in the
paper ("cifar10"). With --embedder that one comes from a file of joblib for each seed (load no file
that is not your own).
"""

import argparse
import sys
from pathlib import Path

import joblib
import numpy as np
from _common import Cifar4K, write_line

from sklssl import RotNetEmbedder

sys.path.append(str(Path(__file__).parents[1] / "examples"))
from traffic_sign_boxes import compare, iou, learners, tasks

N_BOXES, PRETRAIN_EPOCHS, EPOCHS = 500, 6, 10


def report(task, name, seed, found, true, seconds, n_boxes):
    overlap = iou(found, true)
    write_line(
        "boxes",
        data=task,
        n_boxes=n_boxes,
        learner=name,
        seed=seed,
        mean_iou=round(float(overlap.mean()), 4),
        share_above_half=round(float(np.mean(overlap > 0.5)), 4),
        share_above_three_quarters=round(float(np.mean(overlap > 0.75)), 4),
        fit_seconds=round(seconds, 1),
    )


def trained_on_signs(X, seed, file):
    return RotNetEmbedder(max_epochs=PRETRAIN_EPOCHS, random_state=seed).fit(X)


def trained_on_cifar10(X, seed, file):
    other = joblib.load(file) if file else RotNetEmbedder(random_state=seed).fit(Cifar4K(seed).X)
    # It knows images of another size: its weights are carried over, and kept.
    return RotNetEmbedder(max_epochs=0, init_weights=other).fit(X)


STARTS = {
    "cifar10": ("RotNet on CIFAR-10, frozen", trained_on_cifar10),
    "random": ("random, frozen", None),
    "scratch": ("trained from scratch", None),
    "signs": ("RotNet, frozen", trained_on_signs),
}


def make_models(X, seed, file, starts):
    models = {}
    for start in starts:
        name, make = STARTS[start]
        embedder = make(X, seed, file) if make else "convnet"
        key = "RotNet, frozen" if make else name
        models[name] = learners(embedder, "convnet", EPOCHS, seed=seed)[key]
    return models


def run(variant, seed, file, starts):
    for task, X, boxes, X_test, boxes_test in tasks():
        if task.split()[-1] != variant:
            continue
        models = make_models(X, seed, file, starts)
        some = np.random.default_rng(seed).permutation(len(X))[:N_BOXES]
        for name, found, seconds in compare(X[some], boxes[some], X_test, boxes_test, models):
            if name != "mean box" or "random" in starts:  # once, in whatever parts it is run
                report(task, name, seed, found, boxes_test, seconds, len(some))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument(
        "--variants", nargs="*", default=["are", "moved"], help="as they are, moved"
    )
    parser.add_argument("--starts", nargs="*", choices=STARTS, default=list(STARTS))
    parser.add_argument("--embedder", nargs="*", help="of CIFAR-10, a file for each seed")
    args = parser.parse_args()
    for seed, file in zip(args.seeds, args.embedder or [None] * len(args.seeds), strict=True):
        for variant in args.variants:
            if seed == 0 or variant == "moved":
                run(variant, seed, file, args.starts)
