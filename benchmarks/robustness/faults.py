"""Many fits that are killed, files that are corrupt, and folders that are shared.

    python -m benchmarks.robustness.faults [--share 1] [--parts kills]

The functions are those of tests/faults, with larger numbers; `--share 0.1` runs a tenth of them.
The table of docs/trust.md is computed from the results.
"""

import argparse
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path

import cv2

from benchmarks._common import write_line
from tests.faults._campaign import embed_and_kill, kill_again_and_again
from tests.faults._jobs import CASES, X
from tests.faults._server import Server

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
N_KILLS = 35  # per case, and 8 more with a random one of the signals
N_FILES = {"checkpoint": 2500, "model": 2500}
N_TAMPERED = {"checkpoint": 200, "model": 600}
N_ROUNDS = 25  # of five simultaneous fits
PIECE = 200  # files per process
N_EMBEDDING_KILLS = 100


def kills(server, folder, share):
    for seed, case in enumerate(CASES):
        for what, n, by in (("kills", N_KILLS, SIGNALS[:1]), ("signals", 8, SIGNALS)):
            start = time.perf_counter()
            place = folder / f"{case}-{what}"
            tally = kill_again_and_again(
                server, case, place, max(1, round(share * n)), seed, signals=by
            )
            write_line(__file__, what=what, case=case, **tally, seconds=time.perf_counter() - start)


def files(server, folder, share):
    server.run("make_files", folder=folder)
    for job, numbers in (("read_damaged", N_FILES), ("read_tampered", N_TAMPERED)):
        for kind, n in numbers.items():
            start, tally, wrong = time.perf_counter(), Counter(), []
            for seed in range(max(1, round(share * n / PIECE))):
                result = server.run(job, kind=kind, folder=folder, n=PIECE, seed=1000 + seed)
                wrong += result.pop("wrong")
                tally.update(result)
            seconds = time.perf_counter() - start
            what = job.removeprefix("read_")
            write_line(__file__, what=what, kind=kind, **tally, wrong=wrong, seconds=seconds)


def together(server, folder, share):
    """Fit clones at the same time in one folder, two of them identical."""
    rates = (0.02, 0.05, 0.1, 0.2, 0.2)
    start = time.perf_counter()
    alone = [server.run("fit_clone", learning_rate=rate) for rate in rates]
    n_fits = n_alike = 0
    for i in range(max(1, round(share * N_ROUNDS))):
        job = {"folder": folder / f"together-{i}"}
        running = [server.start("fit_clone", **job, learning_rate=rate) for rate in rates]
        results = [one.result() for one in running]
        n_fits += len(rates)
        n_alike += sum(one == other for one, other in zip(results, alone, strict=True))
    seconds = time.perf_counter() - start
    write_line(__file__, what="together", fits=n_fits, alike=n_alike, seconds=seconds)


def embedding(server, folder, share):
    """Kill processes that embed the same images together."""
    start, images = time.perf_counter(), folder / "images"
    images.mkdir()
    for i in range(10 * len(X)):
        cv2.imwrite(str(images / f"{i:04}.png"), X[i % len(X)])
    n_kills = max(1, round(share * N_EMBEDDING_KILLS))
    tally = embed_and_kill(server, images, folder, n_kills, seed=0)
    seconds = time.perf_counter() - start
    write_line(__file__, what="embedding", images=10 * len(X), **tally, seconds=seconds)


PARTS = {part.__name__: part for part in (together, files, kills, embedding)}

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--parts", nargs="*", default=PARTS, choices=PARTS)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        server = Server(name)
        try:
            for part in args.parts:
                (Path(name) / part).mkdir()
                PARTS[part](server, Path(name) / part, args.share)
        finally:
            server.close()
