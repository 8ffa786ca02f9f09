"""One training run: its phases, the rows of its epochs, its callbacks, checkpoints and progress."""

from __future__ import annotations

import contextlib
import copy
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from sklssl._data.batches import MapsToDevice, ToTensor
from sklssl._runtime.allocator import memory_errors, retain_freed_memory
from sklssl._runtime.generators import RNG_LOCK
from sklssl._runtime.ranks import alone, current_ranks
from sklssl._storage.module_state import module_state, set_module_state
from sklssl._training.checkpoints import Checkpoints
from sklssl._training.config import Phase, TrainingConfig
from sklssl._training.guards import looks_after
from sklssl._training.loop import train_phase
from sklssl._training.pretext import Pretext
from sklssl._training.progress_line import ProgressLine
from sklssl._training.state import Diverged, checkpoint_mismatch_errors, set_generators
from sklssl.exceptions import NonFiniteLossError, NonFiniteLossWarning, StopTraining
from sklssl.utils._sklearn_compat import FitTasks

__all__ = ["StopPhase", "TrainingRun"]


@dataclass(frozen=True)
class _Good:
    """What was learned until a point where nothing was infinite or NaN."""

    state: dict[str, Any]
    n_epochs: int
    until: str


class StopPhase(StopTraining):
    """Raised by a callback to end the present phase; training continues with the next."""


