"""Do features learned without labels say where a traffic sign is?

    SKLSSL_DATA=... python benchmarks/boxes.py [--seeds 0 1 2] [--n-boxes N] [--cifar10 FILE ...]

The images and learners are those of examples/traffic_sign_boxes.py: signs of GTSRB as they are
(seed 0 alone, since the mean box is nearly right there), and shrunk and moved. RotNet with the
default network sees 3,440 images without labels for 6 epochs; 500 of them have a box, learned in
10 epochs; 1,071 test images. With --cifar10, files of joblib with an embedder for each seed (load no
file that is not your own), the frozen features learned on CIFAR-10 are measured too.
"""

import argparse
import sys
import time
from pathlib import Path

import joblib
import numpy as np
from _common import write_line

from sklssl import RotNetEmbedder

sys.path.append(str(Path(__file__).parents[1] / "examples"))
from traffic_sign_boxes import compare, iou, learners, tasks

PRETRAIN_EPOCHS, EPOCHS = 6, 10


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


def models_for(X, seed, file):
    """Name the learners, with RotNet trained on X."""
    start = time.perf_counter()
    pretrained = RotNetEmbedder(max_epochs=PRETRAIN_EPOCHS, random_state=seed).fit(X)
    print(f"pretrained in {time.perf_counter() - start:.0f} s", flush=True)
    models = learners(pretrained, "convnet", EPOCHS, seed=seed)
    del models["RotNet, trained on"]  # it costs as much as the others, and is not in question
    if file is not None:
        # It was trained on images of another size: its weights are carried over, and kept.
        other = RotNetEmbedder(max_epochs=0, init_weights=joblib.load(file)).fit(X)
        others = learners(other, "convnet", EPOCHS, seed=seed)
        models["RotNet on CIFAR-10, frozen"] = others["RotNet, frozen"]
    return models


def run(seed, n_boxes, file):
    for task, X, boxes, X_test, boxes_test in tasks():
        if seed > 0 and task == "signs as they are":
            continue
        models = models_for(X, seed, file)
        some = np.random.default_rng(seed).permutation(len(X))[:n_boxes]
        for name, found, seconds in compare(X[some], boxes[some], X_test, boxes_test, models):
            report(task, name, seed, found, boxes_test, seconds, len(some))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--n-boxes", type=int, default=500)
    parser.add_argument("--cifar10", nargs="*", help="a file for each seed")
    args = parser.parse_args()
    for seed, file in zip(args.seeds, args.cifar10 or [None] * len(args.seeds), strict=True):
        run(seed, args.n_boxes, file)
