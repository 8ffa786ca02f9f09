"""Checkpoints: the state needed to resume a training run, in files written atomically."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
import warnings
from collections.abc import Iterator
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from torch import nn

from sklssl._storage.state_file import read_state, write_state
from sklssl._training.fingerprint import (
    canonical_repr,
    fingerprint,
    fingerprint_module,
    settings_repr,
)
from sklssl._training.signals import DeferredSignals
from sklssl._training.state import checkpoint_mismatch_errors
from sklssl.exceptions import CheckpointWarning, StateFileError
from sklssl.utils._sklearn_compat import Interval, StrOptions

__all__ = ["CHECKPOINT_CONSTRAINTS", "Checkpoints", "Resumable", "open_checkpoints"]

CHECKPOINT_CONSTRAINTS = {
    "checkpoint_dir": [str, os.PathLike, None],
    "checkpoint_every": [StrOptions({"epoch"}), Interval(Real, 0, None, closed="neither")],
    "resume": [StrOptions({"auto", "never"})],
}

_KEPT = 2
_NAME = re.compile(r"checkpoint-(\d{8})\.safetensors")


class Resumable:
    """Mixin for estimators whose training runs write checkpoints."""

    _is_clone = False

    def __sklearn_clone__(self) -> Any:
        # Searches fit many clones at the same time, so each clone uses a separate folder.
        fresh = super().__sklearn_clone__()  # type: ignore[misc]
        fresh._is_clone = True
        return fresh


class Checkpoints:
    """The checkpoints of one training run; without a folder none are written.

    Parameters
    ----------
    owner : estimator
        The estimator with the parameters `checkpoint_every` and `resume`; named in messages.

    seed : int
        The seed of the training run. A resumed run keeps its own.

    folder : Path, default=None
        The folder of the checkpoints.

    about : dict, default=None
        The identity of the training run, to distinguish it from others.

    Attributes
    ----------
    found : dict or None
        The state from which training is resumed.
    """

    def __init__(self, owner, seed, folder=None, about=None):
        self.owner, self.seed, self.folder, self.about = owner, seed, folder, about or {}
        self.found = None
        self._damaged = set()
        self._signals = DeferredSignals()
        self._saved_at = time.monotonic()

    def defer_signals(self):
        """Defer signals within the block, so that the state is saved before the process stops."""
        return contextlib.nullcontext() if self.folder is None else self._signals

    def is_due(self, *, epoch_ended=False):
        """Return whether a checkpoint is due."""
        if self.folder is None:
            return False
        if self.owner.checkpoint_every == "epoch":
            in_time = epoch_ended
        else:
            in_time = time.monotonic() - self._saved_at >= 60 * self.owner.checkpoint_every
        return in_time or self._signals.pending is not None

    def save(self, state, *, finished=False):
        """Write a checkpoint, then stop if a signal was received. The two newest are kept.

        Warns
        -----
        CheckpointWarning
            If it cannot be written. Earlier checkpoints are unchanged.
        """
        if self.folder is None:
            return
        tree = {"about": self.about, "seed": self.seed, "finished": finished, **state}
        try:
            older = self._paths()
            number = int(_NAME.fullmatch(older[0].name)[1]) + 1 if older else 1
            path = self.folder / f"checkpoint-{number:08}.safetensors"
            write_state(path, tree, kind="checkpoint")
            whole = [path for path in older if path not in self._damaged]
            for path in {*older} - {*whole[: _KEPT - 1]}:
                path.unlink(missing_ok=True)
        except (OSError, TypeError) as error:
            warnings.warn(
                f"{type(self.owner).__name__}: no checkpoint could be written in "
                f"'{self.folder}': {error}. Training continues, and earlier checkpoints are "
                "unchanged.",
                CheckpointWarning,
                stacklevel=2,
            )
        self._saved_at = time.monotonic()
        self._signals.release()

    def resume(self, *, replaces_finished):
        """Load the state of the training run in the folder, if there is one.

        Raises
        ------
        ValueError
            If it is a different training run. The message lists the differences.
        StateFileError
            If there are checkpoints, but none can be read.
        """
        state = self._read() if self.owner.resume == "auto" else None
        if state is None:
            return
        with checkpoint_mismatch_errors(type(self.owner).__name__):
            differing = _differences(state["about"], self.about)
            finished, seed = bool(state["finished"]), int(state["seed"])
        if not differing:
            # Without a seed, a finished run is followed by a new one.
            if isinstance(self.owner.random_state, Integral) or not finished:
                self.found, self.seed = state, seed
        elif not (replaces_finished and finished):
            raise ValueError(
                f"{_parameter(self.owner)}: '{self.folder}' holds a different training run: "
                f"{'; '.join(differing)}. Correct this to resume it, use another folder, or set "
                "resume='never' to replace it."
            )

    def check_start(self, network):
        """Record the initial weights, or check that they are those of the resumed run.

        Raises
        ------
        ValueError
        """
        if self.folder is None:
            return
        start = fingerprint_module(network)
        if self.found is not None and self.found["about"].get("start") != start:
            raise ValueError(
                f"{_parameter(self.owner)}: '{self.folder}' holds a training run that started from "
                "other weights. Pass the same embedder (if it is not fitted, with an int as its "
                "random_state), use another folder, or set resume='never' to replace it."
            )
        self.about["start"] = start

    def _paths(self):
        """List the checkpoints, newest first."""
        names = sorted(name for name in os.listdir(self.folder) if _NAME.fullmatch(name))
        return [self.folder / name for name in reversed(names)]

    def _read(self):
        """Read the newest intact checkpoint, if there is one."""
        problem = None
        for path in self._paths():
            try:
                state = read_state(path, kind="checkpoint")
            except (StateFileError, OSError) as error:  # a disk error may affect a single file
                read = isinstance(error, StateFileError)
                problem = problem or (error if read else f"'{path}' was not read: {error}.")
                self._damaged.add(path)
                continue
            if problem:
                warnings.warn(
                    f"{problem} The previous one is used.", CheckpointWarning, stacklevel=2
                )
            return state
        if problem:
            raise StateFileError(
                f"{problem} There is no other checkpoint in the 'checkpoint_dir' of "
                f"{type(self.owner).__name__}. Use another folder, or set resume='never' to start "
                "afresh."
            )
        return None


@contextlib.contextmanager
def open_checkpoints(
    estimator: Any,
    seed: int,
    rows: list[Any],
    *,
    wanted: bool = True,
    start: nn.Module | None = None,
    phases: list[Any] | None = None,
) -> Iterator[Checkpoints]:
    """Open the checkpoints of a training run, and lock their folder.

    Parameters
    ----------
    estimator : Resumable
        The estimator with the parameter `checkpoint_dir`.

    seed : int
        The seed drawn from its `random_state`.

    rows : list of arrays
        The training data.

    wanted : bool, default=True
        Whether to write checkpoints, if there is a folder for them.

    start : nn.Module, default=None
        The module of a warm start. A finished training run is then replaced.

    phases : list of Phase, default=None
        The phases of training, if they are not those of the estimator.

    Raises
    ------
    ValueError
        If `checkpoint_dir` cannot be used, is in use, or holds a different training run.
    StateFileError
        If it holds checkpoints, but none can be read.
    """
    if estimator.checkpoint_dir is None or not wanted:
        yield Checkpoints(estimator, seed)
        return
    settings = settings_repr(estimator)
    if isinstance(estimator.random_state, Integral):
        settings["random_state"] = canonical_repr(estimator.random_state)
    if start is not None:
        settings["the start of warm_start"] = fingerprint_module(start)
    if phases is not None:
        settings["the scales"] = canonical_repr(phases)
    about = {
        "estimator": type(estimator).__name__,
        "settings": settings,
        "rows": [fingerprint(array) for array in rows],
    }
    with _locked_folder(estimator, about) as folder:
        checkpoints = Checkpoints(estimator, seed, folder, about)
        checkpoints.resume(replaces_finished=start is not None)
        yield checkpoints


@contextlib.contextmanager
def _locked_folder(estimator: Any, about: dict[str, Any]) -> Iterator[Path]:
    """Lock the folder of a training run: `checkpoint_dir`, or a subfolder for clones."""
    folder = Path(os.path.expanduser(estimator.checkpoint_dir))
    choices = [folder]
    if estimator._is_clone:
        name = f"{about['estimator']}-{hashlib.sha256(repr(about).encode()).hexdigest()[:16]}"
        # The same run several times simultaneously, as with random_state=None.
        choices = [folder / name, *(folder / f"{name}-{i}" for i in range(2, 100))]
    with contextlib.ExitStack() as stack:
        for choice in choices:
            try:
                choice.mkdir(parents=True, exist_ok=True)
                stack.enter_context(FileLock(choice / ".lock", timeout=0))
            except Timeout:
                continue
            except (OSError, NotImplementedError, ValueError) as error:
                raise ValueError(f"{_parameter(estimator)} cannot be used: {error}") from error
            for part in choice.glob(".checkpoint-*.part"):  # left by a killed process
                with contextlib.suppress(OSError):
                    part.unlink()
            yield choice
            return
        raise ValueError(
            f"{_parameter(estimator)}: another fit is using '{folder}'. Wait until it has ended, "
            "or use another folder."
        )


def _parameter(estimator: Any) -> str:
    return f"The 'checkpoint_dir' parameter of {type(estimator).__name__}"


def _differences(there: dict[str, Any], here: dict[str, Any]) -> list[str]:
    """Describe the differences between two training runs."""
    if there["estimator"] != here["estimator"]:
        return [f"it belongs to {there['estimator']}"]
    was, now = there["settings"], here["settings"]
    differing = [
        f"{name} was {was.get(name, 'not set')} and is {now.get(name, 'not set')}"
        for name in dict.fromkeys([*was, *now])
        if was.get(name) != now.get(name)
    ]
    if there["rows"] != here["rows"]:
        differing.append("it was trained on other data")
    return differing
