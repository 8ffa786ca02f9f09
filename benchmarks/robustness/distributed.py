"""Fits of several processes beside one: the differences, what is exchanged, and kills.

    python -m benchmarks.robustness.distributed [--processes 2 4] [--kills 100]

The fits are those of tests/distributed, with small steps, and the embedders of all tests with their
own learning rates and optimizers. Since large steps amplify rounding errors, one process with two
threads is shown, too. Then runs with checkpoints in every step are killed: a process drawn at
random, at a random moment, over and over, until that many kills; each run continues until its end.
"""

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
import torch.distributed as dist

from benchmarks._common import write_line
from sklssl import RotNetEmbedder
from sklssl._storage.state_file import read_state
from tests._estimators import EMBEDDERS, with_params
from tests.distributed._cases import CASES, SMALL_STEPS, fitted, load

LIMIT = 60  # seconds in which all processes have to end
_EXCHANGES = ("all_reduce", "all_gather", "broadcast")


def launch(n_processes, *job, threads=1):
    """Start processes that do a job of this module; return the one that waits for them."""
    command = [sys.executable, "-m"]
    if n_processes > 1:
        command += ["torch.distributed.run", f"--nproc-per-node={n_processes}", "-m"]
    command += [__spec__.name, "--job", json.dumps(job)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)


# Differences ------------------------------------------------------------------------------------


class Exchanged:
    """Counts the exchanges of this process, their bytes, and the time they take."""

    def __init__(self):
        self.n, self.bytes, self.seconds = 0, 0, 0.0
        for name in _EXCHANGES:
            setattr(dist, name, self._counting(getattr(dist, name)))

    def _counting(self, exchange):
        def counted(first, *args, **kwargs):
            tensor = args[0] if isinstance(first, list) else first
            start = time.perf_counter()
            try:
                return exchange(first, *args, **kwargs)
            finally:
                self.seconds += time.perf_counter() - start
                self.n, self.bytes = self.n + 1, self.bytes + tensor.numel() * tensor.itemsize

        return counted


def fit_all(folder, settings):
    """Fit every case, and save what this process has learned and exchanged."""
    if settings == "own":
        for name, embedder in EMBEDDERS.items():
            keep = {k: v for k, v in SMALL_STEPS.items() if k not in ("learning_rate", "optimizer")}
            CASES[name] = with_params(embedder, **keep)
    counter, found = Exchanged(), {}
    for case in EMBEDDERS if settings == "own" else CASES:
        before = counter.n, counter.bytes, counter.seconds
        found[case] = fitted(case)
        after = counter.n, counter.bytes, counter.seconds
        found[case]["exchanged"] = [b - a for a, b in zip(before, after, strict=True)]
        found[case]["size"] = found[case]["weights"].nbytes
    if os.environ.get("RANK", "0") == "0":
        torch.save(found, folder)


def differences(counts):
    """Write a line for each case, settings and number of processes."""
    with tempfile.TemporaryDirectory() as folder:
        for settings in ("small steps", "own"):
            found = {}
            for n, threads in [(1, 1), (1, 2), *((n, 1) for n in counts)]:
                path = f"{folder}/{settings}-{n}-{threads}"
                assert launch(n, "fit_all", path, settings, threads=threads).wait() == 0
                found[n, threads] = torch.load(path, weights_only=False)
            one = found.pop((1, 1))
            for (n, threads), other in found.items():
                for case, learned in one.items():
                    write_difference(settings, n, threads, case, learned, other[case])


