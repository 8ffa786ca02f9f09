"""A script of a page, and searches over images of any kind in the workers of a cluster.

``python -m tests.clusters._search BACKEND SCRIPT FOLDER`` prints the scores of each as JSON.
"""

import contextlib
import json
import runpy
import sys
from pathlib import Path

import cv2
import joblib
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklssl import RotNetEmbedder
from sklssl.datasets import load_digit_images

X, y = (array[:60] for array in load_digit_images(return_X_y=True))


def scores(images, **params):
    """Search with images of any kind."""
    embedder = RotNetEmbedder(
        "convnet", image_shape=(8, 8, 1), max_epochs=1, random_state=0, precision="float32"
    )
    search = GridSearchCV(
        make_pipeline(embedder.set_params(**params), LogisticRegression()),
        {"rotnetembedder__learning_rate": [0.02, 0.1]},
        cv=2,
        refit=False,
    )
    return search.fit(images, y).cv_results_["mean_test_score"].tolist()


def of_each_kind(folder):
    """Return the scores by the kind of images, each found by a worker."""
    paths = [str(Path(folder, f"{i}.png")) for i in range(len(X))]
    for path, image in zip(paths, X, strict=True):
        cv2.imwrite(path, image)
    np.save(Path(folder, "X.npy"), X)
    cached = {"cache_dir": str(Path(folder, "cache"))}
    kinds = {
        "array": (X, {}),
        "memory map": (np.load(Path(folder, "X.npy"), mmap_mode="r"), {}),
        "file names": (paths, cached),
        "file names again": (np.array(paths), cached),
    }
    found = joblib.Parallel()(joblib.delayed(scores)(X, **more) for X, more in kinds.values())
    return dict(zip(kinds, found, strict=True))


@contextlib.contextmanager
def workers(backend):
    if backend == "ray":  # started by the script
        with joblib.parallel_config("ray", n_jobs=2):
            yield
        return
    from dask.distributed import Client, LocalCluster

    options = {"threads_per_worker": 2, "dashboard_address": None}  # fits share a process, too
    with (
        LocalCluster(n_workers=1, **options) as cluster,
        Client(cluster),
        joblib.parallel_config("dask"),
    ):
        yield


def main(backend, script, folder):
    search = runpy.run_path(script, run_name="__main__")["search"]
    found = {"script": search.cv_results_["mean_test_score"].tolist(), "none": scores(X)}
    with workers(backend):
        found |= of_each_kind(folder)
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
