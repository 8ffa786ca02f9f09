"""The configuration of a training run: its phases, and how each of them is trained."""

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
    """A part of training at one image scale."""

    scale: float
    learning_rate: float
    max_epochs: int


class TrainingConfig(NamedTuple):
    """How each phase is trained, apart from its scale and learning rate."""

    optimizer: str | Callable[..., torch.optim.Optimizer]
    weight_decay: float
    lr_schedule: str
    batch_size: int
    precision: str
    compile: bool = False
    max_grad_norm: float | None = None
    micro_batch_size: int | None = None
    # (pattern, factor): parameters with matching names use `factor` times the learning rate.
    rate_factors: tuple[tuple[str, float], ...] = ()
    # Whether images arrive in chunks, and nobody knows how many will follow.
    in_pieces: bool = False


class Plan(NamedTuple):
    """What one call of ``fit`` or ``partial_fit`` trains."""

    phases: list[Phase]
    # The estimator that was called; not the trained one if it wraps another estimator.
    owner: Any
    # Whether training continues from the fitted state.
    continued: bool = False
    # Whether images arrive in chunks: constant learning rate, no checkpoints.
    in_pieces: bool = False
