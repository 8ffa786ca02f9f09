"""The training loop of skorch around a pretext task."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, GradientNormClipping, LRScheduler
from torch import Tensor, nn

from sklssl._data.batches import (
    MapsToDevice,
    ToTensor,
    count_batches,
    iter_batches,
    move_to_device_if_fits,
)
from sklssl._runtime.device import network_precision
from sklssl._runtime.gather import gather_rows
from sklssl._runtime.parts import parts_of
from sklssl._runtime.ranks import Ranks, Share, current_ranks
from sklssl._storage.module_state import module_state
from sklssl._training.checkpoints import Checkpoints
from sklssl._training.config import OPTIMIZERS, Phase, TrainingConfig
from sklssl._training.pretext import Pretext
from sklssl._training.pretext_checks import NOT_TERMS, check_names, check_terms, check_views
from sklssl._training.progress_line import ProgressLine
from sklssl._training.schedules import SCHEDULES
from sklssl._training.state import (
    FiniteLossMonitor,
    PhaseProgress,
    check_same_structure,
    checkpoint_mismatch_errors,
    generator_states,
    load_optimizer,
)
from sklssl._training.step import Step
from sklssl.exceptions import StopTraining

__all__ = ["embed_all", "fixed_batches", "train_phase"]


class Run(Protocol):
    """What the loop needs of a :class:`TrainingRun`."""

    name: str
    task: Pretext
    images: Any
    config: TrainingConfig
    device: torch.device
    checkpoints: Checkpoints
    line: ProgressLine
    order_rng: torch.Generator
    views_rng: torch.Generator
    ranks: Ranks

    @property
    def to_tensor(self) -> Callable[[float], ToTensor | MapsToDevice]:
        """Conversion of batches to tensors, by image scale."""

    def epochs_before_and_in_all(self) -> tuple[int, int]:
        """Count the epochs planned before the current phase, and those of all phases."""

    def record(self, row: dict[str, Any]) -> None:
        """Append the row of an epoch."""

    def save(self, state: dict[str, Any]) -> None:
        """Write a checkpoint of the current phase."""


def train_phase(run: Run, phase: Phase, start: dict[str, Any] | None = None) -> None:
    """Train the task of a run in place for one phase.

    Parameters
    ----------
    run : Run
        Its task is on its device.
    phase : Phase
    start : dict, default=None
        The state of this phase from a checkpoint, to continue from. The task and the generators
        have already been restored. It is emptied, to free memory.

    Raises
    ------
    Diverged
        If the loss or a weight is not finite.
    StateFileError
        If `start` does not match.
    """
    with checkpoint_mismatch_errors(run.name):
        progress = PhaseProgress(**start["position"]) if start else PhaseProgress()
    to_tensor = run.to_tensor(phase.scale)
    images = move_to_device_if_fits(run.images, run.device)
    batches = _Batches(
        images, to_tensor, run.config.batch_size, run.order_rng, run.ranks, progress.step
    )
    schedule = SCHEDULES[run.config.lr_schedule](phase.max_epochs, len(batches))
    norm = run.config.max_grad_norm
    clipping = [] if norm is None else [GradientNormClipping(norm)]
    callbacks = [*clipping, *schedule, _Bookkeeping(run, phase, batches, schedule)]
    net = _make_net(run, phase, progress, callbacks).initialize()
    net.notify("on_train_begin", X=batches, y=None)
    if start:
        with checkpoint_mismatch_errors(run.name):
            load_optimizer(net.optimizer_, start["optimizer"])
            for callback, state in zip(schedule, start["schedule"], strict=True):
                check_same_structure(state, callback.lr_scheduler_.state_dict())
                callback.lr_scheduler_.load_state_dict(state)
        start.clear()
        net.first_step = checkpoint_mismatch_errors(run.name)  # which reveals other mismatches
    precision = network_precision(run.device, run.config.precision)
    parts = parts_of(run.config.micro_batch_size)
    with precision, parts, contextlib.closing(net.step):
        # Not partial_fit, which swallows Ctrl-C.
        net.fit_loop(batches, epochs=phase.max_epochs - progress.epoch)


@dataclass
class _Batches(torch.utils.data.IterableDataset):
    """All images once per epoch in a new random order, in batches of nearly equal size.

    Several processes have the same order, and each of them a share of each batch.
    """

    images: Any
    to_tensor: ToTensor | MapsToDevice
    batch_size: int
    rng: torch.Generator
    ranks: Ranks
    first: int = 0  # batch of the next epoch

    def __len__(self) -> int:
        return count_batches(len(self.images), self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Share]]:
        first, self.first = self.first, 0
        self.before_order = self.rng.get_state()
        order = torch.randperm(len(self.images), generator=self.rng)
        # All at once: copying the rows of each batch to the device would stall a GPU.
        batches = order.to(self.to_tensor.device).tensor_split(len(self))[first:]
        shares = [self.ranks.part(len(batch)) for batch in batches]
        rows = [batch[share.rows] for batch, share in zip(batches, shares, strict=True)]
        parts: list[Any] = rows
        if not isinstance(self.images, Tensor):
            on_cpu = np.array_split(order.numpy(), len(self))[first:]
            parts = [batch[share.rows] for batch, share in zip(on_cpu, shares, strict=True)]
        return zip(iter_batches(self.images, parts, self.to_tensor), rows, shares, strict=True)


class _PretextNet(NeuralNet):
    """A NeuralNet for a pretext task, which makes its targets; terms stay on the device."""

    def __init__(
        self,
        pretext: nn.Module,
        *,
        rng: torch.Generator,
        progress: PhaseProgress,
        step: Step,
        **kwargs: Any,
    ) -> None:
        super().__init__(pretext, **kwargs)
        self.rng = rng
        self.progress = progress
        self.step = step
        self.is_checked = False  # the return values of the task
        self.first_step: contextlib.AbstractContextManager[None] = contextlib.nullcontext()

    def get_default_callbacks(self) -> list[Callback]:
        return []

    def get_iterator(self, dataset: _Batches, training: bool = False) -> _Batches:
        return dataset

    def train_step_single(
        self, batch: tuple[Tensor, Tensor, Share], **fit_params: Any
    ) -> dict[str, Any]:
        images, index, share = batch
        with self.step.of(self.module_, share):
            made = self.module_.views(images, self.rng, index)
            if not self.is_checked:
                check_views(self.module, made)
            terms = self.step.forward(*made)
            if not self.is_checked:
                check_terms(self.module, terms)
            self.is_checked = True  # only in the first step
            self.step.backward(terms["loss"])
        return self.step.means(terms)

    def run_single_epoch(
        self,
        iterator: _Batches | None,
        training: bool,
        prefix: str,
        step_fn: Callable[[Any], dict[str, Tensor]],
        **fit_params: Any,
    ) -> None:
        """Train an epoch without the ``loss.item()`` of skorch in each step, which stalls a GPU."""
        if iterator is None:
            return
        self.module_.train()
        totals = self.progress.totals
        self.loss_monitor = FiniteLossMonitor(self, iterator.to_tensor.device)
        for batch in iterator:
            n = batch[2].n_all
            with self.first_step:
                terms = step_fn(batch)
            self.first_step = contextlib.nullcontext()
            self.loss_monitor.add(terms["loss"])
            for name, term in terms.items():
                totals[name] = totals.get(name, 0) + term.float() * n
            self.notify("on_batch_end", batch=batch, training=training)
        self.loss_monitor.check_weights()
        means = {name: total.item() / len(iterator.images) for name, total in totals.items()}
        found = self.step.ranks.share(self.module_.eval().after_epoch())
        check_names(self.module, "after_epoch", found)
        for name, value in {**means, **found}.items():
            self.history.record(name, value)


class _Bookkeeping(Callback):
    """Calls the hooks of the task, and passes rows and states to the run.

    It follows the schedule, whose state it saves.
    """

    def __init__(
        self, run: Run, phase: Phase, batches: _Batches, schedule: list[LRScheduler]
    ) -> None:
        self.run, self.phase, self.batches, self.schedule = run, phase, batches, schedule

    def on_train_begin(self, net: _PretextNet, **kwargs: Any) -> None:
        self._show(net.progress)

    def on_epoch_begin(self, net: _PretextNet, **kwargs: Any) -> None:
        progress = net.progress
        self.start_ = time.perf_counter() - progress.elapsed
        if progress.step == 0:
            # The default parameter group is the last one.
            progress.rate = net.optimizer_.param_groups[-1]["lr"]
            batches, pretext = self.batches, net.module_
            images = batches.images, batches.to_tensor, batches.batch_size
            net.rng.set_state(self.run.ranks.share(net.rng.get_state()))
            pretext.before_epoch(partial(embed_all, pretext, *images), net.rng)

    def on_batch_end(self, net: _PretextNet, **kwargs: Any) -> None:
        progress, n_batches = net.progress, len(self.batches)
        progress.step += 1
        progress.elapsed = time.perf_counter() - self.start_
        n_before, n_epochs = self.run.epochs_before_and_in_all()
        done = (n_before + progress.epoch) * n_batches + progress.step
        net.module_.after_step(0.0 if self.run.config.in_pieces else done / (n_epochs * n_batches))
        self._show(progress)
        if self.run.checkpoints.is_due():
            net.loss_monitor.check_weights()
            self.run.save(self._state(net))

    def on_epoch_end(self, net: _PretextNet, **kwargs: Any) -> None:
        terms = {name: value for name, value in net.history[-1].items() if name not in NOT_TERMS}
        row = {"scale": self.phase.scale, "learning_rate": net.progress.rate, **terms}
        net.progress = PhaseProgress(net.progress.epoch + 1)
        self.run.record({**row, "duration": time.perf_counter() - self.start_})
        if self.run.ranks.share(net.module_.finished):
            raise StopTraining
        if self.run.checkpoints.is_due(epoch_ended=True):
            self.run.save(self._state(net))

    def _show(self, progress: PhaseProgress) -> None:
        self.run.line.see(progress.step / len(self.batches))

    def _state(self, net: _PretextNet) -> dict[str, Any]:
        # When resumed, an unfinished epoch draws its order of the images again.
        order = self.batches.before_order if net.progress.step else self.batches.rng.get_state()
        return {
            "pretext": module_state(self.run.task),
            "optimizer": net.optimizer_.state_dict(),
            "schedule": [callback.lr_scheduler_.state_dict() for callback in self.schedule],
            "position": net.progress.state(),
            "generators": generator_states(order, net.rng),
        }


def embed_all(
    pretext: Any,
    images: Any,
    to_tensor: ToTensor | MapsToDevice,
    batch_size: int,
    encode: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Return the outputs (n, ...) of `encode` for all training images, in row order.

    By default, the last feature map of the encoder, averaged to (n, d). The batches are those of
    :func:`fixed_batches`, since `encode` may compute their statistics.
    """
    pretext.eval()
    encode = encode or (lambda batch: pretext.encoder(batch).mean((2, 3)))
    parts = fixed_batches(len(images), batch_size)
    share = current_ranks().part(len(parts))
    own = parts[share.rows] or parts[:1]  # the first one for its number of features
    with torch.no_grad():
        features = torch.cat([encode(batch) for batch in iter_batches(images, own, to_tensor)])
    pretext.train()
    everywhere, _ = gather_rows(features if share.n_here else features[:0], "embed")
    places = torch.from_numpy(np.concatenate(parts).argsort())
    return everywhere[places.to(everywhere.device)]


def fixed_batches(n_images: int, batch_size: int) -> list[np.ndarray]:
    """Return the rows of batches of nearly equal size, in a random order that never changes.

    In the order of the rows, images sorted by class would be among their like in each batch.
    """
    order = np.random.default_rng(0).permutation(n_images)
    return np.array_split(order, count_batches(n_images, batch_size))


def _make_net(
    run: Run, phase: Phase, progress: PhaseProgress, callbacks: list[Callback]
) -> _PretextNet:
    config = run.config
    optimizer = config.optimizer
    return _PretextNet(
        run.task,
        criterion=nn.Identity,
        optimizer=OPTIMIZERS[optimizer] if isinstance(optimizer, str) else optimizer,
        optimizer__weight_decay=config.weight_decay,
        optimizer__param_groups=[
            (pattern, {"lr": factor * phase.learning_rate})
            for pattern, factor in config.rate_factors
        ],
        lr=phase.learning_rate,
        callbacks=callbacks,
        train_split=None,
        device=run.device,
        compile=config.compile,
        verbose=0,
        rng=run.views_rng,
        progress=progress,
        step=Step(run.ranks),
    )
