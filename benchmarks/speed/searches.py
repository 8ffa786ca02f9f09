"""A search of eight candidates by joblib's own workers, dask and ray: times, and bytes sent.

    python -m benchmarks.speed.searches [--turns 3] [--images 1000] [--dry-run]

Two workers with one thread each on this machine; the clusters are running, their workers have not
imported anything when a search begins. Times are of the searches in turns. Bytes are what passes
the loopback interface during a search, with ray between two of its nodes. Linux only.
"""

import argparse
import contextlib
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["RAY_AUTH_MODE"] = "disabled"

import cv2
import joblib
import numpy as np
import psutil
from joblib.externals.loky import get_reusable_executor
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from benchmarks._common import write_line
from benchmarks.speed._turns import images, in_turns
from sklssl import RotNetEmbedder

CANDIDATES = {
    "rotnetembedder__learning_rate": [0.01, 0.03, 0.1, 0.3],
    "rotnetembedder__batch_size": [64, 128],
}


@contextlib.contextmanager
def loky():
    get_reusable_executor().shutdown()  # of an earlier turn
    with joblib.parallel_config("loky", n_jobs=2):
        yield


@contextlib.contextmanager
def dask():
    from dask.distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster),
        joblib.parallel_config("dask"),
    ):
        yield


@contextlib.contextmanager
def ray():
    import ray
    from ray.cluster_utils import Cluster
    from ray.util.joblib import register_ray

    register_ray()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    cluster.add_node(num_cpus=2)
    ray.init(address=cluster.address)
    try:
        with joblib.parallel_config("ray", n_jobs=2):
            yield
    finally:
        ray.shutdown()
        cluster.shutdown()


BACKENDS = {"joblib": loky, "dask": dask, "ray": ray}


def search(backend, X, y, n_epochs, **params):
    """Return the seconds, bytes and scores of a search."""
    embedder = RotNetEmbedder("convnet", max_epochs=n_epochs, random_state=0, device="cpu")
    pipe = make_pipeline(embedder.set_params(**params), LogisticRegression(max_iter=100))
    grid = GridSearchCV(pipe, CANDIDATES, cv=2, refit=False)
    with BACKENDS[backend]():
        sent, start = sent_by_loopback(), time.perf_counter()
        grid.fit(X, y)
        seconds = time.perf_counter() - start
        sent = sent_by_loopback() - sent
    fits = float(grid.cv_results_["mean_fit_time"].mean())
    return seconds, sent, grid.cv_results_["mean_test_score"], fits


def sent_by_loopback():
    return psutil.net_io_counters(pernic=True)["lo"].bytes_sent


def times(X, y, n_epochs, n_turns, write):
    ways = {name: lambda name=name: search(name, X, y, n_epochs) for name in BACKENDS}
    found = in_turns(ways, dict.fromkeys(ways, n_turns))
    for name, results in found.items():
        ratios = [r[0] / own[0] for r, own in zip(results, found["joblib"], strict=True)]
        write(
            part="times",
            backend=name,
            images=len(X),
            epochs=n_epochs,
            turns=n_turns,
            seconds=round(statistics.median(r[0] for r in results), 1),
            fit_seconds=round(statistics.median(r[3] for r in results), 2),
            ratio=round(statistics.median(ratios), 3),
            ratio_range=[round(min(ratios), 3), round(max(ratios), 3)],
            same_scores=all(np.array_equal(r[2], found["joblib"][0][2]) for r in results),
        )


def sent(X, y, write):
    """Measure the bytes for images of each kind; one epoch is enough."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder, f"{i:06}.png")) for i in range(len(X))]
        for path, image in zip(paths, X, strict=True):
            cv2.imwrite(path, image)
        np.save(Path(folder, "X.npy"), X)
        kinds = {
            "array": (X, {}),
            "memory map": (np.load(Path(folder, "X.npy"), mmap_mode="r"), {}),
            "file names": (paths, {"cache_dir": str(Path(folder, "cache")), "image_size": 32}),
        }
        for kind, (given, params) in kinds.items():
            for backend in ("dask", "ray"):
                _, n_bytes, _, _ = search(backend, given, y, 1, **params)
                write(
                    part="sent",
                    backend=backend,
                    kind=kind,
                    images=len(X),
                    bytes=n_bytes,
                    bytes_of_images=X.nbytes,
                )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--parts", nargs="*", default=["times", "sent"])
    parser.add_argument("--dry-run", action="store_true", help="print only")
    args = parser.parse_args()
    X, y = images(args.images)

    def write(**row):
        print(row, flush=True) if args.dry_run else write_line(__file__, **row)

    if "times" in args.parts:
        times(X, y, args.epochs, args.turns, write)
    if "sent" in args.parts:
        sent(X, y, write)