@dataclass
class TrainingRun:
    """A task that is trained in place through all phases; each epoch adds a row to ``history_``.

    Parameters
    ----------
    estimator : estimator
        Its `callbacks`, `verbose` and ``history_`` are used.
    task : Pretext
        What is trained.
    images : array-like of shape (n, ...)
        What `to_tensor` converts batches of.
    phases : list of Phase
        Those without epochs are skipped.
    config : TrainingConfig
        How each phase is trained.
    to_tensor : callable
        ``to_tensor(scale)`` returns the conversion of batches to tensors at that image scale.
    device : torch.device
        Where to train.
    checkpoints : Checkpoints
        Where states are kept, the state to continue from, and the seed for the order of the
        images and for the views.
    fit_tasks : FitTasks
        Notifies scikit-learn's callbacks of each epoch.
    guards : sequence of callable, default=()
        Called after each epoch like the `callbacks`, and before them. A NonFiniteLossError of one
        of them ends training with what was learned before.

    Attributes
    ----------
    ranks : Ranks
        The processes that train together.
    order_rng, views_rng : torch.Generator
        For the order of the images (on the CPU) and for the views (on the device).
    """

    estimator: Any
    task: Pretext
    images: Any
    phases: list[Phase]
    config: TrainingConfig
    to_tensor: Callable[[float], ToTensor | MapsToDevice]
    device: torch.device
    checkpoints: Checkpoints
    fit_tasks: FitTasks
    guards: Sequence[Callable[..., Any]] = ()

    def __post_init__(self) -> None:
        self.name, self.ranks = type(self.estimator).__name__, current_ranks()
        self.callbacks = tuple(self.estimator.callbacks or ())
        self.order_rng, self.views_rng = torch.Generator(), torch.Generator(self.device)
        for generator in (self.order_rng, self.views_rng):
            generator.manual_seed(self.checkpoints.seed)
        verbose = self.estimator.verbose if self.ranks.leads else 0
        self.line = ProgressLine(self.name, len(self.images), self.phases, verbose)
        # The phases of earlier fits, which warm_start and partial_fit continue from, count too.
        self._n_earlier = 1 + max(
            (row.get("phase", 0) for row in self.estimator.history_), default=-1
        )
        self._number, self._n_done = 0, 0  # the phase to begin with, and its epochs done
        # The last that guards have looked at, and the last of all, of which only the loss is known.
        self._good: list[_Good] = []
        self._problem: str | None = None  # why training ends there
        self._stopped = False  # whether a callback has ended a phase
        self._was_finished = False  # before this run

    def train(self) -> None:
        """Train through all phases, from where a checkpoint was left if there is one.

        Raises
        ------
        MemoryError
            If the memory does not hold a step.
        NonFiniteLossError
            If the loss or outputs become infinite or not a number in the first epoch.
        StateFileError
            If the checkpoint does not fit the task.
        TypeError
            If checkpoints would lose some of what the task remembers.

        Warns
        -----
        NonFiniteLossWarning
            If they do so later: what was learned until then is kept.
        """
        self.checkpoints.check_task(self.task)
        self.task.to(self.device)
        with retain_freed_memory(self.device), self.line, self.checkpoints.defer_signals():
            with contextlib.suppress(StopTraining), self._rollback_on_divergence():
                for phase, start in self._iter_phases(self._restore()):
                    with contextlib.suppress(StopPhase), memory_errors(self._smaller_step()):
                        train_phase(self, phase, start)
            self._close()

    def epochs_before_and_in_all(self) -> tuple[int, int]:
        """Count the epochs planned before the present phase, and those of all phases."""
        epochs = [phase.max_epochs for phase in self.phases]
        return sum(epochs[: self._number]), sum(epochs)

    def record(self, row: dict[str, Any]) -> None:
        """Append the row of an epoch, and call guards and callbacks, in the first process only."""
        history = self.estimator.history_
        row = {"epoch": len(history) + 1, "phase": self._n_earlier + self._number, **row}
        history.append(row)
        self._keep_if_good(row)
        stop = self._call_callbacks(row) if self.ranks.leads else None
        # They may have added to the row.
        history[-1], stop = self.ranks.share((row, stop))
        if stop is not None:
            self._stopped = True
            raise stop
        self.fit_tasks.begin_epoch()

    def _keep_if_good(self, row: dict[str, Any]) -> None:
        """Remember what was learned, or end training if a guard finds that it is not finite."""
        problem = self._ask_guards(lambda guard: guard(self.estimator, row))
        if problem is not None:
            self._roll_back(problem)
            raise StopTraining
        state, epoch = copy.deepcopy(module_state(self.task)), row["epoch"]
        earlier = [] if looks_after(epoch) else self._good[:1]
        self._good = [*earlier, _Good(state, epoch, f"the end of epoch {epoch}")]

    def _ask_guards(self, ask: Callable[[Any], None]) -> str | None:
        """Call a function of each guard, in the first process only; return what is not finite."""
        problem = None
        if self.ranks.leads:
            try:
                with alone():
                    for guard in self.guards:
                        ask(guard)
            except NonFiniteLossError as error:
                problem = str(error)
        return self.ranks.share(problem)

    def _call_callbacks(self, row: dict[str, Any]) -> StopTraining | None:
        """Call the callbacks with the row of an epoch; return the exception that asks to stop."""
        stop = StopTraining() if self.fit_tasks.end_epoch() else None
        if self.estimator.callbacks:
            self.line.clear()  # they may print
        try:
            with alone():
                for callback in self.callbacks:
                    callback(self.estimator, row)
        except StopTraining as error:
            stop = error
        finally:
            self.line.end_epoch(row)
        return stop

    def save(self, state: dict[str, Any]) -> None:
        """Write a checkpoint of the present phase."""
        self.checkpoints.save({**state, "phase": self._number, "history": self.estimator.history_})

    def _restore(self) -> dict[str, Any] | None:
        """Return to where the run was left, if there is a checkpoint; return its state."""
        state, self.checkpoints.found = self.checkpoints.found, None  # large
        if state is None:
            return None
        with checkpoint_mismatch_errors(self.name):
            set_module_state(self.task, state["pretext"])
            self.estimator.history_ = list(state["history"])
            self._was_finished = bool(state["finished"])
            if not self._was_finished:
                self._continue_from(state)
        return state

    def _continue_from(self, state: dict[str, Any]) -> None:
        """Return to the position of an unfinished run."""
        with RNG_LOCK.hold():  # no other thread may be building its network
            set_generators(state["generators"], self.order_rng, self.views_rng)
        self._number, self._n_done = int(state["phase"]), int(state["position"]["epoch"])
        n_epochs, step = len(self.estimator.history_), int(state["position"]["step"])
        until = f"the end of epoch {n_epochs}"
        if step:
            until = f"step {step} of epoch {n_epochs + 1}, where it was resumed"
        self._good = [_Good(state["pretext"], n_epochs, until)] if n_epochs else []

    def _iter_phases(
        self, state: dict[str, Any] | None
    ) -> Iterator[tuple[Phase, dict[str, Any] | None]]:
        """Begin one after the other the phases that are left; yield each with its start."""
        if self._was_finished:
            return
        for number, phase in list(enumerate(self.phases))[self._number :]:
            self._number, n_left = number, phase.max_epochs - self._n_done
            if n_left > 0:
                self.fit_tasks.begin_epochs(n_left)
                self.line.begin(number, self._n_done, len(self.estimator.history_))
                yield phase, state
            state, self._n_done = None, 0

    @contextlib.contextmanager
    def _rollback_on_divergence(self) -> Iterator[None]:
        """End a run whose loss diverges with what it had learned before."""
        try:
            yield
        except Diverged as error:
            self._roll_back(
                f"{self.name}: the loss became {error.value} in epoch "
                f"{len(self.estimator.history_) + 1} at step {error.step}, at a learning rate of "
                f"{error.rate:g}. Try a tenth of that rate, max_grad_norm=1.0 or optimizer='adam', "
                "and look at X for extreme values."
            )

    def _roll_back(self, problem: str) -> None:
        """Return to what was good last; if nothing was, the problem is an error."""
        if not self._good:
            raise NonFiniteLossError(problem) from None
        set_module_state(self.task, self._good[-1].state)
        del self.estimator.history_[self._good[-1].n_epochs :]
        self._problem = self._problem or problem

    def _close(self) -> None:
        """Let the guards look, write the last checkpoint, and tell callbacks that want to know."""
        self.line.close()
        self.task.eval()
        while (problem := self._ask_guards(self._end)) is not None:
            self._good = self._good[:-1]  # where they have found it
            self._roll_back(problem)
        if self._problem is not None and self.ranks.leads:
            warnings.warn(
                f"{self._problem} Training ends with what was learned by {self._good[-1].until}.",
                NonFiniteLossWarning,
                stacklevel=2,
            )
        if not self._was_finished:
            state = {"pretext": module_state(self.task), "history": self.estimator.history_}
            self.checkpoints.save(state, finished=True, stopped=self._stopped)
        if self.ranks.leads:
            with alone():
                for callback in self.callbacks:
                    self._end(callback)
        self._share_result()

    def _end(self, listener: Any) -> None:
        """Tell a guard or callback that training is over, if it wants to know."""
        if hasattr(listener, "after_training"):
            listener.after_training(self.estimator)

    def _share_result(self) -> None:
        """Take over what the first process has, whose callbacks may have changed it."""
        if self.ranks.size == 1:
            return
        self.task.cpu()  # tensors of a GPU would arrive on that of the first process
        state, history = self.ranks.share((module_state(self.task), self.estimator.history_))
        if not self.ranks.leads:
            set_module_state(self.task, state)
            self.estimator.history_ = history
        self.task.to(self.device)

    def _smaller_step(self) -> str:
        """Say what to do when the memory does not hold a step."""
        batch_size = self.config.batch_size
        smaller = "a smaller image_size or backbone"
        if batch_size > 3:
            smaller = f"batch_size={batch_size // 2}"
            micro = self.config.micro_batch_size or batch_size
            if hasattr(self.estimator, "micro_batch_size") and micro >= 8:
                smaller = f"micro_batch_size={micro // 4}, or {smaller}"
        return (
            f"{self.name}: a step with batch_size={batch_size} does not fit in the memory of the "
            f"device. Try {smaller}."
        )
