"""The training loop: the one place that knows skorch."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, GradientNormClipping, LRScheduler
from torch import Tensor, nn

from sklssl._data.batches import (
    ToTensor,
    count_batches,
    iter_batches,
    move_to_device_if_fits,
    slices,
)
from sklssl._runtime.device import network_precision
from sklssl._storage.module_state import module_state
from sklssl._training.pretext_checks import check_terms, check_views
from sklssl._training.state import (
    FiniteLossMonitor,
    PhaseProgress,
    check_same_structure,
    checkpoint_mismatch_errors,
    generator_states,
    load_optimizer,
)
from sklssl.exceptions import StopTraining

__all__ = ["OPTIMIZERS", "SCHEDULES", "Phase", "TrainingConfig", "train"]

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": partial(torch.optim.SGD, momentum=0.9, nesterov=True, fused=True),
    "adam": partial(torch.optim.Adam, fused=True),
    "adamw": partial(torch.optim.AdamW, fused=True),
}

_CUT = 0.2  # the papers divide the rate by 5
_WARM_UP = 0.1  # of the steps: the contrastive papers warm up for 10 of 100 epochs


def _cosine(step: int, n_steps: int) -> float:
    """Give the share of the full rate: up in a line over the first tenth, then down to 0."""
    warm = int(_WARM_UP * n_steps)
    if step < warm:
        return (step + 1) / (warm + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / (n_steps - warm)))


def _watched(net: Any) -> float:
    """Give the loss of the epoch that says most: on images kept back, if there are any."""
    row = net.history[-1]
    return float(row["valid_loss"] if "valid_loss" in row else row["loss"])


# Name -> what makes the callbacks of a training of so many epochs of so many steps.
SCHEDULES: dict[str, Callable[[int, int], list[LRScheduler]]] = {
    "constant": lambda epochs, steps: [],
    "step": lambda epochs, steps: [
        LRScheduler(
            torch.optim.lr_scheduler.MultiStepLR,
            # Never the first epoch: a single one trains at the full rate.
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


@dataclass
class _Batches(torch.utils.data.IterableDataset):
    """Every image once an epoch in a new random order, in near-equal batches; one index each."""

    images: Any
    to_tensor: ToTensor
    batch_size: int
    rng: torch.Generator
    first: int = 0  # batch of the next epoch

    def __len__(self) -> int:
        return count_batches(len(self.images), self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        first, self.first = self.first, 0
        self.before_order = self.rng.get_state()
        order = torch.randperm(len(self.images), generator=self.rng)
        # To the device all at once: to copy each batch's would make a GPU wait.
        rows = order.to(self.to_tensor.device).tensor_split(len(self))[first:]
        on_device = isinstance(self.images, Tensor)
        parts = rows if on_device else np.array_split(order.numpy(), len(self))[first:]
        return zip(iter_batches(self.images, parts, self.to_tensor), rows, strict=True)


class _PretextNet(NeuralNet):
    """skorch's loop around a pretext task; targets come from the task, terms are kept on device."""

    def __init__(
        self,
        pretext: nn.Module,
        *,
        rng: torch.Generator,
        recipe: TrainingConfig,
        position: PhaseProgress,
        **kwargs: Any,
    ) -> None:
        super().__init__(pretext, **kwargs)
        self.rng = rng
        self.recipe = recipe
        self.position = position
        self.is_checked = False  # what the task gives
        self.first_step: contextlib.AbstractContextManager[None] = contextlib.nullcontext()

    def get_default_callbacks(self) -> list[Any]:
        return []

    def get_iterator(self, dataset: _Batches, training: bool = False) -> _Batches:
        return dataset

    def train_step_single(self, batch: tuple[Tensor, Tensor], **fit_params: Any) -> dict[str, Any]:
        images, index = batch
        made = self.module_.views(images, self.rng, index)
        if not self.is_checked:
            check_views(self.module, made)
        terms = self.module_(*made)
        if not self.is_checked:
            check_terms(self.module, terms)
        self.is_checked = True  # no step after the first one waits for that
        terms["loss"].backward()
        return {name: term.detach() for name, term in terms.items()}

    def run_single_epoch(
        self, iterator: Any, training: bool, prefix: str, step_fn: Any, **fit_params: Any
    ) -> None:
        """Train an epoch without skorch's ``loss.item()`` a step, which makes a GPU wait."""
        if iterator is None:
            return
        self.module_.train()
        totals = self.position.totals
        self.loss_monitor = FiniteLossMonitor(self, iterator.to_tensor.device)
        for batch in iterator:
            n = len(batch[1])
            with self.first_step:
                terms = step_fn(batch)
            self.first_step = contextlib.nullcontext()
            self.loss_monitor.add(terms["loss"])
            for name, term in terms.items():
                totals[name] = totals.get(name, 0) + term.float() * n
            self.notify("on_batch_end", batch=batch, training=training)
        self.loss_monitor.check_weights()
        for name, total in totals.items():
            self.history.record(name, total.item() / len(iterator.images))


