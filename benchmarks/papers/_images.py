"""The images of the papers, or what is here of them. A seed draws the training images."""

import os
import zipfile
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.accuracy.image_sets import decode
from sklssl.datasets import load_cifar10
from sklssl.preprocessing import ImageResizer


def cifar10(n_images, n_test, seed):
    """Return random training images and labels, and the first test images in random order."""
    (X, y), (X_test, y_test) = _all_of_cifar10()
    some = np.random.default_rng(seed).permutation(len(X))[:n_images]
    few = np.random.default_rng(0).permutation(len(X_test))[:n_test]  # the same for all seeds
    return X[some], y[some], X_test[few], y_test[few]


@cache
def _all_of_cifar10():
    return [load_cifar10(subset=subset, return_X_y=True) for subset in ("train", "test")]


def tiny_imagenet(n_classes, n_images, seed):
    """Return up to `n_images` training images a class, and 30 test images a class.

    The file here has 100 training and 10 validation images a class. The test images are the
    validation images and the last 20 training images.
    """
    with zipfile.ZipFile(Path(os.environ["SKLSSL_DATA"]) / "tiny-imagenet-200-sub.zip") as file:
        names = sorted(name for name in file.namelist() if name.endswith(".JPEG"))
        root = names[0].split("train/")[0].split("val/")[0]
        classes = file.read(f"{root}wnids.txt").decode().split()[:n_classes]
        labels = file.read(f"{root}val/val_annotations.txt").decode().splitlines()
        words = dict(line.split("\t")[:2] for line in labels)
        parts = {"train": [], "test": []}
        for code, word in enumerate(classes):
            mine = [name for name in names if f"train/{word}/" in name]
            held_out = [n for n in names if "/val/" in n and words[n.split("/")[-1]] == word]
            order = np.random.default_rng(seed).permutation(len(mine) - 20)[:n_images]
            parts["train"] += [(mine[row], code) for row in order]
            parts["test"] += [(name, code) for name in [*mine[-20:], *held_out]]
        found = []
        for rows in parts.values():
            found += [np.stack([decode(file.read(n)) for n, _ in rows])]
            found += [np.array([code for _, code in rows])]
    X, y, X_test, y_test = found
    order = np.random.default_rng(seed).permutation(len(X))
    return X[order], y[order], X_test, y_test


def first(data, n_images):
    """Return the data with the first training images only."""
    X, y, X_test, y_test = data
    return X[:n_images], y[:n_images], X_test, y_test


def resized(data, side):
    """Return the data with square images of this side."""
    X, y, X_test, y_test = data
    resize = ImageResizer(side).fit_transform
    return resize(X), y, resize(X_test), y_test
