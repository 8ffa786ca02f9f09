"""What several processes exchange in a step, and what that takes on slower networks.

    python -m benchmarks.speed.exchanges [--networks convnet resnet18] [--links]

For each method and network: the time of a step of one process with one thread, and the exchanges of
two processes and their bytes. With `--links` (as root, Linux) the loopback interface is slowed down
by `tc` to links of several delays and rates; steps on them are timed beside what the model
predicts, which is the time without a delay, and for each exchange what one of its size takes on the
link by itself.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch
import torch.distributed as dist

import sklssl
from benchmarks._common import write_line
from benchmarks.robustness.distributed import Exchanged
from benchmarks.speed._turns import images

METHODS = ("RotNet", "SimCLR", "BarlowTwins", "BYOL", "SwAV", "DINO")
BATCH = {"convnet": 256, "resnet18": 64}
N_STEPS = 4
# Delay in one direction in ms, and rate in Mbit/s.
LINKS = ((0.1, 10_000), (0.25, 1000), (1, 100), (10, 100))


def launch(n_processes, job, *arguments):
    """Run a job in processes; return what the first one leaves."""
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder, "result.json"))
        command = [sys.executable, "-m"]
        if n_processes > 1:
            command += ["torch.distributed.run", f"--nproc-per-node={n_processes}", "-m"]
        command += [__spec__.name, "--job", json.dumps([job, out, *arguments])]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        return json.loads(Path(out).read_text())


def leave(out, result):
    if os.environ.get("RANK", "0") == "0":
        Path(out).write_text(json.dumps(result))


def fit(out, method, network):
    """Time the steps of a fit, and count the exchanges of this process."""
    X, _ = images(N_STEPS * BATCH[network])
    counter = Exchanged()
    embedder = getattr(sklssl, f"{method}Embedder")(
        network,
        batch_size=BATCH[network],
        max_epochs=3,
        device="cpu",
        precision="float32",
        symmetry=None,
        random_state=0,
    ).fit(X)
    n_steps = 3 * N_STEPS
    trained = sum(p.nbytes for p in embedder.pretext_.parameters() if p.requires_grad)
    seconds = min(row["duration"] for row in embedder.history_) / N_STEPS
    leave(
        out,
        {
            "ms": 1000 * seconds,
            "exchanges": counter.n / n_steps,
            "kilobytes": counter.bytes / n_steps / 1024,
            "gradient_kilobytes": trained / 1024,
        },
    )


def exchange(out):
    """Time sums of tensors of two sizes, to which everything else is interpolated."""
    dist.init_process_group("gloo")
    found = {}
    for n_bytes in (1024, 2**22):
        tensor, taken = torch.zeros(n_bytes // 4), []
        for _ in range(20):
            dist.barrier()
            start = time.perf_counter()
            dist.all_reduce(tensor)
            taken.append(time.perf_counter() - start)
        found[n_bytes] = 1000 * float(np.median(taken))
    leave(out, found)
    dist.destroy_process_group()


def predicted(link, row):
    """Return the ms of all exchanges of a step, given those of 1 KB and 4 MB on the link."""
    small, large = link["1024"], link[str(2**22)]
    per_kilobyte = (large - small) / (4096 - 1)
    # The gradients of networks up to 25 MB are in one bucket.
    kilobytes = row["kilobytes"] + row["gradient_kilobytes"]
    return (row["exchanges"] + 1) * small + kilobytes * per_kilobyte


def compare(network):
    for method in METHODS:
        one, two = launch(1, "fit", method, network), launch(2, "fit", method, network)
        write_line(
            __file__,
            part="step",
            method=method,
            network=network,
            batch_size=BATCH[network],
            ms_of_one=round(one["ms"], 1),
            ms_of_two=round(two["ms"], 1),
            exchanges=round(two["exchanges"], 1),
            kilobytes=round(two["kilobytes"], 1),
            gradient_kilobytes=round(two["gradient_kilobytes"], 1),
        )


def slow_down(delay, rate):
    subprocess.run(["tc", "qdisc", "del", "dev", "lo", "root"], check=False, capture_output=True)
    if rate:
        how = f"tc qdisc add dev lo root netem delay {delay}ms rate {rate}mbit limit 100000"
        subprocess.run(how.split(), check=True)


def compare_links(network):
    """Time steps on slower links."""
    try:
        slow_down(0, 0)
        plain = launch(2, "exchange")
        base = {method: launch(2, "fit", method, network) for method in METHODS}
        for delay, rate in LINKS:
            slow_down(delay, rate)
            link = launch(2, "exchange")
            for method, row in base.items():
                slower = launch(2, "fit", method, network)
                more = predicted(link, row) - predicted(plain, row)
                write_line(
                    __file__,
                    part="link",
                    method=method,
                    network=network,
                    batch_size=BATCH[network],
                    delay_ms=delay,
                    mbit=rate,
                    ms_of_exchange=round(link["1024"], 2),
                    ms_without=round(row["ms"], 1),
                    ms=round(slower["ms"], 1),
                    ms_predicted=round(row["ms"] + more, 1),
                )
    finally:
        slow_down(0, 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--networks", nargs="*", default=list(BATCH))
    parser.add_argument("--links", action="store_true")
    parser.add_argument("--job", help=argparse.SUPPRESS)  # what a child process does
    args = parser.parse_args()
    if args.job:
        job, *arguments = json.loads(args.job)
        {"fit": fit, "exchange": exchange}[job](*arguments)
    else:
        for network in args.networks:
            compare_links(network) if args.links else compare(network)
