"""Writing to a disk that fails."""

import os
import resource
import shutil
import signal
import warnings
from pathlib import Path

import sklssl
from tests._determinism import digest
from tests.faults._jobs import EVERY_STEP, X, Y, make
from tests.faults._sabotage import Saboteur

__all__ = ["fit_while_removed", "fit_with_small_files", "save_in_trouble", "save_with_small_files"]


def _limit_files(n_bytes):
    """Let files grow to so many bytes only, as a quota does."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, resource.RLIM_INFINITY))


def _unlimit_files():
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)


def fit_with_small_files(folder, n_bytes):
    """Fit where the disk is full from the second epoch on."""

    def limit(estimator, row):
        if row["epoch"] == 2:
            _limit_files(n_bytes)

    estimator = make("RotNet", folder=folder, every="epoch", callbacks=[limit])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator.fit(X, Y)
    _unlimit_files()
    messages = [str(w.message) for w in caught]
    return {"digest": digest(estimator), "warnings": messages}


def fit_while_removed(folder):
    """Fit while somebody removes the folder of the checkpoints."""

    def remove(estimator, row):
        if row["epoch"] == 2:
            shutil.rmtree(folder)

    estimator = make("RotNet", folder=folder, every=EVERY_STEP, callbacks=[remove])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator.fit(X, Y)
    return {"digest": digest(estimator), "warnings": [w.category.__name__ for w in caught]}


def _save(estimator, path):
    try:
        sklssl.save(estimator, path)
    except OSError as error:
        return error.errno
    return None


def save_in_trouble(path, error):
    """Save over a file with each call failing in turn; tell what the file was after each."""
    old, new = (make("RotNet", max_epochs=epochs).fit(X, Y) for epochs in (1, 2))
    outcomes = []
    while not outcomes or outcomes[-1]["struck"]:
        sklssl.save(old, path)
        before = Path(path).read_bytes()
        with Saboteur(len(outcomes) + 1, error) as saboteur:
            raised = _save(new, path)
        outcomes.append(
            {
                "struck": saboteur.calls >= saboteur.at,
                "raised": raised,
                "as_it_was": Path(path).read_bytes() == before,
                "whole": digest(sklssl.load(path)) in (digest(old), digest(new)),
                "files": os.listdir(os.path.dirname(path)),
            }
        )
    return outcomes


def save_with_small_files(path, n_bytes):
    """Save over a file where the disk is full."""
    estimator = make("RotNet", max_epochs=1).fit(X, Y)
    sklssl.save(estimator, path)
    before = Path(path).read_bytes()
    _limit_files(n_bytes)
    raised = _save(estimator, path)
    _unlimit_files()
    as_it_was = Path(path).read_bytes() == before
    return {"raised": raised, "as_it_was": as_it_was, "files": os.listdir(os.path.dirname(path))}
