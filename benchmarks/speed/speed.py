"""The speed of sklssl, compared with a hand-written loop and with other libraries.

    python -m benchmarks.speed.speed [--device cuda] [--only PART ...] [--quick]

It takes less than half an hour on two cores. Each part writes its results as soon as it has them.
`--quick` checks in a minute whether everything runs, and stores no results. Requires `pip install
skorch kornia lightly matplotlib`; libraries that are not installed are omitted.

throughput  images of X per second: a hand-written loop ("bare": the same network, views,
            precision, memory layout and optimizer, no bookkeeping), `fit`, skorch with
            torchvision's views from a DataLoader, skorch with kornia's views of a batch, and
            lightly (SimCLR only); the last three in float32 and channels first, as is usual with
            them. They take turns. A turn is a new training run from its second step, timed in the
            same way for all by torch's hook at the end of a step (`_loops.Clock`), without the
            setup of `fit` and the start of a DataLoader's workers. Then the whole of `transform`,
            a bare forward pass with the same precision and batches, and one with plain torch.
lightly     SimCLR for equal epochs from the same weights: seconds, accuracy of the 20 nearest
            neighbours with cosine distance, and seconds to the accuracy that both reach, without
            the time of the nearest neighbours.
memory      peak memory above the array and the imports during a fit on 50,000 images.
epochs      seconds of the second and later epochs, for 1,000 to 50,000 images.
embed       rows per second from a memory-mapped file of up to a million images, memory growth.
paths       a list of JPEG files as X, compared with the same images as an array.
search      GridSearchCV with n_jobs=1 and n_jobs=2.
import      `import sklssl`, compared with an interpreter that does nothing.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from benchmarks._common import results_of
from benchmarks._tables import speed as tables
from benchmarks.speed._lightly import beside_lightly
from benchmarks.speed._loops import Case, observe
from benchmarks.speed._memory import Peak, family_memory, measure
from benchmarks.speed._throughput import NETWORKS, throughput
from benchmarks.speed._turns import Run, images, in_turns, seconds, type_name


def memory(run):
    n_images = 1024 if run.quick else 50_000
    seen = observe(Case("convnet", "RotNet", 128, run.device).embedder(), images(8)[0])
    ways = {
        way: measure(f"fit-{way}", n_images, run.device, seen["fit"]) for way in ("bare", "sklssl")
    }
    more = {
        name: round(ways["sklssl"][name] - ways["bare"][name], 1)
        for name in ("rss_beyond_mb", "anon_beyond_mb")
    }
    precision = type_name(seen["fit"])
    run.write("memory", n_images=n_images, precision=precision, ways=ways, difference=more)


def epochs(run):
    for n_images, n_epochs in ((1000, 5), (4000, 3), (16_000, 2), (50_000, 2)):
        if run.quick and n_images > 1000:
            break
        X = np.resize(images(n_images)[0], (n_images, 32, 32, 3))
        embedder = Case("convnet", "RotNet", 128, run.device).embedder(2 if run.quick else n_epochs)
        durations = [row["duration"] for row in embedder.fit(X).history_]
        typical = statistics.median(durations[1:])
        run.write(
            "epochs",
            n_images=n_images,
            seconds=round(typical, 3),
            first_seconds=round(durations[0], 3),
            milliseconds_an_image=round(1000 * typical / n_images, 4),
        )


def embed(run):
    for n_images in (2000,) if run.quick else (10_000, 100_000, 1_000_000):
        row = measure("embed", n_images, run.device)
        run.write("embed", n_images=n_images, **row, per_second=round(n_images / row["seconds"]))


def paths(run):
    from PIL import Image

    X = images(200 if run.quick else 4000)[0]
    with tempfile.TemporaryDirectory() as folder:
        files = [str(Path(folder) / f"{i:05d}.jpg") for i in range(len(X))]
        for file, image in zip(files, X, strict=True):
            Image.fromarray(image).save(file, quality=95)
        ways = {"array": partial(first_epochs, run, X), "paths": partial(first_epochs, run, files)}
        found = in_turns(ways, dict.fromkeys(ways, 1 if run.quick else 2))
    row = {
        name: {key: round(statistics.median(turn[key] for turn in turns), 3) for key in turns[0]}
        for name, turns in found.items()
    }
    run.write("paths", n_images=len(X), **row)


def first_epochs(run, X):
    """Return the seconds of the first pass (with setup) and of two epochs, and the cores in use."""
    ends = []

    def look(embedder, row):
        ends.append((time.perf_counter(), time.process_time()))

    embedder = Case("convnet", "RotNet", 128, run.device)
    embedder = embedder.embedder(2, image_size=32, callbacks=[look])
    look(None, None)
    history = embedder.fit(X).history_
    wall, cpu = np.subtract(ends[1], ends[0])
    return {
        "first_pass_seconds": wall,
        "first_epoch_seconds": history[0]["duration"],
        "second_epoch_seconds": history[1]["duration"],
        "first_pass_cores_busy": cpu / wall,
    }


def search(run):
    X, y = images(200 if run.quick else 2000)
    n_epochs = 1 if run.quick else 4
    embedder = Case("convnet", "RotNet", 128, run.device).embedder(n_epochs)
    pipeline = Pipeline([("emb", embedder), ("clf", LogisticRegression(max_iter=50))])
    grid = {"emb__learning_rate": [0.03, 0.1], "clf__C": [0.01, 0.1]}

    def look(n_jobs):
        model = GridSearchCV(pipeline, grid, cv=2, refit=False, n_jobs=n_jobs)
        with Peak(family_memory, every=0.5) as peak:
            took = seconds(model.fit, X, y)
        _end_workers()
        return took, peak.largest["pss"]

    ways = {f"n_jobs={n}": partial(look, n) for n in (1, 2)}
    found = in_turns(ways, dict.fromkeys(ways, 1))
    pairs = zip(*([took for took, _ in turns] for turns in found.values()), strict=True)
    run.write(
        "search",
        n_images=len(X),
        seconds={k: round(statistics.median(t for t, _ in v), 1) for k, v in found.items()},
        pss_mb={k: round(max(mb for _, mb in v)) for k, v in found.items()},
        times_faster=[round(one / two, 3) for one, two in pairs],
    )


def _end_workers():
    """End joblib's workers, so that every turn starts new ones."""
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=True)


