"""Settings of the methods with random views, at equal CPU time on two small data sets.

    python -m benchmarks.studies.view_methods [--seconds 100 30]

Tiny-ImageNet (2,500 images of 20 classes, reduced to 32x32 pixels) and digits (1,300 images), with
the network `convnet`. Accuracy of a ridge classifier on 200 and 497 test images, and of the five
nearest training images (`knn_score`), both on the last feature map, averaged. The number of epochs
is that of the CPU seconds, as estimated from 640 images; the estimate was too high in some rows.
"""

import argparse
import warnings

import cv2
import numpy as np
import torch

import sklssl
from benchmarks._common import cpu_seconds, write_line
from benchmarks.accuracy.image_sets import digits, ridge, tiny
from sklssl.metrics import knn_score

SETTINGS = [
    ("RotNet", {"max_epochs": 0}),
    ("SimCLR", {}),
    ("SwAV", {}),
    ("SwAV", {"n_small_views": 0}),
    ("DINO", {}),
    ("DINO", {"n_small_views": 0}),
    ("DINO", {"momentum": 0.9}),
    ("SimSiam", {}),
    ("BYOL", {}),
    ("BYOL", {"momentum": 0.9}),
    ("MoCo", {}),
    ("MoCo", {"momentum": 0.9}),
    ("BarlowTwins", {}),
    ("VICReg", {}),
    ("EMPSSL", {"n_views": 8}),
    ("EMPSSL", {"n_views": 4}),
    ("LeJEPA", {}),
    ("LeJEPA", {"gaussian_weight": 0.2}),
    ("DeepCluster", {}),
    ("DeepInfoMax", {}),
]


def small_tiny(seed):
    X, y, X_test, y_test = tiny(seed)
    small = [
        np.stack([cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA) for image in images])
        for images in (X[:2500], X_test)
    ]
    return small[0], y[:2500], small[1], y_test


SETS = {"tiny20": small_tiny, "digits": digits}


def run(name, data, method, settings, seconds):
    X, y, X_test, y_test = data
    fixed = {"backbone": "convnet", "symmetry": "mirror", "random_state": 0}
    if method not in ("RotNet", "DeepInfoMax"):
        fixed["horizontal_flip"] = name != "digits"
    embedder = getattr(sklssl, f"{method}Embedder")(**fixed, **settings)
    if "max_epochs" not in settings:
        short = embedder.set_params(max_epochs=2).fit(X[:640])
        epoch = short.history_[-1]["duration"] * len(X) / 640
        embedder.set_params(max_epochs=max(1, round(seconds / epoch)))
    spent = cpu_seconds(lambda: embedder.fit(X))
    embedder.set_params(layer=embedder.layer_names_[-1], pool_size=1)
    Z, Z_test = embedder.transform(X), embedder.transform(X_test)
    write_line(
        __file__,
        data=name,
        method=method,
        settings=settings,
        seed=0,
        epochs=embedder.n_epochs_,
        cpu_seconds=round(spent),
        ridge=round(float(ridge(Z, y, Z_test, y_test)), 3),
        knn=round(knn_score(Z, y), 3),
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, nargs=2, default=[100, 30])
    args = parser.parse_args()
    for (name, load), seconds in zip(SETS.items(), args.seconds, strict=True):
        data = load(0)
        for method, settings in SETTINGS:
            run(name, data, method, settings, seconds)
