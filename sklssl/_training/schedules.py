"""Schedules of the learning rate, as callbacks of skorch."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from skorch.callbacks import LRScheduler

__all__ = ["SCHEDULES"]

_CUT = 0.2  # the papers divide the learning rate by 5
_WARM_UP = 0.1  # of the steps: the contrastive papers warm up for 10 of 100 epochs


def _cosine(step: int, n_steps: int) -> float:
    """Return the factor of the learning rate: linear warm-up, then cosine decay to 0."""
    warm = int(_WARM_UP * n_steps)
    if step < warm:
        return (step + 1) / (warm + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / (n_steps - warm)))


def _watched(net: Any) -> float:
    """Return the validation loss of the epoch, or the training loss without validation images."""
    row = net.history[-1]
    return float(row["valid_loss"] if "valid_loss" in row else row["loss"])


# Name -> function of the numbers of epochs and of steps per epoch that returns callbacks.
SCHEDULES: dict[str, Callable[[int, int], list[LRScheduler]]] = {
    "constant": lambda epochs, steps: [],
    "step": lambda epochs, steps: [
        LRScheduler(
            torch.optim.lr_scheduler.MultiStepLR,
            # Never at epoch 0: a run of one epoch uses the full learning rate.
            milestones=[max(1, round(share * epochs)) for share in (0.3, 0.6, 0.8)],
            gamma=_CUT,
        )
    ],
    "cosine": lambda epochs, steps: [
        LRScheduler(
            torch.optim.lr_scheduler.LambdaLR,
            lr_lambda=partial(_cosine, n_steps=epochs * steps),
            step_every="batch",
            event_name=None,
        )
    ],
    "plateau": lambda epochs, steps: [
        LRScheduler(
            torch.optim.lr_scheduler.ReduceLROnPlateau, monitor=_watched, factor=_CUT, patience=5
        )
    ],
}
