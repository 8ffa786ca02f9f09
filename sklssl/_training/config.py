"""What a training run is to do: its phases, and how each of them is trained."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch

__all__ = ["OPTIMIZERS", "Phase", "Plan", "TrainingConfig"]

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": partial(torch.optim.SGD, momentum=0.9, nesterov=True, fused=True),
    "adam": partial(torch.optim.Adam, fused=True),
    "adamw": partial(torch.optim.AdamW, fused=True),
}


class Phase(NamedTuple):
    """A stretch of training at one image scale."""

    scale: float
    learning_rate: float
    max_epochs: int


class TrainingConfig(NamedTuple):
    """How a phase is trained, whatever its scale and rate."""

    optimizer: str | Callable[..., torch.optim.Optimizer]
    weight_decay: float
    lr_schedule: str
    batch_size: int
    precision: str
    compile: bool = False
    max_grad_norm: float | None = None
    # (pattern, factor): parameters whose name fits have a rate of their own, the factor times it.
    rate_factors: tuple[tuple[str, float], ...] = ()


class Plan(NamedTuple):
    """What one call of ``fit`` or ``partial_fit`` trains."""

    phases: list[Phase]
    # The estimator that was called: another one than is trained where one wraps the other.
    owner: Any
    # Whether training continues from what was learned before.
    continued: bool = False
    # Whether the images arrive in pieces: a constant learning rate, and no checkpoints.
    in_pieces: bool = False
