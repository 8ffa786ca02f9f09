"""The part "throughput" of speed.py: images per second of `fit` and `transform`."""

import copy
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from benchmarks.speed import _loops
from benchmarks.speed._loops import Case, Clock, observe
from benchmarks.speed._turns import PEERS, compare, images, in_turns, installed, seconds, type_name

# Fast networks first, so that an interrupted run has most of the results.
NETWORKS = ("convnet", "alexnet", "nin", "resnet18", "resnet50")
PRECISE = ("nin", "resnet18")  # more turns of the hand-written loop and of sklssl


def throughput(run):
    X = images(256 if run.quick else 8192 if run.on_cpu else 25600)[0]
    for network in run.networks:
        for method in ("RotNet", "SimCLR"):
            fit_rates(run, X, network, method)
        if network in ("convnet", *PRECISE):
            transform_rates(run, X, network)


def fit_rates(run, X, network, method):
    # ResNet-50 stores more than 10 GB of feature maps for 512 views of 128 images in float32.
    size = 32 if run.quick or (run.on_cpu and network == "resnet50") else 128
    case = Case(network, method, size, run.device)
    seen = observe(case.embedder(), X[:8])
    case = replace(case, dtype=seen["fit"], optimizer=seen["optimizer"])
    precise = network in PRECISE
    window = 0.2 if run.quick else 4 if precise and run.on_cpu else 2 if run.on_cpu else 1

    def rate(way, window):
        with Clock(window, run.device) as clock:
            way(case, X)
        return clock.steps * size / clock.seconds

    ways = {name: partial(rate, getattr(_loops, name), window) for name in ("bare", "sklssl")}
    peers = [name for name in PEERS if name != "lightly" or method == "SimCLR"]
    for name in filter(installed, peers):
        way = partial(getattr(_loops, name), workers=run.workers)
        ways[name] = partial(rate, way, min(window, 2))
    quick_or_slow = run.quick or network in ("alexnet", "resnet50")
    ours, theirs = (2, 1) if quick_or_slow else (4, 1) if precise else (4, 2)
    turns = {name: theirs if name in PEERS else ours for name in ways}
    run.write(
        "throughput",
        network=network,
        method=method,
        batch_size=size,
        precision=type_name(case.dtype),
        workers=run.workers,
        **compare(in_turns(ways, turns)),
    )


def transform_rates(run, X, network):
    n_images = 256 if run.quick else len(X) if network == "convnet" or not run.on_cpu else 1024
    X = X[:n_images]
    embedder = Case(network, "RotNet", 32, run.device).embedder(symmetry=None)
    seen = observe(embedder, X[:32], X)
    layer = embedder.layer_names_[(len(embedder.layer_names_) - 1) // 2]
    embedder.set_layer(layer)
    encoder = embedder.pretext_.encoder
    plain = copy.deepcopy(encoder).to(memory_format=torch.contiguous_format)
    settings = {"batch_size": seen["transform_batch"], "device": run.device}
    place = layer, embedder.pool_size
    calls = {
        "bare": lambda: _loops.embed_bare(encoder, X, *place, dtype=seen["transform"], **settings),
        "sklssl": lambda: embedder.transform(X),
        "plain": lambda: _loops.embed_plain(plain, X, *place, **settings),
    }
    for name, call in calls.items():  # warm up, and check that all return the same features
        difference = np.abs(call()[:32] - calls["plain"]()[:32]).max() if name != "plain" else 0
        assert difference < 0.1 + 0.1 * (seen["transform"] is not None), (name, difference)
    ways = {name: lambda call=call: len(X) / seconds(call) for name, call in calls.items()}
    turns = {"bare": 5, "sklssl": 5, "plain": 2}
    run.write(
        "transform",
        network=network,
        layer=layer,
        batch_size=seen["transform_batch"],
        precision=type_name(seen["transform"]),
        **compare(in_turns(ways, turns)),
    )
