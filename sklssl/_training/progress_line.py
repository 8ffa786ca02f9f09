"""The line that says how a training goes: in place where that can be, else one for each epoch."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from numbers import Real
from typing import Any, Protocol, TextIO

__all__ = ["ProgressLine"]

_EVERY = 0.25  # seconds between two looks of the line
_WINDOW = 100  # looks and epochs that the speed is measured over
_NOT_TERMS = {"epoch", "phase", "scale", "learning_rate", "duration"}  # of what a row holds
_LONGEST = 100  # characters that a notebook shows in one line

# What goes first where a line is too long: the larger number.
_EPOCH, _LOSS, _TIME, _ACCURACY, _VALIDATION, _MEASURE, _SCALE, _SPEED, _NAME, _LOSSES = range(10)


class ProgressLine:
    """Says how far a training is, how good, how fast, and how long it will still take.

    A terminal and a notebook have one line that changes in place. Elsewhere, as in a file, there
    is a line for each epoch.

    Parameters
    ----------
    name : str
        Of what is trained.
    n_images : int
        The images that an epoch goes through.
    phases : sequence of Phase
        All of the training.
    verbose : int
        0 says nothing; 2 leaves a line for each epoch in a terminal and a notebook, too.
    """

    def __init__(self, name: str, n_images: int, phases: Sequence[Any], verbose: int) -> None:
        self._screen = _find_screen() if verbose else None
        self._keeps_all = verbose > 1 or isinstance(self._screen, _Plain)
        self._name, self._n_images, self._phases = name, n_images, phases
        self._several = len({phase.scale for phase in phases if phase.max_epochs}) > 1
        # partial_fit trains one epoch a call, and nobody knows how many there will be.
        self._knows_total = sum(phase.max_epochs for phase in phases) != 1
        self._began, self._due = time.perf_counter(), 0.0
        self._marks: deque[tuple[float, float]] = deque(maxlen=_WINDOW)  # (time, epochs done)
        self._row: dict[str, Any] = {}  # of the last epoch
        self._done, self._total = 0, 0  # epochs
        self._is_begun = False

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def begin(self, number: int, n_done: int, n_before: int) -> None:
        """Begin a phase, or go on with it.

        Parameters
        ----------
        number : int
            Of the phase.
        n_done : int
            The epochs of it that are done.
        n_before : int
            The epochs done of all phases, and of trainings before.
        """
        self._scale, later = self._phases[number].scale, self._phases[number + 1 :]
        self._done, self._phase_end = n_before, n_before + self._phases[number].max_epochs - n_done
        self._total = self._phase_end + sum(phase.max_epochs for phase in later)
        # In epochs as long as one of this phase: the time goes with the number of pixels.
        self._later = sum(phase.max_epochs * (phase.scale / self._scale) ** 2 for phase in later)
        self._marks.clear()
        self._row = {}  # a loss at another scale is another thing
        self._due, self._is_begun = 0.0, True

    def see(self, share: float) -> None:
        """Note that this share of the present epoch is done; costs next to nothing."""
        if self._screen is None:
            return
        now = time.perf_counter()
        if now >= self._due:
            self._marks.append((now, self._done + share))
            self._show(share)

    def end_epoch(self, row: dict[str, Any]) -> None:
        """Note the row of an epoch that is done."""
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
        """Make room for what others print; the line comes back with what is noted next."""
        if self._screen is not None:
            self._screen.clear()
            self._due = 0.0

    def close(self) -> None:
        """Leave the last state behind."""
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
        """Give the pieces of the line with what they rank."""
        yield _NAME, self._name
        # The terms are those of the epoch before, so this is what is done, and not a count from 1.
        done = f"{self._done}.{min(int(10 * share), 9)}" if share else str(self._done)
        yield _EPOCH, f"epoch {done}/{self._total}" if self._knows_total else f"epoch {done}"
        if self._several:
            yield _SCALE, f"scale {self._scale:.3g}"
        for name in sorted(self._row, key=_rank):  # stable: others stay as they are in the row
            if name not in _NOT_TERMS and isinstance(self._row[name], Real):
                yield _rank(name), _show_term(name, self._row[name])
        (start, before), (now, done_now) = self._marks[0], self._marks[-1]
        epochs_a_second = (done_now - before) / (now - start) if now > start else 0.0
        if epochs_a_second > 0:
            yield _SPEED, _show_speed(self._n_images * epochs_a_second)
        if is_over:
            yield _TIME, f"took {_clock(time.perf_counter() - self._began)}"
        elif epochs_a_second > 0:
            left = self._phase_end - self._done - share + self._later
            yield _TIME, f"{_clock(left / epochs_a_second)} left"


def _rank(term: str) -> int:
    """Rank a term of a row: what a training is judged by counts more than the other losses."""
    if "loss" in term:
        return _LOSS if term == "loss" else _LOSSES
    if term == "accuracy":
        return _ACCURACY
    return _VALIDATION if term.startswith("valid") else _MEASURE


def _show_term(name: str, value: Any) -> str:
    shown = f"{value:.2f}" if "accuracy" in name else f"{value:.3g}"
    return f"{name.replace('_', ' ')} {shown}"


def _show_speed(images_a_second: float) -> str:
    digits = 0 if images_a_second >= 10 else 1
    return f"{images_a_second:,.{digits}f} images/s"


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _fit(ranked: Iterator[tuple[int, str]], width: int) -> str:
    """Join pieces, without those that count least where there is no room for all."""
    pieces = list(ranked)
    while True:
        line = " | ".join(text for _, text in pieces)
        if len(line) <= width or len(pieces) == 1:
            return line[:width]
        last = max(range(len(pieces)), key=lambda i: (pieces[i][0], i))
        del pieces[last]


# Where the line is shown ----------------------------------------------------------------------


class _Screen(Protocol):
    @property
    def width(self) -> int:
        """The characters there is room for."""

    def show(self, text: str) -> None:
        """Show a line in the place of the one before."""

    def keep(self, text: str) -> None:
        """Show a line that stays; the next begins below it."""

    def clear(self) -> None:
        """Take the line away."""


def _find_screen() -> _Screen | None:
    ipython = sys.modules.get("IPython")  # who runs in a notebook has loaded it
    if ipython is not None and hasattr(ipython.get_ipython(), "kernel"):
        return _Notebook()
    stream = sys.stderr
    if stream is None:  # as under pythonw
        return None
    in_place = stream.isatty() and os.environ.get("TERM") != "dumb"
    return _Terminal(stream) if in_place else _Plain(stream)


def _write(stream: TextIO, text: str) -> None:
    # No training ends because nobody reads any more what it says.
    with contextlib.suppress(OSError, ValueError):
        stream.write(text)
        stream.flush()


class _Plain:
    """A file, or a pipe."""

    width = sys.maxsize

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def show(self, text: str) -> None:
        pass

    def keep(self, text: str) -> None:
        _write(self._stream, f"{text}\n")

    def clear(self) -> None:
        pass


class _Terminal:
    """A terminal. The cursor waits at the start of the line: what others print goes over it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._length = 0  # of what stands there

    @property
    def width(self) -> int:
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


class _Notebook:
    """A notebook of Jupyter: an output of plain text, which is saved with it."""

    width = _LONGEST

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, text: str) -> None:
        from IPython.display import display  # only there in a notebook

        data = {"text/plain": text}
        if self._handle is None:
            self._handle = display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)

    def keep(self, text: str) -> None:
        self.show(text)
        self._handle = None

    def clear(self) -> None:
        pass
