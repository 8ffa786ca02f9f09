"""What `fit` and `transform` cost beyond a bare torch loop: same network, batch and precision.

    python benchmarks/overhead.py

The two take turns on one machine; the line has the median of the ratios of neighbours.
"""

import argparse
import time

import numpy as np
import torch
import torch.nn.functional as F
from _common import write_line
from torch import nn

from sklssl import RotNetEmbedder
from sklssl.backbones import make_backbone

SIDE, CHANNELS = 32, 3


def bare_fit(X, backbone, batch_size, epochs):
    """Train RotNet as one would by hand: float32, channels last, SGD; no bookkeeping at all."""
    torch.manual_seed(0)
    net = nn.Sequential(make_backbone(backbone), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    head = nn.Linear(net[0].n_features, 4)
    model = nn.Sequential(net, head).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(
        model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    targets = torch.arange(4).repeat_interleave(batch_size)
    for _ in range(epochs):
        order = torch.randperm(len(X)).numpy()
        for start in range(0, len(X), batch_size):
            batch = torch.from_numpy(X[order[start : start + batch_size]])
            images = batch.permute(0, 3, 1, 2).float().div_(255)
            views = torch.cat([torch.rot90(images, k, (2, 3)) for k in range(4)])
            views = views.contiguous(memory_format=torch.channels_last)
            optimizer.zero_grad()
            F.cross_entropy(model(views), targets).backward()
            optimizer.step()


def bare_transform(X, backbone, layer, pool_size, batch_size):
    """Run the network up to `layer` and pool, batch by batch, without any check."""
    out = []
    with torch.inference_mode():
        for start in range(0, len(X), batch_size):
            batch = torch.from_numpy(X[start : start + batch_size])
            maps = backbone(batch.permute(0, 3, 1, 2).float().div_(255), layer)
            out.append(F.adaptive_avg_pool2d(maps, pool_size).flatten(1).numpy())
    return np.concatenate(out)


def seconds(function, *args):
    start = time.perf_counter()
    function(*args)
    return time.perf_counter() - start


def compare(bare, ours, repeats):
    """Give the median ratio ours / bare over `repeats` turns, after one that is not counted."""
    bare(), ours()
    pairs = [(seconds(bare), seconds(ours)) for _ in range(repeats)]
    ratios = [b / a for a, b in pairs]
    return {
        "ratio": round(float(np.median(ratios)), 3),
        "ratio_range": [round(min(ratios), 3), round(max(ratios), 3)],
        "bare_seconds": round(float(np.median([a for a, _ in pairs])), 2),
    }


def run(backbone, n_images, batch_size, repeats, epochs=2):
    X = np.random.default_rng(0).integers(0, 256, (n_images, SIDE, SIDE, CHANNELS), dtype=np.uint8)
    embedder = RotNetEmbedder(
        backbone, batch_size=batch_size, max_epochs=epochs, lr_schedule="constant", random_state=0
    )
    row = compare(
        lambda: bare_fit(X, backbone, batch_size, epochs), lambda: embedder.fit(X), repeats
    )
    write_line("overhead", what="fit", backbone=backbone, batch_size=batch_size, **row)

    encoder, layer = embedder.pretext_.encoder, embedder.layer_names_[1]
    embedder.set_params(layer=layer)
    args = (encoder, layer, embedder.pool_size, 128)
    row = compare(lambda: bare_transform(X, *args), lambda: embedder.transform(X), repeats)
    write_line("overhead", what="transform", backbone=backbone, batch_size=128, **row)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    run("convnet", 2048, 128, args.repeats)
    run("convnet", 2048, 32, args.repeats)
