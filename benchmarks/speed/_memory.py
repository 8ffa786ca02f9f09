"""Memory of processes while something runs, and measurements in separate processes.

    python -m benchmarks.speed._memory fit-bare 50000

speed.py runs it like this, and reads the JSON that it prints. 1 MB is 2**20 bytes. "anon" is the
memory written by the process itself (RssAnon and RssShmem of /proc/self/status): RSS also contains
pages of memory-mapped files, which the system can reclaim at any time. Linux only.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.speed._turns import CHANNELS, SIDE, random_images


class Peak:
    """Read a dict of numbers repeatedly in a thread, and keep the maximum of each."""

    def __init__(self, read, every=0.02):
        self.read, self.every = read, every

    def __enter__(self):
        self.first = self.largest = self.read()
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()
        return self

    def _watch(self):
        while not self.done.wait(self.every):
            self._look()

    def _look(self):
        self.largest = {k: max(v, self.largest[k]) for k, v in self.read().items()}

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()
        self._look()


def own_memory():
    """Return the memory of this process in MB: rss, max_rss (since its start) and anon."""
    found = _kilobytes("/proc/self/status", ("VmRSS", "VmHWM", "RssAnon", "RssShmem"))
    anon = found["RssAnon"] + found["RssShmem"]
    return {"rss": found["VmRSS"] / 1024, "max_rss": found["VmHWM"] / 1024, "anon": anon / 1024}


def family_memory():
    """Return the memory of this process and its descendants in MB, shared pages counted once."""
    total = 0
    for pid in _family():
        try:
            total += _kilobytes(f"/proc/{pid}/smaps_rollup", ("Pss",))["Pss"]
        except (OSError, KeyError):  # the process has ended
            continue
    return {"pss": total / 1024}


def _kilobytes(path, names):
    rows = (line.split() for line in Path(path).read_text().splitlines())
    return {row[0][:-1]: int(row[1]) for row in rows if row[0][:-1] in names}


def _family():
    """Return the ids of this process and its descendants."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                # pid (name, which may contain anything) state parent ...
                parents[int(entry)] = int(
                    Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[1]
                )
            except OSError:
                continue
    found = [os.getpid()]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


# In separate processes ---------------------------------------------------------------------------


def measure(what, n_images, device, dtype=None):
    """Run `what` in a new process and return the JSON that it prints."""
    command = [sys.executable, "-m", __name__, what, str(n_images), "--device", str(device)]
    if dtype is not None:
        command += ["--dtype", str(dtype).removeprefix("torch.")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure_fit(way, n_images, device, dtype):
    """Measure one epoch of a small network, trained by `way`."""
    from benchmarks.speed._loops import Case, Clock, bare

    optimizer = partial(torch.optim.SGD, lr=0.1, momentum=0.9, nesterov=True)
    case = Case("convnet", "RotNet", 128, device, dtype, optimizer)
    X = random_images(n_images)

    def train():
        if way == "sklssl":
            case.embedder(max_epochs=1).fit(X)
        else:
            with Clock(np.inf, device, max_steps=n_images // case.batch_size - 1):
                bare(case, X)

    return {"array_mb": round(X.nbytes / 2**20, 1), **_seconds_and_memory(train)}


def measure_embedding(n_images, device):
    """Measure the embedding of a memory-mapped file in blocks, which are discarded."""
    from sklssl import RotNetEmbedder

    settings = {"max_epochs": 0, "device": str(device), "random_state": 0}
    embedder = RotNetEmbedder("convnet", layer="block1", **settings)
    embedder.fit(random_images(256))
    with tempfile.TemporaryDirectory() as folder:
        path, shape = Path(folder) / "images.npy", (n_images, SIDE, SIDE, CHANNELS)
        np.lib.format.open_memmap(path, "w+", np.uint8, shape)  # a sparse file of zeros
        X = np.load(path, mmap_mode="r")

        def embed():
            assert sum(len(block) for block in embedder.transform_iter(X)) == n_images

        row = _seconds_and_memory(embed)
    return {"file_mb": round(X.nbytes / 2**20, 1), **row}


def _seconds_and_memory(function):
    """Return the seconds of a call, and its peak memory in MB above the memory before it."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # reset max_rss
    with Peak(own_memory) as peak:
        start = time.perf_counter()
        function()
        seconds = time.perf_counter() - start
    return {
        "seconds": round(seconds, 2),
        "rss_beyond_mb": round(peak.largest["max_rss"] - peak.first["rss"], 1),
        "anon_beyond_mb": round(peak.largest["anon"] - peak.first["anon"], 1),
        "max_rss_mb": round(peak.largest["max_rss"], 1),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["fit-bare", "fit-sklssl", "embed"])
    parser.add_argument("n_images", type=int)
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--dtype", type=lambda name: getattr(torch, name))
    args = parser.parse_args()
    if args.what == "embed":
        found = measure_embedding(args.n_images, args.device)
    else:
        way = args.what.removeprefix("fit-")
        found = measure_fit(way, args.n_images, args.device, args.dtype)
    print(json.dumps(found))