def write_difference(settings, n, threads, case, one, other):
    rows = zip(one["history"], other["history"], strict=True)
    loss = max((abs(a["loss"] - b["loss"]) / max(abs(a["loss"]), 1) for a, b in rows), default=0)
    weights = (one["weights"] - other["weights"]).abs()
    n_exchanges, n_bytes, seconds = other["exchanged"]
    n_steps = 3 * max(len(other["history"]), 1)  # three batches an epoch
    write_line(
        __file__,
        kind="difference",
        settings=settings,
        processes=n,
        threads=threads,
        case=case,
        loss=float(f"{loss:.1e}"),
        weights=float(f"{weights.max():.1e}"),
        weights_rms=float(f"{weights.square().mean().sqrt():.1e}"),
        # The gradients are exchanged by DistributedDataParallel, and not counted.
        exchanges_per_step=round(n_exchanges / n_steps, 1),
        kilobytes_per_step=round(n_bytes / n_steps / 1024, 1),
        gradient_kilobytes=round(other["size"] / 1024, 1),
        ms_per_step=round(1000 * seconds / n_steps, 2),
    )


# Kills ------------------------------------------------------------------------------------------


def fit_with_checkpoints(folder):
    """Fit with a checkpoint in each step; leave the number of the process, and the weights."""
    folder, rank = Path(folder), os.environ.get("RANK", "0")
    (folder / f"pid{rank}").write_text(str(os.getpid()))
    X, _ = load()
    embedder = RotNetEmbedder(
        "convnet",
        batch_size=15,
        max_epochs=6,
        random_state=0,
        checkpoint_dir=folder,
        checkpoint_every=1e-9,
        callbacks=[lambda *_: time.sleep(0.2)],
    ).fit(X)
    if rank == "0":
        torch.save(list(embedder.pretext_.parameters()), folder / "result.pt")


def steps_done(folder):
    """Return the progress in the newest checkpoint: (epochs, steps)."""
    newest = max(folder.glob("*/checkpoint-*.safetensors"), default=None)
    if newest is None:
        return 0, 0
    state = read_state(newest, kind="checkpoint")
    if state["finished"]:
        return 6, 0
    return state["position"]["epoch"], state["position"]["step"]


def kills(n_kills, n_processes=2):
    """Kill until that many kills; write one line with what came of them."""
    draw = random.Random(0)
    tally = {"kills": 0, "runs": 0, "identical": 0, "lost": 0, "beyond_limit": 0}
    waits, whole = [], None
    while tally["kills"] < n_kills:
        with tempfile.TemporaryDirectory() as name:
            folder, progress = Path(name), (0, 0)
            while not (folder / "result.pt").exists():
                for left in folder.glob("pid*"):
                    left.unlink()
                launched = launch(n_processes, "fit_with_checkpoints", name)
                victim = draw.randrange(n_processes) if whole is not None else None
                if victim is not None:
                    seconds = kill(folder / f"pid{victim}", launched, draw)
                    if seconds is not None:
                        tally["kills"] += 1
                        tally["beyond_limit"] += seconds > LIMIT
                        waits.append(seconds)
                launched.wait()
                tally["lost"] += steps_done(folder) < progress
                progress = steps_done(folder)
            result = torch.cat([w.flatten() for w in torch.load(folder / "result.pt")])
        if whole is None:
            whole = result
            continue
        tally["runs"] += 1
        tally["identical"] += torch.equal(result, whole)
    longest, median = round(max(waits), 1), round(statistics.median(waits), 1)
    write_line(
        __file__,
        kind="kills",
        processes=n_processes,
        **tally,
        median_seconds=median,
        longest_seconds=longest,
    )


def kill(path, launched, draw):
    """Kill a process at a random moment of its fit; return the seconds until all have ended."""
    while not path.exists():
        time.sleep(0.02)
    time.sleep(draw.uniform(0.0, 5.0))
    if launched.poll() is not None:
        return None
    start = time.perf_counter()
    try:
        os.kill(int(path.read_text()), signal.SIGKILL)
    except (ProcessLookupError, ValueError):
        return None
    launched.wait()
    return time.perf_counter() - start


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--processes", type=int, nargs="*", default=[2, 4])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--job", help=argparse.SUPPRESS)  # what a child process does
    args = parser.parse_args()
    if args.job:
        job, *arguments = json.loads(args.job)
        {"fit_all": fit_all, "fit_with_checkpoints": fit_with_checkpoints}[job](*arguments)
    else:
        if args.processes:
            differences(args.processes)
        if args.kills:
            kills(args.kills)