class _Epochs(Callback):
    """Calls the pretext's hooks, and `on_epoch` with the row of each epoch."""

    def __init__(
        self, phase: Phase, span: tuple[int, int], on_epoch: Callable[[dict[str, Any]], None]
    ) -> None:
        self.phase, self.span = phase, span
        self.on_epoch = on_epoch

    def on_train_begin(self, net: Any, X: _Batches | None = None, **kwargs: Any) -> None:
        assert X is not None
        self.n_batches_ = len(X)

    def on_epoch_begin(self, net: Any, dataset_train: _Batches, **kwargs: Any) -> None:
        position = net.position
        self.start_ = time.perf_counter() - position.elapsed
        if position.step == 0:
            position.rate = net.optimizer_.param_groups[-1]["lr"]  # the last no pattern names
            net.module_.before_epoch(partial(_embed_all, net, dataset_train), net.rng)

    def on_batch_end(self, net: Any, **kwargs: Any) -> None:
        position = net.position
        position.step += 1
        position.elapsed = time.perf_counter() - self.start_
        before, in_all = self.span
        done = (before + position.epoch) * self.n_batches_ + position.step
        net.module_.after_step(done / (in_all * self.n_batches_))

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        for name, value in net.module_.eval().after_epoch().items():
            net.history.record(name, value)
        skip = {"batches", "epoch", "event_lr"}
        terms = {name: value for name, value in net.history[-1].items() if name not in skip}
        row = {"scale": self.phase.scale, "learning_rate": net.position.rate, **terms}
        net.position = PhaseProgress(net.position.epoch + 1)
        self.on_epoch({**row, "duration": time.perf_counter() - self.start_})
        if net.module_.finished:
            raise StopTraining


class _Saves(Callback):
    """Hands the state of the training to `save` whenever a checkpoint is due."""

    def __init__(
        self,
        pretext: nn.Module,
        batches: _Batches,
        schedule: list[LRScheduler],
        is_due: Callable[..., bool],
        save: Callable[[dict[str, Any]], None],
    ) -> None:
        self.pretext, self.batches, self.schedule = pretext, batches, schedule
        self.is_due, self.save = is_due, save

    def on_batch_end(self, net: Any, **kwargs: Any) -> None:
        if self.is_due():
            net.loss_monitor.check_weights()
            self.save(self._state(net))

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        if self.is_due(epoch_ended=True):
            self.save(self._state(net))

    def _state(self, net: Any) -> dict[str, Any]:
        # An epoch that has begun draws its order of the images once more.
        order = self.batches.before_order if net.position.step else self.batches.rng.get_state()
        return {
            "pretext": module_state(self.pretext),
            "optimizer": net.optimizer_.state_dict(),
            "schedule": [callback.lr_scheduler_.state_dict() for callback in self.schedule],
            "position": net.position.state(),
            "generators": generator_states(order, net.rng),
        }


def _embed_all(
    net: Any, batches: _Batches, encode: Callable[[Tensor], Tensor] | None = None
) -> Tensor:
    """Give what `encode` makes (b, ...) of all training images, in row order.

    By default that is the encoder's last map, averaged to (n, d).
    """
    pretext = net.module_.eval()
    encode = encode or (lambda images: pretext.encoder(images).mean((2, 3)))
    parts = slices(len(batches.images), batches.batch_size)
    with torch.no_grad():
        features = [encode(b) for b in iter_batches(batches.images, parts, batches.to_tensor)]
    pretext.train()
    return torch.cat(features)


