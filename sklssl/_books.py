"""The books of a training: the rows of its epochs, its callbacks and its progress bar."""

import contextlib
import functools
import math

import torch
from tqdm.auto import tqdm

from sklssl._memory import kept_memory
from sklssl._training import train
from sklssl.exceptions import NonFiniteLossError, StopTraining

__all__ = ["StopPhase", "train_estimator"]


class StopPhase(StopTraining):
    """Raised by a callback to end the present phase; the training goes on with the next."""


def train_estimator(estimator, pretext, images, phases, recipe, *, feed, device, seed, tasks):
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

    recipe : Recipe
        How a phase is trained.

    feed : callable
        Makes the feed for a scale.

    device : torch.device
        Where to train.

    seed : int
        For the order of the images and for the views.

    tasks : FitTasks
        Tells the callbacks of scikit-learn of each epoch.

    Raises
    ------
    MemoryError
        If the memory of a GPU does not hold a step.
    NonFiniteLossError
        If the loss becomes infinite or not a number.
    """
    rng = torch.Generator().manual_seed(seed), torch.Generator(device).manual_seed(seed)
    pretext.to(device)
    total = len(images) * sum(phase.max_epochs for phase in phases)
    name = type(estimator).__name__
    progress = tqdm(total=total, desc=name, unit="image", disable=not estimator.verbose)
    with kept_memory(device), progress as bar:
        record = functools.partial(_record, estimator, bar, tasks)
        with contextlib.suppress(StopTraining):
            for phase in phases:
                if phase.max_epochs:
                    tasks.begin_epochs(phase.max_epochs)
                    # Where the rows of this phase begin: what came before is not its own.
                    estimator._first_row = len(estimator.history_)
                    with contextlib.suppress(StopPhase), _explaining_memory(name, recipe):
                        train(pretext, images, feed(phase.scale), phase, recipe, rng, record, bar)
    pretext.eval()
    vars(estimator).pop("_first_row", None)
    for callback in estimator.callbacks or ():
        if hasattr(callback, "after_training"):
            callback.after_training(estimator)


@contextlib.contextmanager
def _explaining_memory(name, recipe):
    """Say what to do when the memory of a GPU does not hold a step."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        size = recipe.batch_size
        smaller = f"batch_size={size // 2}" if size > 3 else "a smaller image_size or backbone"
        raise MemoryError(
            f"{name}: a step with batch_size={size} does not fit in the memory of the device. Try "
            f"{smaller}."
        ) from error


def _record(estimator, bar, tasks, row):
    """Append the row of an epoch and tell the callbacks."""
    row = {"epoch": len(estimator.history_) + 1, **row}
    if not math.isfinite(row["loss"]):
        raise NonFiniteLossError(
            f"{type(estimator).__name__}: the loss became {row['loss']} in epoch {row['epoch']} at "
            f"a learning rate of {row['learning_rate']:g}. Try a tenth of that rate, or "
            "optimizer='adam', and look at X for extreme values."
        )
    estimator.history_.append(row)
    shown = {k: f"{row[k]:.3g}" for k in ("epoch", "scale", "loss", "accuracy") if k in row}
    bar.set_postfix(shown)
    stop = tasks.end_epoch()
    for callback in estimator.callbacks or ():
        callback(estimator, row)
    if stop:
        raise StopTraining
    tasks.begin_epoch()
