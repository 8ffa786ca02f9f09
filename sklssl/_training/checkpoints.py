"""Checkpoints: the state needed to resume a training run, in files written atomically."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
import warnings
from collections.abc import Iterator
from numbers import Integral
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from torch import nn

from sklssl._runtime.ranks import Ranks
from sklssl._storage.module_state import check_kept
from sklssl._storage.state_file import read_state, write_state
from sklssl._training.fingerprint import callbacks_repr, what_is_learned
from sklssl._training.hashes import fingerprint_module
from sklssl._training.signals import DeferredSignals
from sklssl._training.state import checkpoint_mismatch_errors
from sklssl.exceptions import CheckpointWarning, StateFileError
from sklssl.utils._checks import naming_parameter

__all__ = ["Checkpoints", "open_checkpoints"]

_KEPT = 2
_NAME = re.compile(r"checkpoint-(\d{8})\.safetensors")


class Checkpoints:
    """The checkpoints of one training run; without a folder none are written.

    Of several processes only the first one has a folder; the others stop with it.

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

    ranks : Ranks, default=None
        The processes of the training run; None if it has no checkpoints.

    Attributes
    ----------
    found : dict or None
        The state from which training is resumed, until the run takes it.
    """

    def __init__(
        self,
        owner: Any,
        seed: int,
        folder: Path | None = None,
        about: dict[str, Any] | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        self.owner, self.seed, self.folder, self.about = owner, seed, folder, about or {}
        self.ranks = ranks  # of a run with a folder
        self.found: dict[str, Any] | None = None
        self.start: str | None = None
        # Now, since callbacks may change themselves when they are called.
        self._callbacks = "" if folder is None else callbacks_repr(owner)
        self._damaged: set[Path] = set()
        self._signals = DeferredSignals()
        self._saved_at = time.monotonic()
        self._stops = False  # whether a process received a signal

    def defer_signals(self) -> contextlib.AbstractContextManager[Any]:
        """Defer signals within the block, so that the state is saved before the process stops."""
        return contextlib.nullcontext() if self.ranks is None else self._signals

    def is_due(self, *, epoch_ended: bool = False) -> bool:
        """Return whether a checkpoint is due; all processes must ask together."""
        if self.ranks is None:
            return False
        is_time = epoch_ended
        if self.owner.checkpoint_every != "epoch":  # by the clock of the process that writes
            seconds = 60 * float(self.owner.checkpoint_every)
            is_time = self.ranks.leads and time.monotonic() - self._saved_at >= seconds
        self._stops, is_time = self.ranks.any(self._signals.pending is not None, is_time)
        return self._stops or is_time

    def save(self, state: dict[str, Any], *, finished: bool = False, stopped: bool = False) -> None:
        """Write a checkpoint, then stop if a signal was received. The two newest are kept.

        Parameters
        ----------
        state : dict

        finished : bool, default=False
            Whether the run is over.

        stopped : bool, default=False
            Whether a callback has ended it, so that other callbacks may not.

        Warns
        -----
        CheckpointWarning
            If it cannot be written. Earlier checkpoints are unchanged.
        """
        if self.folder is not None:
            stopped_by = self._callbacks if stopped else ""
            self._write({**state, "finished": finished, "stopped_by": stopped_by})
        if self._stops and self.ranks is not None:
            self.ranks.any(False)  # after this, the state is on the disk
        self._signals.release()

    def _write(self, state: dict[str, Any]) -> None:
        assert self.folder is not None
        tree = {"about": self.about, "start": self.start, "seed": self.seed, **state}
        try:
            older = self._paths()
            number = int(older[0].stem.removeprefix("checkpoint-")) + 1 if older else 1
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

    def resume(self) -> None:
        """Load the state of the run in the folder, if there is one.

        Raises
        ------
        StateFileError
            If there are checkpoints, but none can be read.
        """
        state = self._read() if self.owner.resume == "auto" else None
        if state is None:
            return
        with checkpoint_mismatch_errors(type(self.owner).__name__):
            if state["about"] != self.about:
                raise ValueError("it belongs to another training run")
            finished, seed = bool(state["finished"]), int(state["seed"])
        # Without a seed, a finished run is followed by a new one.
        if isinstance(self.owner.random_state, Integral) or not finished:
            self.found, self.seed = state, seed

    def check_start(self, network: nn.Module) -> None:
        """Record the initial weights, or check that they are those of the resumed run.

        Raises
        ------
        ValueError
        """
        if self.folder is None:
            return
        start = fingerprint_module(network)
        if self.found is not None and self.found.get("start") != start:
            raise ValueError(
                f"{_parameter(self.owner)}: '{self.folder}' holds a training run that started "
                "from other weights. Pass the same embedder (if it is not fitted, with an int as "
                "its random_state), use another folder, or set resume='never' to replace it."
            )
        self.start = start

    def check_task(self, task: nn.Module) -> None:
        """Check that checkpoints keep all that a task remembers.

        Raises
        ------
        TypeError
            If they would lose some of it. The message names the attribute.
        """
        if self.ranks is not None:
            with naming_parameter(self.owner, "checkpoint_dir"):
                check_kept(task)

    def _paths(self) -> list[Path]:
        """List the checkpoints, newest first."""
        return _list_checkpoints(Path(self.folder or ""))

    def _read(self) -> dict[str, Any] | None:
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
            if state.get("stopped_by") and state["stopped_by"] != self._callbacks:
                continue  # the one before has what it takes to go on
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
    estimator: Any, seed: int, about: dict[str, Any] | None, ranks: Ranks
) -> Iterator[Checkpoints]:
    """Open the checkpoints of a training run, and lock their folder.

    Of several processes the first one does so; the others get its seed and its state.

    Parameters
    ----------
    estimator : estimator
        The estimator to train, with its `checkpoint_dir`; if training continues, in its fitted
        state.

    seed : int
        The seed drawn from its `random_state`.

    about : dict or None
        What :func:`describe_fit` returns; None for a run without checkpoints.

    ranks : Ranks

    Raises
    ------
    ValueError
        If `checkpoint_dir` cannot be used.
    StateFileError
        If the folder of the run holds checkpoints, none of which can be read.
    """
    if about is None:
        yield Checkpoints(estimator, ranks.share(seed))
        return
    if not ranks.leads:
        checkpoints = Checkpoints(estimator, seed, ranks=ranks)
        checkpoints.seed, checkpoints.found = ranks.share((seed, checkpoints.found))
        yield checkpoints
        return
    about = what_is_learned(estimator, about)
    with _locked_folder(estimator, about) as folder:
        checkpoints = Checkpoints(estimator, seed, folder, about, ranks)
        checkpoints.resume()
        ranks.share((checkpoints.seed, checkpoints.found))
        yield checkpoints


@contextlib.contextmanager
def _locked_folder(estimator: Any, about: dict[str, Any]) -> Iterator[Path]:
    """Lock the folder of a training run, which `about` names, within `checkpoint_dir`."""
    parent = Path(os.path.abspath(os.path.expanduser(estimator.checkpoint_dir)))
    name = f"{about['estimator']}-{hashlib.sha256(repr(about).encode()).hexdigest()[:16]}"
    # The same run several times simultaneously, as with random_state=None.
    choices = [name, *(f"{name}-{i}" for i in range(2, 100))]
    folders = [parent / choice for choice in choices]
    if not isinstance(estimator.random_state, Integral) and os.path.isdir(folders[1]):
        folders.sort(key=_is_over)  # such a run goes on before a new one begins
    with contextlib.ExitStack() as stack:
        for folder in folders:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                stack.enter_context(FileLock(folder / ".lock", timeout=0))
            except Timeout:
                continue
            except (OSError, NotImplementedError, ValueError) as error:
                raise ValueError(f"{_parameter(estimator)} cannot be used: {error}") from error
            for part in folder.glob(".checkpoint-*.part"):  # left by a process that was killed
                with contextlib.suppress(OSError):
                    part.unlink()
            yield folder
            return
        raise ValueError(
            f"{_parameter(estimator)}: {len(choices)} fits of this estimator on these images are "
            f"under way in '{parent}'. Wait for one of them to end, or use another folder."
        )


def _is_over(folder: Path) -> bool:
    """Return whether a folder has no run, or one whose newest checkpoint is its last."""
    try:
        newest = _list_checkpoints(folder)[:1]
        return all(read_state(path, kind="checkpoint")["finished"] for path in newest)
    except (StateFileError, OSError):
        return True


def _list_checkpoints(folder: Path) -> list[Path]:
    """List the checkpoints in a folder, newest first."""
    names = sorted(filter(_NAME.fullmatch, os.listdir(folder)), reverse=True)
    return [folder / name for name in names]


def _parameter(estimator: Any) -> str:
    return f"The 'checkpoint_dir' parameter of {type(estimator).__name__}"
