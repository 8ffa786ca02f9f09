"""How far a training has come: what it needs to go on from there, and whether that is sound."""

from __future__ import annotations

import contextlib
import math
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
    """The loss, or what a step made of the weights, is not finite."""

    def __init__(self, step: int, value: float, rate: float) -> None:
        super().__init__(step, value, rate)
        self.step, self.value, self.rate = step, value, rate


@dataclass
class PhaseProgress:
    """How far a phase has come."""

    epoch: int = 0  # epochs done
    step: int = 0  # steps done of the present one
    totals: dict[str, Tensor] = field(default_factory=dict)  # of these steps, over their images
    rate: float = 0.0  # when it began
    elapsed: float = 0.0  # seconds

    def __post_init__(self) -> None:
        if min(int(self.epoch), int(self.step)) < 0 or not math.isfinite(self.elapsed):
            raise ValueError("no position")
        self.totals = dict(self.totals)

    def state(self) -> dict[str, Any]:
        """Give what makes the same position again, with pairs for `totals`: a file keeps them."""
        return {**asdict(self), "totals": list(self.totals.items())}


class FiniteLossMonitor:
    """Finds a loss that is not finite soon, and on a GPU without a wait at each step."""

    def __init__(self, net: Any, device: torch.device) -> None:
        self.net = net
        self.every = 1 if device.type == "cpu" else _CHECK_EVERY
        self.losses: dict[int, Tensor] = {}

    def add(self, loss: Tensor) -> None:
        """Take the loss of the step under way."""
        self.losses[self.net.progress.step + 1] = loss
        if len(self.losses) >= self.every:
            self.check()

    def check(self) -> None:
        """Raise Diverged for the first loss that is not finite."""
        losses, self.losses = self.losses, {}
        if losses and not torch.stack(list(losses.values())).isfinite().all():
            values = {step: loss.item() for step, loss in losses.items()}
            step = next(step for step, value in values.items() if not math.isfinite(value))
            raise Diverged(step, values[step], self._rate())

    def check_weights(self) -> None:
        """Raise Diverged also for what the last step has done, which no loss has shown yet."""
        self.check()
        weights = [p for p in self.net.module_.parameters() if p.is_floating_point()]
        if not torch.stack([weight.isfinite().all() for weight in weights]).all():
            raise Diverged(self.net.progress.step, math.nan, self._rate())

    def _rate(self) -> float:
        return float(self.net.optimizer_.param_groups[-1]["lr"])


@contextlib.contextmanager
def checkpoint_mismatch_errors(owner: str) -> Iterator[None]:
    """Say of what is read in the block that it does not fit `owner`, whatever it trips over."""
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as e:
        raise StateFileError(
            f"The checkpoint in the 'checkpoint_dir' of {owner} does not fit it ({e}). Was the "
            "network or the task changed? Give another folder, or resume='never' to start afresh."
        ) from e


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load the state of an optimizer, in the memory layout of the weights that it belongs to."""
    check_same_structure(state["param_groups"], optimizer.state_dict()["param_groups"])
    optimizer.load_state_dict(state)
    optimizer._opt_called = True  # type: ignore[attr-defined]  # else its schedule warns of it
    fused = any(group.get("fused") for group in optimizer.param_groups)
    for weight, kept in optimizer.state.items():
        for name, value in kept.items():
            if isinstance(value, Tensor) and value.shape == weight.shape:
                # torch keeps the layout of the file, and its fused steps go by that of the weight.
                kept[name] = torch.empty_like(weight, dtype=value.dtype).copy_(value)
            elif fused and name != "step":  # these steps would reach beyond what is there
                raise ValueError(f"{name!r} of the optimizer has another shape than its weight")


def check_same_structure(saved: Any, own: Any) -> None:
    """Raise ValueError unless a tree has the lengths and types of what it is to replace."""
    kinds = next((kind for kind in _KINDS if isinstance(own, kind)), type(own))
    if not isinstance(saved, kinds):
        raise ValueError(f"{type(saved).__name__} in the place of {type(own).__name__}")
    if isinstance(own, dict):
        both = [key for key in own if key in saved]  # another version of torch may have others
        saved, own = [saved[key] for key in both], [own[key] for key in both]
    if isinstance(own, list | tuple):
        for item, other in zip(saved, own, strict=True):
            check_same_structure(item, other)


def generator_states(order: Tensor, views: torch.Generator) -> dict[str, Tensor]:
    """Give the states of all generators: `order` is that of the one for the order of images."""
    states = {"order": order, "views": views.get_state(), "torch": torch.get_rng_state()}
    if views.device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(views.device)
    return states


def set_generators(
    states: dict[str, Tensor], order: torch.Generator, views: torch.Generator
) -> None:
    """Put all generators back to what they were, as far as the device is the same."""
    order.set_state(states["order"])
    torch.set_rng_state(states["torch"])
    if ("cuda" in states) == (views.device.type == "cuda"):
        views.set_state(states["views"])
    if "cuda" in states and views.device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], views.device)
