"""The tables of the papers, run again.

    python -m benchmarks.papers [PAPER ...] [--size cpu] [--seeds 0 1] [--processes 2]
                                [--only ROW ...] [--minutes M]

Papers: scalenet, patches, decoupling, pets, nin; all by default. Sizes: "smoke" shows that every
row runs, in about a minute a paper; "cpu" takes five to six hours on one core for one seed of all
papers; "full" has the sizes of the papers, and needs a GPU. Each row runs in a process of
its own, and appends a line to results/<paper>.jsonl ("smoke": prints it only). Rows that have a
line are not run again. After `--minutes`, training stops with a checkpoint, and the same command
continues it. At the end the tables are printed, with the papers' numbers beside ours.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import torch

from benchmarks._common import results_of, write_line
from benchmarks._tables._papers import table
from benchmarks._tables._reported import TABLES, keys_of
from benchmarks.papers._work import Fit

PAPERS = ("scalenet", "nin", "decoupling", "patches", "pets")


def script(paper):
    return Path(__file__).with_name(f"{paper}.py")


def jobs_of(paper, size):
    module = importlib.import_module(f"benchmarks.papers.{paper}")
    return module.SIZES[size], module.jobs(module.SIZES[size])


def run(paper, size, row, seed, folder):
    """Compute a row, and keep it."""
    start = time.perf_counter()
    sizes, jobs = jobs_of(paper, size)
    fit = Fit(seed, folder)
    values = {key: round(float(value), 4) for key, value in jobs[row](seed, fit).items()}
    missing = keys_of(paper, row) - set(values)
    if missing:
        raise KeyError(f"the tables need {missing} of {paper}, {row}")
    minutes = round((time.perf_counter() - start) / 60, 2)
    line = {"paper": paper, "size": size, "row": row, "seed": seed, **values, "minutes": minutes}
    if size == "smoke":
        print(json.dumps(line), flush=True)
    else:
        write_line(script(paper), **line, settings=asdict(sizes))
    fit.remove()


def todo(args):
    """Iterate over the lists of rows without a line; one process computes each list."""
    for seed in args.seeds:
        for paper in args.papers or PAPERS:
            path = results_of(script(paper))
            lines = path.read_text().splitlines() if path.exists() else []
            done = {(x["size"], x["row"], x["seed"]) for x in map(json.loads, lines)}
            rows = [
                (paper, args.size, row, seed)
                for row in jobs_of(paper, args.size)[1]
                if (args.size, row, seed) not in done and row in (args.only or [row])
            ]
            # To start a process takes longer than a row of the smallest size.
            yield from [rows] if args.size == "smoke" else [[row] for row in rows]


def in_child(rows, work, deadline, n_threads):
    """Compute rows in a process of its own; at the deadline it stops with a checkpoint."""
    left = deadline - time.monotonic()
    if left <= 0:
        return 0
    jobs = [[*row, str(Path(work) / "-".join(map(str, row)).replace(" ", "_"))] for row in rows]
    command = [sys.executable, "-m", "benchmarks.papers", "--rows", json.dumps(jobs)]
    child = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": str(n_threads)})
    try:
        return child.wait(None if left == float("inf") else left)
    except subprocess.TimeoutExpired:
        print(f"stopped: {rows}; the same command continues")
        child.terminate()
        child.wait()
        return 0


def print_tables(papers):
    for name, wanted in TABLES.items():
        if wanted.paper in papers:
            print(f"## {name}\n\n{table(name)}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("papers", nargs="*", choices=[[], *PAPERS], metavar="PAPER")
    parser.add_argument("--size", default="cpu", choices=["smoke", "cpu", "full"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--only", nargs="+", metavar="ROW")
    parser.add_argument("--processes", type=int, help="default: all cores, or one with a GPU")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--work", help="folder for checkpoints", default=tempfile.gettempdir())
    parser.add_argument("--rows", help=argparse.SUPPRESS)  # what a child process computes
    args = parser.parse_args()
    if args.rows:
        for row in json.loads(args.rows):
            run(*row)
        return 0
    processes = args.processes or (1 if torch.cuda.is_available() else os.cpu_count())
    n_threads = max(1, os.cpu_count() // processes)
    deadline = time.monotonic() + 60 * args.minutes

    def child(rows):
        return in_child(rows, args.work, deadline, n_threads)

    with ThreadPoolExecutor(processes) as pool:
        codes = list(pool.map(child, todo(args)))
    if args.size != "smoke":
        print_tables(args.papers or PAPERS)
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main())
