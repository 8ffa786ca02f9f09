"""What two processes exchange in a step of training.

    python -m benchmarks.speed.exchanges [--networks convnet resnet18] [--methods RotNet]

For each method and network: the time of a step of one process with one thread and of two, and the
exchanges of these and their bytes. Results are written to results/exchanges.jsonl.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import sklssl
from benchmarks._common import write_line
from benchmarks.robustness.distributed import Exchanged
from benchmarks.speed._turns import images

METHODS = ("RotNet", "SimCLR", "BarlowTwins", "BYOL", "SwAV", "DINO")
BATCH = {"convnet": 256, "resnet18": 64}
N_STEPS = 4


def launch(n_processes, method, network):
    """Fit in processes; return what the first one leaves."""
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder, "result.json"))
        command = [sys.executable, "-m"]
        if n_processes > 1:
            command += ["torch.distributed.run", f"--nproc-per-node={n_processes}", "-m"]
        command += [__spec__.name, "--job", json.dumps([out, method, network])]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        return json.loads(Path(out).read_text())


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
    result = {
        "ms": 1000 * seconds,
        "exchanges": counter.n / n_steps,
        "kilobytes": counter.bytes / n_steps / 1024,
        "gradient_kilobytes": trained / 1024,
    }
    if os.environ.get("RANK", "0") == "0":
        Path(out).write_text(json.dumps(result))


def compare(network, methods):
    for method in methods:
        one, two = launch(1, method, network), launch(2, method, network)
        write_line(
            __file__,
            method=method,
            network=network,
            batch_size=BATCH[network],
            ms_of_one=round(one["ms"], 1),
            ms_of_two=round(two["ms"], 1),
            exchanges=round(two["exchanges"], 1),
            kilobytes=round(two["kilobytes"], 1),
            gradient_kilobytes=round(two["gradient_kilobytes"], 1),
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--networks", nargs="*", default=list(BATCH))
    parser.add_argument("--methods", nargs="*", default=METHODS)
    parser.add_argument("--job", help=argparse.SUPPRESS)  # what a child process does
    args = parser.parse_args()
    if args.job:
        fit(*json.loads(args.job))
    else:
        for network in args.networks:
            compare(network, args.methods)
