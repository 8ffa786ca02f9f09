"""Shared by the parts of speed.py: the run, the images, and timing in turns."""

import functools
import gc
import importlib.util
import statistics
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from benchmarks._common import write_line
from sklssl.datasets import load_cifar10

PEERS = ("skorch", "kornia", "lightly")
SIDE, CHANNELS = 32, 3


@dataclass(frozen=True)
class Run:
    """The settings from the command line."""

    device: torch.device
    quick: bool
    workers: int
    networks: tuple[str, ...]
    script: Path  # to whose results file results are written

    @property
    def on_cpu(self):
        return self.device.type == "cpu"

    def write(self, part, **row):
        found = {name: version(name) for name in ("torchvision", *PEERS) if installed(name)}
        write_line(self.script, part=part, on=self.device.type, **row, peers=found)


def installed(name):
    return importlib.util.find_spec(name) is not None


@functools.cache
def cifar(subset="train"):
    return load_cifar10(subset=subset, return_X_y=True)


def images(n_images):
    """Return the first images of CIFAR-10, or random images of the same size if it is missing."""
    try:
        X, y = cifar()
        return X[:n_images], y[:n_images]
    except FileNotFoundError:
        return random_images(n_images), np.arange(n_images) % 10


def in_turns(ways, turns):
    """Call each way `turns[way]` times, in the order A B C A B C ..., and return all results."""
    found = {name: [] for name in ways}
    for turn in range(max(turns.values())):
        for name, way in ways.items():
            if turn < turns[name]:
                found[name].append(way())
                gc.collect()  # ends the workers of a DataLoader
    return found


def compare(rates, digits=1):
    """Return the median rate of each way, and the ratio of sklssl to it in the same turn."""
    row = {"per_second": {}, "ratio": {}, "ratio_range": {}}
    for name, found in rates.items():
        row["per_second"][name] = round(statistics.median(found), digits)
        if name != "sklssl":
            ratios = [a / b for a, b in zip(rates["sklssl"], found, strict=False)]
            row["ratio"][name] = round(statistics.median(ratios), 3)
            row["ratio_range"][name] = [round(min(ratios), 3), round(max(ratios), 3)]
    return {"turns": {name: len(found) for name, found in rates.items()}, **row}


def seconds(function, *args):
    start = time.perf_counter()
    function(*args)
    return time.perf_counter() - start


def random_images(n_images):
    shape = (n_images, SIDE, SIDE, CHANNELS)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def type_name(dtype):
    return "float32" if dtype is None else str(dtype).removeprefix("torch.")
