"""The progress line of a training run, updated in place or printed once per epoch."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from numbers import Real
from typing import Any, TextIO

from sklssl._training.pretext_checks import NOT_TERMS

__all__ = ["ProgressLine"]

_EVERY = 0.25  # seconds between two updates
_WINDOW = 100  # updates over which the speed is measured
_LONGEST = 100  # characters per line of a notebook

# Ranks of the parts: if a line is too long, those with larger numbers are omitted first.
_EPOCH, _LOSS, _TIME, _ACCURACY, _VALIDATION, _MEASURE, _SCALE, _SPEED, _NAME, _LOSSES = range(10)


class ProgressLine:
    """Show the progress, loss terms, speed and remaining time of a training run.

    In a terminal and a notebook one line is updated in place. Elsewhere, as in a file, one line is
    printed per epoch.

    Parameters
    ----------
    name : str
        The name of the estimator.
    n_images : int
        Number of images per epoch.
    phases : sequence of Phase
        All phases of the training run.
    verbose : int
        0 shows nothing; 2 keeps one line per epoch in a terminal and a notebook too.
    """

    def __init__(self, name: str, n_images: int, phases: Sequence[Any], verbose: int) -> None:
        self._screen = _find_screen() if verbose else None
        self._keeps_all = verbose > 1 or isinstance(self._screen, _Plain)
        self._name, self._n_images, self._phases = name, n_images, phases
        self._several = len({phase.scale for phase in phases if phase.max_epochs}) > 1
        # partial_fit trains one epoch per call, so the total is unknown.
        self._knows_total = sum(phase.max_epochs for phase in phases) != 1
        self._began, self._due = time.perf_counter(), 0.0
        self._marks: deque[tuple[float, float]] = deque(maxlen=_WINDOW)  # (time, epochs done)
        self._row: dict[str, Any] = {}  # row of the last epoch
        self._done, self._total = 0, 0  # epochs
        self._is_begun = False

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def begin(self, number: int, n_done: int, n_before: int) -> None:
        """Begin or resume a phase.

        Parameters
        ----------
        number : int
            The index of the phase.
        n_done : int
            Number of completed epochs of the phase.
        n_before : int
            Number of completed epochs of all phases and earlier training runs.
        """
        self._scale, later = self._phases[number].scale, self._phases[number + 1 :]
        self._done, self._phase_end = n_before, n_before + self._phases[number].max_epochs - n_done
        self._total = self._phase_end + sum(phase.max_epochs for phase in later)
        # In units of epochs of this phase: the time is proportional to the number of pixels.
        self._later = sum(phase.max_epochs * (phase.scale / self._scale) ** 2 for phase in later)
        self._marks.clear()
        self._row = {}  # losses at different scales are not comparable
        self._due, self._is_begun = 0.0, True

    def see(self, share: float) -> None:
        """Record that this fraction of the current epoch is done; negligible cost."""
        if self._screen is None:
            return
        now = time.perf_counter()
        if now >= self._due:
            self._marks.append((now, self._done + share))
            self._show(share)

    def end_epoch(self, row: dict[str, Any]) -> None:
        """Record the row of a completed epoch."""
        if self._screen is None:
            return
        now = time.perf_counter()
        self._row, self._done = row, row["epoch"]
        self._marks.append((now, self._done))
        if self._keeps_all:
            self._screen.keep(self._text(self._screen.width))
            self._due = 0.0
        elif now >= self._due:
            self._show()

    def clear(self) -> None:
        """Clear the line for other output; it reappears with the next update."""
        if self._screen is not None:
            self._screen.clear()
            self._due = 0.0

    def close(self) -> None:
        """Keep the last state on the screen."""
        screen, self._screen = self._screen, None
        if screen is None or not self._is_begun:
            return
        if self._keeps_all:
            screen.clear()
        else:
            screen.keep(self._text(screen.width, is_over=True))

    def _show(self, share: float = 0.0) -> None:
        assert self._screen is not None
        self._screen.show(self._text(self._screen.width, share))
        self._due = time.perf_counter() + _EVERY

    # The text ----------------------------------------------------------------------------------

    def _text(self, width: int, share: float = 0.0, *, is_over: bool = False) -> str:
        return _fit(self._pieces(share, is_over or self._done == self._total), width)

    def _pieces(self, share: float, is_over: bool) -> Iterator[tuple[int, str]]:
        """Iterate over (rank, text) of the parts of the line."""
        yield _NAME, self._name
        # Loss terms are those of the previous epoch, so the number of completed epochs is shown.
        done = f"{self._done}.{min(int(10 * share), 9)}" if share else str(self._done)
        yield _EPOCH, f"epoch {done}/{self._total}" if self._knows_total else f"epoch {done}"
        if self._several:
            yield _SCALE, f"scale {self._scale:.3g}"
        for name in sorted(self._row, key=_rank):  # stable, to keep the order of the others
            if name not in NOT_TERMS and isinstance(self._row[name], Real):
                yield _rank(name), _show_term(name, self._row[name])
        epochs_per_second = self._epochs_per_second()
        if epochs_per_second > 0:
            yield _SPEED, _show_speed(self._n_images * epochs_per_second)
        if is_over:
            yield _TIME, f"took {_clock(time.perf_counter() - self._began)}"
        elif epochs_per_second > 0:
            left = self._phase_end - self._done - share + self._later
            yield _TIME, f"{_clock(left / epochs_per_second)} left"

    def _epochs_per_second(self) -> float:
        """Return the speed of late, or 0 if it is not known."""
        if not self._marks:
            return 0.0
        (start, before), (now, done) = self._marks[0], self._marks[-1]
        return (done - before) / (now - start) if now > start else 0.0


def _rank(term: str) -> int:
    """Return the rank of a term: the main terms come before other losses."""
    if "loss" in term:
        return _LOSS if term == "loss" else _LOSSES
    if term == "accuracy":
        return _ACCURACY
    return _VALIDATION if term.startswith("valid") else _MEASURE


def _show_term(name: str, value: Any) -> str:
    shown = f"{value:.2f}" if "accuracy" in name else f"{value:.3g}"
    return f"{name.replace('_', ' ')} {shown}"


def _show_speed(images_per_second: float) -> str:
    digits = 0 if images_per_second >= 10 else 1
    return f"{images_per_second:,.{digits}f} images/s"


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _fit(ranked: Iterator[tuple[int, str]], width: int) -> str:
    """Join parts, omitting the least important ones if the line is too long."""
    pieces = list(ranked)
    while True:
        line = " | ".join(text for _, text in pieces)
        if len(line) <= width or len(pieces) == 1:
            return line[:width]
        last = max(range(len(pieces)), key=lambda i: (pieces[i][0], i))
        del pieces[last]


# Where the line is shown ----------------------------------------------------------------------


class _Screen:
    """Where nothing can be replaced or removed."""

    width = sys.maxsize  # in characters

    def show(self, text: str) -> None:
        """Replace the current line."""

    def keep(self, text: str) -> None:
        """Show a line permanently; the next one starts below it."""
        raise NotImplementedError

    def clear(self) -> None:
        """Remove the line."""


def _find_screen() -> _Screen | None:
    # Always loaded in a notebook; elsewhere, another thread may be importing it.
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    if get_ipython is not None and hasattr(get_ipython(), "kernel"):
        return _Notebook()
    stream = sys.stderr
    if stream is None:  # for example with pythonw
        return None
    in_place = stream.isatty() and os.environ.get("TERM") != "dumb"
    return _Terminal(stream) if in_place else _Plain(stream)


def _write(stream: TextIO, text: str) -> None:
    # Training must not fail because the output stream was closed.
    with contextlib.suppress(OSError, ValueError):
        stream.write(text)
        stream.flush()


class _Plain(_Screen):
    """A file or a pipe."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def keep(self, text: str) -> None:
        _write(self._stream, f"{text}\n")


class _Terminal(_Screen):
    """A terminal. The cursor stays at the start of the line, so other output overwrites it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._length = 0  # length of the current line

    @property
    def width(self) -> int:  # type: ignore[override]
        columns = 0
        with contextlib.suppress(OSError, ValueError):
            columns = os.get_terminal_size(self._stream.fileno()).columns
        return (columns or 80) - 1  # a full line may wrap

    def show(self, text: str) -> None:
        self._replace(text, "\r")
        self._length = len(text)

    def keep(self, text: str) -> None:
        self._replace(text, "\n")
        self._length = 0

    def clear(self) -> None:
        if self._length:
            self.show("")

    def _replace(self, text: str, end: str) -> None:
        _write(self._stream, f"\r{text.ljust(min(self._length, self.width))}{end}")


class _Notebook(_Screen):
    """A Jupyter notebook: plain-text output, which is saved with the notebook."""

    width = _LONGEST

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, text: str) -> None:
        from IPython.display import display  # only available in a notebook

        data = {"text/plain": text}
        if self._handle is None:
            self._handle = display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)

    def keep(self, text: str) -> None:
        self.show(text)
        self._handle = None
