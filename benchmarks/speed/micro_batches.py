"""Memory and time of SimCLR with large batches, with and without `micro_batch_size`.

    python -m benchmarks.speed.micro_batches [--batch-sizes 1024 4096]

Two epochs of one batch of random images (32x32, three channels), in float32, in a process of its
own with one thread. Results: peak memory beyond that before the fit in MB, CPU seconds, and the
loss of both epochs. Results are written to results/micro_batches.jsonl. Linux only.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

import numpy as np
import torch

from benchmarks._common import write_line
from sklssl import SimCLREmbedder

NETWORKS = ("patchconvnet", "convnet", "resnet8")
MICRO = 64


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(network, batch_size, micro_batch_size):
    X = np.random.default_rng(0).integers(0, 256, (batch_size, 32, 32, 3), dtype=np.uint8)
    embedder = SimCLREmbedder(
        network,
        batch_size=batch_size,
        micro_batch_size=micro_batch_size,
        max_epochs=2,
        precision="float32",
        symmetry=None,
        random_state=0,
    )
    before, start = peak(), time.process_time()
    embedder.fit(X)
    seconds = time.process_time() - start
    write_line(
        __file__,
        network=network,
        batch_size=batch_size,
        micro_batch_size=micro_batch_size,
        mb=round(peak() - before),
        cpu_seconds=round(seconds, 1),
        losses=[round(row["loss"], 5) for row in embedder.history_],
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch-sizes", type=int, nargs="*", default=[1024])
    parser.add_argument("--one", help=argparse.SUPPRESS)  # what a child process does
    args = parser.parse_args()
    if args.one:
        run(*json.loads(args.one))
        sys.exit()
    for network in NETWORKS:
        for batch_size in args.batch_sizes:
            for micro_batch_size in (None, MICRO):
                one = ["--one", json.dumps([network, batch_size, micro_batch_size])]
                subprocess.run([sys.executable, "-m", __spec__.name, *one], check=True)
