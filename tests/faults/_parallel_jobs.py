"""Fits at the same time as others."""

import hashlib
import os
import signal
import warnings
from pathlib import Path

from joblib.externals.loky import get_reusable_executor
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklssl import RotNetEmbedder
from tests._determinism import digest
from tests.faults._jobs import SMALL, X, Y, make

__all__ = ["fit_clone", "fit_files", "fit_then_wait", "search"]


def fit_then_wait(folder, ready):
    """Fit, and wait to be killed after the second epoch."""

    def wait(estimator, row):
        if row["epoch"] == 2:
            Path(ready).touch()
            signal.pause()

    make("RotNet", folder=folder, callbacks=[wait]).fit(X, Y)


def fit_files(paths, cache_dir):
    """Learn from image files by way of a cache that others use, too."""
    paths = sorted(map(str, Path(paths).iterdir()))
    embedder = RotNetEmbedder(max_epochs=1, image_size=8, cache_dir=cache_dir, **SMALL)
    return hashlib.sha256(embedder.fit(paths).transform(paths)).hexdigest()


def fit_clone(learning_rate, folder=None):
    estimator = clone(make("RotNet", folder=folder, learning_rate=learning_rate))
    return digest(estimator.fit(X, Y))


class _Tally:
    """Notes each epoch of any process in a file, and kills its own at one, the first time."""

    def __init__(self, path, kill_at=None):
        self.path, self.kill_at = path, kill_at

    def __call__(self, estimator, row):
        with open(self.path, "a") as file:
            file.write(f"{estimator.learning_rate} {row['epoch']}\n")
        if [estimator.learning_rate, row["epoch"]] == self.kill_at:
            try:
                os.close(os.open(f"{self.path}.killed", os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return
            os.kill(os.getpid(), signal.SIGKILL)


def search(tally, folder=None, n_jobs=1, kill_at=None):
    """Search over a pipeline; give the scores, or the name of the error."""
    callbacks = [_Tally(tally, kill_at)]
    embedder = make("RotNet", folder=folder, every="epoch", callbacks=callbacks)
    grid = GridSearchCV(
        make_pipeline(embedder, LogisticRegression(max_iter=1000)),
        {"rotnetembedder__learning_rate": [0.02, 0.05]},
        cv=2,
        n_jobs=n_jobs,
    )
    with warnings.catch_warnings(action="ignore"):
        try:
            grid.fit(X, Y)
        except RuntimeError as error:
            return {"error": type(error).__name__}
        finally:
            get_reusable_executor().shutdown()
    best = grid.best_estimator_[0]
    return {
        "scores": grid.cv_results_["mean_test_score"].tolist(),
        "digest": digest(best),
        "best": best.learning_rate,
    }
