"""Reading what is damaged, in a process that might not survive it."""

import shutil
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

import sklssl
from sklssl._storage.state_file import read_state, write_state
from sklssl.exceptions import StateFileError
from tests.faults._damage import damaged, foreign, tampered
from tests.faults._jobs import EVERY_STEP, X, Y, make

__all__ = ["make_files", "read_damaged", "read_tampered"]

_READ = {
    "checkpoint": lambda path: read_state(path, kind="checkpoint"),
    "model": sklssl.load,
}


def make_files(folder):
    """Write two whole files of each kind."""
    place = Path(folder, "checkpoints")

    def keep(estimator, row):
        if row["epoch"] in (2, 3):  # of which all steps but the last are done
            newest = max(place.glob("*.safetensors"))
            shutil.copy(newest, Path(folder, f"checkpoint-{'  ab'[row['epoch']]}"))

    estimator = make("RotNet", folder=place, every=EVERY_STEP, callbacks=[keep]).fit(X, Y)
    estimator.set_params(callbacks=None)
    for name in "ab":
        sklssl.save(estimator, Path(folder, f"model-{name}"))
        estimator = make("RotNet", max_epochs=1).fit(X)


def _outcome(read, *args):
    try:
        read(*args)
    except StateFileError:
        return "refused"
    except Exception as error:
        if "holds a different training run" in str(error):
            return "refused"
        return f"{type(error).__name__}: {error}"
    return "read"


def read_damaged(kind, folder, n, seed):
    """Count what came of reading damaged files, and list what was not refused."""
    good, other = (Path(folder, f"{kind}-{name}").read_bytes() for name in "ab")
    path, marker = Path(folder, f"damaged-{kind}"), Path(folder, "marker")
    tally, wrong = Counter(), []
    files = [*foreign(marker, np.random.default_rng(seed))]
    for what, data in [*files, *damaged(good, other, n - len(files), seed)]:
        path.write_bytes(data)
        outcome = _outcome(_READ[kind], path)
        tally["tried"] += 1
        tally["refused"] += outcome == "refused"
        if outcome != "refused":
            wrong.append(f"{what}: {outcome}")
    return {**tally, "wrong": wrong, "code_ran": marker.exists()}


def read_tampered(kind, folder, n, seed):
    """Read files that are whole, but hold other trees; list what is neither read nor refused."""
    path = Path(folder, f"{kind}-a")
    tree = read_state(path, kind={"model": "estimator"}.get(kind, kind))
    place = Path(folder, f"tampered-{kind}-{seed}")
    place.mkdir()
    tally, wrong = Counter(), []
    for what, changed in tampered(tree, n, seed):
        if kind == "model":
            write_state(place / "model", changed, kind="estimator")
            outcome = _outcome(sklssl.load, place / "model")
        else:
            outcome = _outcome(_fit_on, changed, place)
        tally["tried"] += 1
        tally["refused"] += outcome == "refused"
        if outcome not in ("refused", "read"):
            wrong.append(f"{what}: {outcome}")
    return {**tally, "wrong": wrong}


def _fit_on(tree, place):
    for old in place.glob("*.safetensors"):
        old.unlink()
    write_state(place / "checkpoint-00000001.safetensors", tree, kind="checkpoint")
    with warnings.catch_warnings(action="ignore"):
        make("RotNet", folder=place, every="epoch").fit(X, Y)
