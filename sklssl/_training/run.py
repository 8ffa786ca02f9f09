"""The run of a training: the rows of its epochs, its callbacks, checkpoints and progress."""

import contextlib
import copy
import warnings

import torch

from sklssl._runtime.allocator import memory_errors, retain_freed_memory
from sklssl._storage.module_state import module_state, set_module_state
from sklssl._training.loop import train
from sklssl._training.progress_line import ProgressLine
from sklssl._training.state import Diverged, checkpoint_mismatch_errors, set_generators
from sklssl.exceptions import (
    NonFiniteLossError,
    NonFiniteLossWarning,
    StopTraining,
)

__all__ = ["StopPhase", "run_training"]


class StopPhase(StopTraining):
    """Raised by a callback to end the present phase; the training goes on with the next."""


def run_training(
    estimator, pretext, images, phases, recipe, *, to_tensor, device, checkpoints, tasks, guards=()
):
    """Train `pretext` in place through all `phases`; every epoch adds a row to ``history_``.

    Parameters
    ----------
    estimator : estimator
        Whose `callbacks`, `verbose` and ``history_`` these are.

    pretext : Pretext
        The task.

    images : ndarray of shape (n, ...)
        What `feed` takes batches of.

    phases : list of Phase
        The stretches of training; those of no epochs are passed over.

    recipe : TrainingConfig
        How a phase is trained.

    to_tensor : callable
        Makes what turns images into tensors of a scale.

    device : torch.device
        Where to train.

    checkpoints : Checkpoints
        Where it is kept and what it goes on from; with the seed for the order of the images and
        for the views.

    tasks : FitTasks
        Tells the callbacks of scikit-learn of each epoch.

    guards : sequence of callable, default=()
        Called after each epoch as the `callbacks` are, and before these.

    Raises
    ------
    MemoryError
        If the memory does not hold a step.
    NonFiniteLossError
        If the loss becomes infinite or not a number in the first epoch.
    StateFileError
        If the checkpoint does not fit the task.

    Warns
    -----
    NonFiniteLossWarning
        If it does so later: what was learned until then is kept.
    """
    pretext.to(device)
    name = type(estimator).__name__
    line = ProgressLine(name, len(images), phases, estimator.verbose)
    with retain_freed_memory(device), line, checkpoints.defer_signals():
        run = TrainingRun(estimator, pretext, device, checkpoints, tasks, guards, line)
        with contextlib.suppress(StopTraining), run.rollback_on_divergence():
            for start, phase in run.iter_phases(run.restore(), phases):
                advice = _say_smaller(name, recipe.batch_size)
                with contextlib.suppress(StopPhase), memory_errors(advice):
                    train(
                        pretext,
                        images,
                        to_tensor(phase.scale),
                        phase,
                        recipe,
                        run.rng,
                        run.record,
                        line.see,
                        owner=name,
                        span=run.span(phases),
                        start=start,
                        is_due=checkpoints.is_due,
                        save=run.save,
                    )
        run.close()


class TrainingRun:
    """What is written down of one training.

    Attributes
    ----------
    rng : (torch.Generator, torch.Generator)
        For the order of the images and for the views.
    """

    def __init__(self, estimator, pretext, device, checkpoints, tasks, guards, line):
        self.estimator, self.pretext = estimator, pretext
        self.checkpoints, self.tasks, self.line = checkpoints, tasks, line
        self.callbacks = (*guards, *(estimator.callbacks or ()))
        self.rng = torch.Generator(), torch.Generator(device)
        for generator in self.rng:
            generator.manual_seed(checkpoints.seed)
        self._number, self._done = 0, 0  # of the phase to begin with, and of its epochs
        self._good = None  # what was learned when the last epoch ended

    def restore(self):
        """Go back to where the training was left, if it was; give that state."""
        state = self.checkpoints.found
        if state is None:
            return None
        with checkpoint_mismatch_errors(type(self.estimator).__name__):
            set_module_state(self.pretext, state["pretext"])
            self.estimator.history_ = list(state["history"])
            self._good = state["pretext"] if state["history"] else None
            if not state["finished"]:
                set_generators(state["generators"], *self.rng)
                self._number, self._done = int(state["phase"]), int(state["position"]["epoch"])
        return state

    def iter_phases(self, state, phases):
        """Begin the phases that are left one after the other; give each with its start."""
        if state is not None and state["finished"]:
            return
        for number, phase in list(enumerate(phases))[self._number :]:
            self._number, left = number, phase.max_epochs - self._done
            if left > 0:
                self.tasks.begin_epochs(left)
                # Where the rows of this phase begin: what came before is not its own.
                n_rows = len(self.estimator.history_)
                self.estimator._first_row = n_rows - self._done
                self.line.begin(number, self._done, n_rows)
                yield state, phase
            state, self._done = None, 0

    def span(self, phases):
        """Count the epochs planned before the present phase, and in all."""
        epochs = [phase.max_epochs for phase in phases]
        return sum(epochs[: self._number]), sum(epochs)

    def record(self, row):
        """Append the row of an epoch and tell the callbacks."""
        history = self.estimator.history_
        row = {"epoch": len(history) + 1, **row}
        history.append(row)
        self._good = copy.deepcopy(module_state(self.pretext))
        stop = self.tasks.end_epoch()
        if self.estimator.callbacks:
            self.line.clear()  # they may print
        try:
            for callback in self.callbacks:
                callback(self.estimator, row)
        finally:
            self.line.end_epoch(row)
        if stop:
            raise StopTraining
        self.tasks.begin_epoch()

    @contextlib.contextmanager
    def rollback_on_divergence(self):
        """End a training that has diverged with what it had learned by the last epoch."""
        try:
            yield
        except Diverged as error:
            epoch = len(self.estimator.history_) + 1
            what = (
                f"{type(self.estimator).__name__}: the loss became {error.value} in epoch {epoch} "
                f"at step {error.step}, at a learning rate of {error.rate:g}."
            )
            remedy = (
                "Try a tenth of that rate, max_grad_norm=1.0 or optimizer='adam', and look at X "
                "for extreme values."
            )
            if self._good is None:
                raise NonFiniteLossError(f"{what} {remedy}") from None
            set_module_state(self.pretext, self._good)
            warnings.warn(
                f"{what} The training ends with what was learned by the end of epoch {epoch - 1}. "
                f"{remedy}",
                NonFiniteLossWarning,
                stacklevel=2,
            )

    def save(self, state):
        """Write a checkpoint of the present phase."""
        self.checkpoints.save({**state, "phase": self._number, "history": self.estimator.history_})

    def close(self):
        """Write the last checkpoint, and tell the callbacks that want to know."""
        self.line.close()
        self.pretext.eval()
        vars(self.estimator).pop("_first_row", None)
        if self.checkpoints.found is None or not self.checkpoints.found["finished"]:
            state = {"pretext": module_state(self.pretext), "history": self.estimator.history_}
            self.checkpoints.save(state, finished=True)
        for callback in self.callbacks:
            if hasattr(callback, "after_training"):
                callback.after_training(self.estimator)


def _say_smaller(name, batch_size):
    """Say what to do when the memory does not hold a step."""
    smaller = "a smaller image_size or backbone"
    if batch_size > 3:
        smaller = f"batch_size={batch_size // 2}"
    return (
        f"{name}: a step with batch_size={batch_size} does not fit in the memory of the device. "
        f"Try {smaller}."
    )
