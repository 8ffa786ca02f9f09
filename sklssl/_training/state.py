"""The state of a training run within a phase, saved in checkpoints and checked on loading."""

from __future__ import annotations

import contextlib
import math
import weakref
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from sklssl.exceptions import StateFileError

__all__ = [
    "Diverged",
    "FiniteLossMonitor",
    "PhaseProgress",
    "check_same_structure",
    "checkpoint_mismatch_errors",
    "generator_states",
    "load_optimizer",
    "set_generators",
]

_CHECK_EVERY = 50  # steps
_KINDS: tuple[Any, ...] = (bool, (int, float), dict)  # what may stand for one another


class Diverged(ArithmeticError):
    """The loss, or a weight after a step, is not finite."""

    def __init__(self, step: int, value: float, rate: float) -> None:
        super().__init__(step, value, rate)
        self.step, self.value, self.rate = step, value, rate


@dataclass
class PhaseProgress:
    """The progress of a phase."""

    epoch: int = 0  # completed epochs
    step: int = 0  # completed steps of the current epoch
    totals: dict[str, Tensor] = field(default_factory=dict)  # of each term over the images
    rate: float = 0.0  # learning rate at its beginning
    elapsed: float = 0.0  # seconds

    def __post_init__(self) -> None:
        if min(int(self.epoch), int(self.step)) < 0 or not math.isfinite(self.elapsed):
            raise ValueError("invalid progress")
        self.totals = dict(self.totals)

    def state(self) -> dict[str, Any]:
        """Return the fields, with `totals` as pairs, so that a file keeps their order."""
        return {**asdict(self), "totals": list(self.totals.items())}


class FiniteLossMonitor:
    """Detects non-finite losses early, without synchronising a GPU at each step."""

    def __init__(self, net: Any, device: torch.device) -> None:
        self.net = weakref.proxy(net)  # which has this monitor: a cycle would keep X in memory
        self.every = 1 if device.type == "cpu" else _CHECK_EVERY
        self.losses: dict[int, Tensor] = {}

    def add(self, loss: Tensor) -> None:
        """Add the loss of the current step."""
        self.losses[self.net.progress.step + 1] = loss
        if len(self.losses) >= self.every:
            self.check()

    def check(self) -> None:
        """Raise Diverged for the first non-finite loss."""
        losses, self.losses = self.losses, {}
        if losses and not torch.stack(list(losses.values())).isfinite().all():
            values = {step: loss.item() for step, loss in losses.items()}
            step = next(step for step, value in values.items() if not math.isfinite(value))
            raise Diverged(step, values[step], self._rate())

    def check_weights(self) -> None:
        """Raise Diverged for non-finite losses or weights, as after the last step."""
        self.check()
        weights = [p for p in self.net.module_.parameters() if p.is_floating_point()]
        if not torch.stack([weight.isfinite().all() for weight in weights]).all():
            raise Diverged(self.net.progress.step, math.nan, self._rate())

    def _rate(self) -> float:
        return float(self.net.optimizer_.param_groups[-1]["lr"])


@contextlib.contextmanager
def checkpoint_mismatch_errors(owner: str) -> Iterator[None]:
    """Turn errors within the block into one that says the checkpoint does not match `owner`."""
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as e:
        raise StateFileError(
            f"The checkpoint in the 'checkpoint_dir' of {owner} does not match it ({e}). Was the "
            "network or the task changed? Use another folder, or set resume='never' to start from "
            "the beginning."
        ) from e


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load the state of an optimizer in the memory layout of its weights."""
    check_same_structure(state["param_groups"], optimizer.state_dict()["param_groups"])
    optimizer.load_state_dict(state)
    optimizer._opt_called = True  # type: ignore[attr-defined]  # or its schedule warns
    fused = any(group.get("fused") for group in optimizer.param_groups)
    for weight, kept in optimizer.state.items():
        for name, value in kept.items():
            if isinstance(value, Tensor) and value.shape == weight.shape:
                # torch keeps the layout of the file, but fused steps assume that of the weight.
                kept[name] = torch.empty_like(weight, dtype=value.dtype).copy_(value)
            elif fused and name != "step":  # these steps would access memory out of bounds
                raise ValueError(f"{name!r} of the optimizer and its weight differ in shape")


def check_same_structure(saved: Any, own: Any) -> None:
    """Raise ValueError unless two trees have the same lengths and types."""
    kinds = next((kind for kind in _KINDS if isinstance(own, kind)), type(own))
    if not isinstance(saved, kinds):
        raise ValueError(f"{type(saved).__name__} instead of {type(own).__name__}")
    if isinstance(own, dict):
        both = [key for key in own if key in saved]  # other versions of torch may have other keys
        saved, own = [saved[key] for key in both], [own[key] for key in both]
    if isinstance(own, list | tuple):
        for item, other in zip(saved, own, strict=True):
            check_same_structure(item, other)


def generator_states(order: Tensor, views: torch.Generator) -> dict[str, Tensor]:
    """Return the states of all generators; `order` is that of the generator for the image order."""
    states = {"order": order, "views": views.get_state(), "torch": torch.get_rng_state()}
    if views.device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(views.device)
    return states


def set_generators(
    states: dict[str, Tensor], order: torch.Generator, views: torch.Generator
) -> None:
    """Restore the states of all generators, except those of another device."""
    order.set_state(states["order"])
    torch.set_rng_state(states["torch"])
    if ("cuda" in states) == (views.device.type == "cuda"):
        views.set_state(states["views"])
    if "cuda" in states and views.device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], views.device)
