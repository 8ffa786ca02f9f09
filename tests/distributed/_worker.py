"""One of the processes of a distributed run: fits all cases, and makes every kind of mistake.

Called by torchrun with a folder, in which it leaves what it has seen.
"""

import os
import sys
import warnings
from unittest.mock import patch

import torch
import torch.distributed as dist
from joblib import Parallel, delayed
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from sklssl import RotNetEmbedder, SimCLREmbedder
from sklssl.embedding._rotnet import RotationPretext
from sklssl.exceptions import StopTraining
from tests.distributed._cases import CASES, SMALL_STEPS, fitted, load, run

RANK = int(os.environ.get("RANK", 0))  # none when the tests are collected
QUICK = SMALL_STEPS | {"max_epochs": 4}


class Recorder:
    """A callback that remembers the rows it has seen, and adds to them."""

    def __init__(self, stop_after=None, raises=None):
        self.stop_after, self.raises, self.seen = stop_after, raises, []

    def __call__(self, estimator, row):
        self.seen.append(row["epoch"])
        row["mine"] = 10 * row["epoch"]
        if row["epoch"] == self.stop_after:
            raise StopTraining if self.raises is None else self.raises


class BadViews:
    """Changes the views of one process in the second epoch, within the block."""

    def __init__(self, rank, change):
        self.rank, self.change, self.n_calls = rank, change, 0

    def __enter__(self):
        self.views = views = RotationPretext.views

        def changed(task, images, rng, index):
            made = views(task, images, rng, index)
            self.n_calls += 1
            bad = self.rank == RANK and self.n_calls > 3
            return (self.change(made[0]), made[1]) if bad else made

        RotationPretext.views = changed

    def __exit__(self, *error):
        RotationPretext.views = self.views


def spoil_weights(task, progress):
    """Make a weight NaN in the second of three steps of the second of four epochs."""
    if progress == 5 / 12:
        next(task.parameters()).data.fill_(torch.nan)


def spoil_statistics(task, progress):
    """Make what only evaluation uses NaN at the same time."""
    if progress == 5 / 12:
        for norm in [part for part in task.modules() if isinstance(part, nn.BatchNorm2d)]:
            norm.running_mean.fill_(torch.nan)


def fails(views):
    raise MemoryError("no room left")


def result_of(fit):
    """What a fit ends with: the message of its error, and whether something was left behind."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        embedder, message = None, "no error"
        try:
            embedder = fit()
        except Exception as error:
            message = f"{type(error).__name__}: {error}"
    return {
        "message": message,
        "warnings": [str(warning.message) for warning in caught],
        "history": getattr(embedder, "history_", None),
        "in a group": dist.is_initialized(),
    }


def only_in_last(good, bad):
    return bad if RANK == 1 else good


def mistakes(folder):
    """Fits that end early: all of them in the same order in all processes."""
    X, _ = load()
    changed = X.copy()
    changed[5] = 255 - changed[5]
    stopping, failing = Recorder(stop_after=2), Recorder(stop_after=2, raises=KeyError("mine"))

    def rotnet(**params):
        return RotNetEmbedder(**(QUICK | params))

    found = {
        "other images": result_of(lambda: rotnet().fit(only_in_last(X, changed))),
        "fewer images": result_of(lambda: rotnet().fit(only_in_last(X, X[:30]))),
        "other parameter": result_of(lambda: rotnet(pool_size=only_in_last(1, 2)).fit(X)),
        "other seed": result_of(lambda: rotnet(random_state=RANK).fit(X)),
        "other estimator": result_of(
            lambda: only_in_last(rotnet(), SimCLREmbedder(**QUICK)).fit(X)
        ),
        "callback raises": result_of(lambda: rotnet(callbacks=[failing]).fit(X)),
        "callback stops": result_of(lambda: rotnet(callbacks=[stopping]).fit(X)),
    }
    for rank in (0, 1):
        with BadViews(rank, fails):
            found[f"rank {rank} fails"] = result_of(lambda: rotnet().fit(X))
        with BadViews(rank, lambda views: views * torch.nan):
            found[f"NaN in rank {rank}"] = result_of(lambda: rotnet().fit(X))
    with patch.object(RotationPretext, "after_step", spoil_weights):
        often = rotnet(checkpoint_dir=f"{folder}/spoilt", checkpoint_every=1e-9)
        found["NaN in a weight"] = result_of(lambda: often.fit(X))
    with patch.object(RotationPretext, "after_step", spoil_statistics):
        found["NaN in statistics"] = result_of(lambda: rotnet().fit(X))
    found["no seed"] = result_of(lambda: rotnet(random_state=None, max_epochs=1).fit(X))
    found["callback stops"]["seen"] = stopping.seen
    return found


def own_group():
    """Fits in a group that the script has opened, which fail in all processes."""
    dist.init_process_group("gloo")
    X = load()[0].astype("float32")
    X[0] = float("nan")
    kinds = []
    for _ in range(2):
        try:
            RotNetEmbedder(**SMALL_STEPS).fit(X)
        except ValueError as error:
            kinds.append((type(error).__name__, dist.is_initialized()))
    X[0] = 0
    loss = RotNetEmbedder(**SMALL_STEPS).fit(X).history_[-1]["loss"]
    dist.barrier()
    dist.destroy_process_group()
    return {"kinds": kinds, "loss": loss}


def searches():
    """Fits inside joblib belong to their process; scores do, too."""
    X, y = load()
    pipeline = make_pipeline(RotNetEmbedder(**SMALL_STEPS), StandardScaler(), RidgeClassifier())
    embedder = SimCLREmbedder(**SMALL_STEPS).fit(X)
    threads = Parallel(2, backend="threading")(
        delayed(RotNetEmbedder(**SMALL_STEPS).fit)(X[: 20 + 20 * i]) for i in range(1 + RANK)
    )
    return {
        "together": cross_val_score(pipeline, X, y, cv=2),
        "alone": len(threads),
        "score": embedder.score(X[: 20 + RANK]),
    }


if __name__ == "__main__":
    folder = sys.argv[1]
    warnings.simplefilter("error")
    found = {"cases": {case: fitted(case) for case in CASES}}
    found |= {"mistakes": mistakes(folder), "searches": searches()}
    found["resumed"] = run(f"{folder}/begun")
    found["own group"] = own_group()
    torch.save(found, f"{folder}/rank{RANK}.pt")
