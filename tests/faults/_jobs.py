"""What the forked processes do. Arguments and results are what JSON knows."""

import contextlib
import os
import time
import warnings
from pathlib import Path

from sklssl import (
    FineTuneClassifier,
    MultiScaleEmbedder,
    RotationDecouplingEmbedder,
    RotNetEmbedder,
    ScaleNetEmbedder,
    SimCLREmbedder,
)
from sklssl._training import checkpoints
from tests._determinism import digest, load
from tests._seed import SEED
from tests.faults._sabotage import Saboteur

__all__ = ["fit"]

EVERY_STEP = 1e-9  # minutes
X, Y = load()


# Of a small network, as a checkpoint is written after each step; one has the default network.
SMALL = {"backbone": "convnet", "batch_size": 10, "random_state": SEED}


def _rotnet(max_epochs=4, **given):
    return RotNetEmbedder(max_epochs=max_epochs, **SMALL, **given)


def _simclr(max_epochs=4, **given):
    return SimCLREmbedder(max_epochs=max_epochs, **SMALL, **given)


def _fine_tuned(checkpoint_dir=None, **given):
    # The embedder has checkpoints of its own: it is fitted, too.
    own = None if checkpoint_dir is None else os.path.join(checkpoint_dir, "embedder")
    return FineTuneClassifier(
        RotNetEmbedder(max_epochs=2, checkpoint_dir=own, **SMALL, **given),
        augment=True,
        early_stopping=True,
        validation_fraction=0.5,
        n_iter_no_change=2,
        max_epochs=5,
        batch_size=10,
        random_state=SEED,
        checkpoint_dir=checkpoint_dir,
        **given,
    )


CASES = {
    "RotNet": _rotnet,
    "SimCLR": _simclr,
    "RotationDecoupling": lambda **given: RotationDecouplingEmbedder(
        max_epochs=4, **SMALL, **given
    ),
    "ScaleNet": lambda **given: ScaleNetEmbedder(
        max_epochs=2, batch_size=10, random_state=SEED, **given
    ),
    "MultiScale": lambda **given: MultiScaleEmbedder(
        _simclr(max_epochs=2, **given), scales=(0.75, 1.0)
    ),
    "FineTune": _fine_tuned,
}


def warm_up():
    """Fit once, for what is loaded and set up by the first fit of a process."""
    with warnings.catch_warnings(action="ignore"):
        digest(_fine_tuned().fit(X, Y))


def make(case, folder=None, every=EVERY_STEP, **given):
    """Make an estimator with checkpoints in a folder, if there is one."""
    if folder is not None:
        given |= {"checkpoint_dir": folder, "checkpoint_every": every}
    return CASES[case](**given)


def fit(case, notes=None, trouble=None, **given):
    """Fit; give a digest of all that comes of it, the seconds, and the warnings."""
    estimator = make(case, **given)
    if notes is not None:
        note_checkpoints(notes)
    saboteur = Saboteur(**trouble) if trouble else None
    with warnings.catch_warnings(record=True) as caught, saboteur or contextlib.nullcontext():
        warnings.simplefilter("always")
        start = time.perf_counter()
        estimator.fit(X, Y)
        seconds = time.perf_counter() - start
    return {
        "digest": digest(estimator),
        "seconds": seconds,
        "epochs": len(estimator.history_),
        "warnings": [f"{w.category.__name__}: {w.message}" for w in caught],
        "calls": saboteur.calls if saboteur else None,
    }


def note_checkpoints(path):
    """Note each checkpoint once it is written, and each that is gone on from, by its position."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    write, resume = checkpoints.write_state, checkpoints.Checkpoints.resume

    def note(what, folder, state):
        position = state.get("position", {}) if state else {}
        place = [len(state["history"]), position.get("step", 0)] if state else [-1, 0]
        os.write(file, f"{what} {place[0]} {place[1]} {folder}\n".encode())

    def write_and_note(target, tree, **kwargs):
        write(target, tree, **kwargs)
        note("saved", Path(target).parent, tree)

    def resume_and_note(self, **kwargs):
        resume(self, **kwargs)
        note("found", self.folder, self.found)

    checkpoints.write_state = write_and_note
    checkpoints.Checkpoints.resume = resume_and_note