def imports(run):
    def start(code):
        return seconds(partial(subprocess.run, [sys.executable, "-c", code], check=True))

    ways = {code: partial(start, code) for code in ("pass", "import sklssl")}
    found = in_turns(ways, dict.fromkeys(ways, 2 if run.quick else 10))
    took = {code: statistics.median(turns) for code, turns in found.items()}
    took["difference"] = took["import sklssl"] - took["pass"]
    run.write("import", seconds={name: round(value, 3) for name, value in took.items()})


PARTS = {
    "import": imports,
    "throughput": throughput,
    "lightly": beside_lightly,
    "memory": memory,
    "epochs": epochs,
    "embed": embed,
    "paths": paths,
    "search": search,
}


def run_parts(run, names):
    """Run parts one after another, and return those that failed."""
    failed = []
    for name in names:
        start = time.perf_counter()
        try:
            PARTS[name](run)
        except Exception:  # run the other parts
            traceback.print_exc()
            failed.append(name)
        print(f"# {name}: {time.perf_counter() - start:.0f} s", flush=True)
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, help="networks of throughput")
    parser.add_argument(
        "--workers", type=int, help="workers of a DataLoader (default: 2, or up to 8 with a GPU)"
    )
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    many = min(8, os.cpu_count()) if args.device.type == "cuda" else 2
    networks = tuple(args.networks or (NETWORKS[:1] if args.quick else NETWORKS))
    workers = many if args.workers is None else args.workers
    script = Path(tempfile.mkdtemp() if args.quick else Path(__file__).parent) / "speed.py"
    run = Run(args.device, args.quick, workers, networks, script)
    warnings.simplefilter("ignore")  # about short training runs, and from other libraries
    os.environ["PYTHONWARNINGS"] = "ignore"
    failed = run_parts(run, args.only)
    lines = results_of(script).read_text().splitlines()
    print(tables.speed([json.loads(line) for line in lines]))
    if failed:
        sys.exit(f"These parts failed: {', '.join(failed)}.")


if __name__ == "__main__":
    main()