class _Advance(Callback):
    """Calls `see` with the share of the present epoch that is done."""

    def __init__(self, see: Callable[[float], None], n_batches: int) -> None:
        self.see, self.n_batches = see, n_batches

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        self.on_batch_end(net)

    def on_batch_end(self, net: Any, **kwargs: Any) -> None:
        self.see(net.position.step / self.n_batches)


def train(
    pretext: nn.Module,
    images: Any,
    to_tensor: ToTensor,
    phase: Phase,
    recipe: TrainingConfig,
    rng: tuple[torch.Generator, torch.Generator],
    on_epoch: Callable[[dict[str, Any]], None],
    see: Callable[[float], None],
    *,
    owner: str,
    span: tuple[int, int],
    start: dict[str, Any] | None = None,
    is_due: Callable[..., bool],
    save: Callable[[dict[str, Any]], None],
) -> None:
    """Train `pretext` in place for one phase.

    Parameters
    ----------
    pretext : Pretext
        The task, on the device of `to_tensor`.
    images : array-like of shape (n, H, W, C)
        At least two images.
    to_tensor : ToTensor
        Brings batches of `images` to the device at the phase's size.
    phase : Phase
    recipe : TrainingConfig
    rng : (torch.Generator, torch.Generator)
        For the order of the images (on the CPU) and for the views (on the device).
    on_epoch : callable
        Called with the row of every epoch; may raise StopTraining.
    see : callable
        Called after each step, and once before, with the share of the epoch that is done.
    owner : str
        Named in errors.
    span : (int, int)
        The epochs planned before this phase, and those of all phases.
    start : dict, default=None
        What `save` was called with: the phase goes on from there. The task and the generators
        are as they were by then.
    is_due : callable
        Called after each step, and with ``epoch_ended=True`` after each epoch.
    save : callable
        Called, where that is due, with the state of the training.

    Raises
    ------
    Diverged
        If the loss or a weight is not finite.
    StateFileError
        If `start` does not fit.
    """
    with checkpoint_mismatch_errors(owner):
        position = PhaseProgress(**start["position"]) if start else PhaseProgress()
    batches = _Batches(
        move_to_device_if_fits(images, to_tensor.device),
        to_tensor,
        recipe.batch_size,
        rng[0],
        first=position.step,
    )
    schedule = SCHEDULES[recipe.lr_schedule](phase.max_epochs, len(batches))
    saves = _Saves(pretext, batches, schedule, is_due, save)
    advance = _Advance(see, len(batches))  # behind what counts the steps
    callbacks = [*_clips(recipe), _Epochs(phase, span, on_epoch), advance, *schedule, saves]
    own = {"callbacks": callbacks, "rng": rng[1], "position": position}
    net = _make_net(pretext, to_tensor.device, phase, recipe, **own).initialize()
    net.notify("on_train_begin", X=batches, y=None)
    if start:
        with checkpoint_mismatch_errors(owner):
            load_optimizer(net.optimizer_, start["optimizer"])
            for callback, state in zip(schedule, start["schedule"], strict=True):
                check_same_structure(state, callback.lr_scheduler_.state_dict())
                callback.lr_scheduler_.load_state_dict(state)
        net.first_step = checkpoint_mismatch_errors(owner)  # shows the rest
    with network_precision(to_tensor.device, recipe.precision):
        # Not partial_fit, which swallows Ctrl-C.
        net.fit_loop(batches, epochs=phase.max_epochs - position.epoch)


def _clips(recipe: TrainingConfig) -> list[Callback]:
    if recipe.max_grad_norm is None:
        return []
    return [GradientNormClipping(recipe.max_grad_norm)]


def _make_net(
    pretext: nn.Module, device: torch.device, phase: Phase, recipe: TrainingConfig, **own: Any
) -> _PretextNet:
    optimizer = recipe.optimizer
    return _PretextNet(
        pretext,
        criterion=nn.Identity,
        optimizer=OPTIMIZERS[optimizer] if isinstance(optimizer, str) else optimizer,
        optimizer__weight_decay=recipe.weight_decay,
        optimizer__param_groups=[
            (pattern, {"lr": factor * phase.learning_rate})
            for pattern, factor in recipe.rate_factors
        ],
        lr=phase.learning_rate,
        train_split=None,
        device=device,
        compile=recipe.compile,
        verbose=0,
        recipe=recipe,
        **own,
    )
