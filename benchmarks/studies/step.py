"""What a step of training spends its time on, and what arithmetic and memory layout change.

    python -m benchmarks.studies.step

The first lines justify `precision="auto"` and channels_last: images a second of each network in
both precisions and both layouts, in training and in evaluation, the ways taking turns. The others
are a profile of `fit`, which says what there is to gain anywhere else: the share of the time in
the network, in the views, in the loss and its head, in the optimizer and in all the rest, and what
the fused optimizer saves. Run it on a machine that does nothing else.
"""

import argparse
import time

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile, record_function

from benchmarks._common import write_line
from sklssl import RotNetEmbedder, SimCLREmbedder
from sklssl.backbones import Backbone, make_backbone

LAYOUTS = {"nchw": torch.contiguous_format, "channels_last": torch.channels_last}
# Network, side and batch: what a user of the defaults has, and the networks of the papers.
NETWORKS = [
    ("convnet", 16, 32),
    ("convnet", 32, 32),
    ("convnet", 32, 128),
    ("convnet", 64, 64),
    ("nin", 32, 128),
    ("resnet18", 32, 128),
    ("alexnet", 32, 128),
    ("resnet50", 32, 64),
]


def make_step(network, side, batch, precision, layout, training, device):
    net = make_backbone(network, image_size=side).to(device, memory_format=LAYOUTS[layout])
    net.train(training)
    x = torch.rand(batch, 3, side, side, device=device).contiguous(memory_format=LAYOUTS[layout])
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    bfloat16 = precision == "bfloat16"

    def step():
        with torch.set_grad_enabled(training):
            with torch.autocast(device, torch.bfloat16, enabled=bfloat16):
                y = net(x)
            if training:
                y.float().mean().backward()
                optimizer.step()
                optimizer.zero_grad()
        if device == "cuda":
            torch.cuda.synchronize()

    return step


def layouts(network, side, batch, device, turns):
    for training in (True, False):
        steps = {
            f"{precision}, {layout}": make_step(
                network, side, batch, precision, layout, training, device
            )
            for precision in ("float32", "bfloat16")
            for layout in LAYOUTS
        }
        seconds = {name: [] for name in steps}
        for turn in range(turns + 1):  # the first is not counted
            for name, step in steps.items():
                start = time.perf_counter()
                step()
                seconds[name] += [time.perf_counter() - start] if turn else []
        rates = {name: round(batch / float(np.median(s)), 1) for name, s in seconds.items()}
        write_line(
            __file__,
            what="training" if training else "evaluation",
            network=network,
            side=side,
            batch=batch,
            images_per_second=rates,
        )


def named(owner, method, name):
    """Have a method appear under a name of its own in the profile, as far as it trains."""
    original = getattr(owner, method)

    def wrapped(first, *args, **kwargs):
        with record_function(name if getattr(first, "training", True) else "other"):
            return original(first, *args, **kwargs)

    setattr(owner, method, wrapped)
    return lambda: setattr(owner, method, original)


def shares(embedder, X, device):
    """Profile an epoch: shares of the time, by the calls of the step."""
    embedder.fit(X)  # what is done once is done
    pretext = type(embedder.pretext_)
    undo = [
        named(pretext, "views", "sklssl:views"),
        named(pretext, "forward", "sklssl:forward"),
        named(Backbone, "forward", "sklssl:network"),
        named(torch.Tensor, "backward", "sklssl:backward"),
    ]
    kinds = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * (device == "cuda")
    with profile(activities=kinds) as profiled:
        embedder.fit(X)
    for restore in undo:
        restore()
    totals = {event.key: event.cpu_time_total / 1e6 for event in profiled.key_averages()}
    epoch = embedder.history_[0]["duration"]
    step = next(value for key, value in totals.items() if key.startswith("Optimizer.step"))
    parts = {name: totals[f"sklssl:{name}"] for name in ("views", "network", "forward", "backward")}
    inside = parts["views"] + parts["forward"] + parts["backward"]
    found = {
        "views": parts["views"],
        "network, forward": parts["network"],
        "head and loss": parts["forward"] - parts["network"],
        "backward": parts["backward"],
        "optimizer": step - inside,
        "all else": epoch - step,
    }
    operations = sorted(profiled.key_averages(), key=lambda e: -e.self_cpu_time_total)
    total = sum(event.self_cpu_time_total for event in operations)
    return {
        "seconds": round(epoch, 2),
        "shares": {name: round(value / epoch, 3) for name, value in found.items()},
        "operations": {
            event.key: round(event.self_cpu_time_total / total, 3) for event in operations[:8]
        },
    }


def profiles(device, n_images):
    X = np.random.default_rng(0).integers(0, 256, (n_images, 32, 32, 3), dtype=np.uint8)
    for method in (RotNetEmbedder, SimCLREmbedder):
        for batch in (32, 128):
            settings = {"batch_size": batch, "max_epochs": 1, "device": device, "random_state": 0}
            for fused in (True, False):
                embedder = method(**settings, lr_schedule="constant")
                name = embedder.optimizer
                if not fused:
                    plain = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[name]
                    embedder.set_params(optimizer=plain)
                row = shares(embedder, X, device)
                write_line(
                    __file__,
                    what="profile",
                    method=method.__name__,
                    batch=batch,
                    fused=fused,
                    **row,
                )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--images", type=int, default=2048)
    args = parser.parse_args()
    for network, side, batch in NETWORKS:
        layouts(network, side, batch, args.device, args.turns)
    profiles(args.device, args.images)
