"""The training loop: the one place that knows skorch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, LRScheduler
from torch import Tensor, nn
from tqdm.auto import tqdm

from sklssl._device import autocast
from sklssl._feed import ImageFeed, bring, count_batches, reside, slices
from sklssl.exceptions import StopTraining

__all__ = ["OPTIMIZERS", "SCHEDULES", "Phase", "Recipe", "train"]

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


class Recipe(NamedTuple):
    """How a phase is trained, whatever its scale and rate."""

    optimizer: str | Callable[..., torch.optim.Optimizer]
    weight_decay: float
    lr_schedule: str
    batch_size: int
    precision: str
    compile: bool = False
    # (pattern, factor): parameters whose name fits have a rate of their own, the factor times it.
    rate_factors: tuple[tuple[str, float], ...] = ()


@dataclass
class _Batches(torch.utils.data.IterableDataset):
    """Every image once an epoch in a new random order, in near-equal batches; one index each."""

    images: Any
    feed: ImageFeed
    batch_size: int
    rng: torch.Generator

    def __len__(self) -> int:
        return count_batches(len(self.images), self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(self.images), generator=self.rng)
        # To the device all at once: to copy each batch's would make a GPU wait.
        rows = order.to(self.feed.device).tensor_split(len(self))
        parts = (
            rows if isinstance(self.images, Tensor) else np.array_split(order.numpy(), len(self))
        )
        return zip(bring(self.images, parts, self.feed), rows, strict=True)


class _PretextNet(NeuralNet):
    """skorch's loop around a pretext task; targets come from the task, terms are kept on device."""

    def __init__(
        self, pretext: nn.Module, *, rng: torch.Generator, recipe: Recipe, **kwargs: Any
    ) -> None:
        super().__init__(pretext, **kwargs)
        self.rng = rng
        self.recipe = recipe

    def get_default_callbacks(self) -> list[Any]:
        return []

    def get_iterator(self, dataset: _Batches, training: bool = False) -> _Batches:
        return dataset

    def train_step_single(self, batch: tuple[Tensor, Tensor], **fit_params: Any) -> dict[str, Any]:
        images, index = batch
        views, targets = self.module_.views(images, self.rng, index)
        with autocast(images.device, self.recipe.precision):
            terms = self.module_(views, targets)
        terms["loss"].backward()
        return {name: term.detach() for name, term in terms.items()}

    def run_single_epoch(
        self, iterator: Any, training: bool, prefix: str, step_fn: Any, **fit_params: Any
    ) -> None:
        """Train an epoch without skorch's ``loss.item()`` a step, which makes a GPU wait."""
        if iterator is None:
            return
        self.module_.train()
        totals: dict[str, Tensor] = {}
        for batch in iterator:
            n = len(batch[1])
            for name, term in step_fn(batch).items():
                totals[name] = totals.get(name, 0) + term.float() * n
            self.notify("on_batch_end", batch=batch, training=training)
        for name, total in totals.items():
            self.history.record(name, total.item() / len(iterator.images))


class _Epochs(Callback):
    """Calls the pretext's hooks, and `on_epoch` with the row of each epoch."""

    def __init__(self, phase: Phase, on_epoch: Callable[[dict[str, Any]], None]) -> None:
        self.phase = phase
        self.on_epoch = on_epoch

    def on_train_begin(self, net: Any, X: _Batches | None = None, **kwargs: Any) -> None:
        assert X is not None
        self.steps_ = 0
        self.total_ = self.phase.max_epochs * len(X)

    def on_epoch_begin(self, net: Any, dataset_train: _Batches, **kwargs: Any) -> None:
        self.start_ = time.perf_counter()
        self.rate_ = net.optimizer_.param_groups[-1]["lr"]  # the last is what no pattern names
        net.module_.before_epoch(partial(_embed_all, net, dataset_train), net.rng)

    def on_batch_end(self, net: Any, **kwargs: Any) -> None:
        self.steps_ += 1
        net.module_.after_step(self.steps_ / self.total_)

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        for name, value in net.module_.eval().after_epoch().items():
            net.history.record(name, value)
        skip = {"batches", "epoch", "event_lr"}
        terms = {name: value for name, value in net.history[-1].items() if name not in skip}
        row = {"scale": self.phase.scale, "learning_rate": self.rate_, **terms}
        self.on_epoch({**row, "duration": time.perf_counter() - self.start_})
        if net.module_.finished:
            raise StopTraining


def _embed_all(
    net: Any, batches: _Batches, encode: Callable[[Tensor], Tensor] | None = None
) -> Tensor:
    """Give what `encode` makes (b, ...) of all training images, in row order.

    By default that is the encoder's last map, averaged to (n, d).
    """
    pretext = net.module_.eval()
    encode = encode or (lambda images: pretext.encoder(images).mean((2, 3)))
    parts = slices(len(batches.images), batches.batch_size)
    with torch.no_grad(), autocast(batches.feed.device, net.recipe.precision):
        features = [encode(batch).float() for batch in bring(batches.images, parts, batches.feed)]
    pretext.train()
    return torch.cat(features)


class _Advance(Callback):
    def __init__(self, bar: tqdm) -> None:
        self.bar = bar

    def on_batch_end(self, net: Any, batch: tuple[Tensor, Tensor], **kwargs: Any) -> None:
        self.bar.update(len(batch[1]))


def train(
    pretext: nn.Module,
    images: Any,
    feed: ImageFeed,
    phase: Phase,
    recipe: Recipe,
    rng: tuple[torch.Generator, torch.Generator],
    on_epoch: Callable[[dict[str, Any]], None],
    bar: tqdm,
) -> None:
    """Train `pretext` in place for one phase.

    Parameters
    ----------
    pretext : Pretext
        The task, on the feed's device.
    images : array-like of shape (n, H, W, C)
        At least two images.
    feed : ImageFeed
        Brings batches of `images` to the device at the phase's size.
    phase : Phase
    recipe : Recipe
    rng : (torch.Generator, torch.Generator)
        For the order of the images (on the CPU) and for the views (on the device).
    on_epoch : callable
        Called with the row of every epoch; may raise StopTraining.
    bar : tqdm
        Advanced by the images seen.
    """
    optimizer = recipe.optimizer
    batches = _Batches(reside(images, feed.device), feed, recipe.batch_size, rng[0])
    net = _PretextNet(
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
        device=feed.device,
        compile=recipe.compile,
        callbacks=[
            _Advance(bar),
            _Epochs(phase, on_epoch),
            *SCHEDULES[recipe.lr_schedule](phase.max_epochs, len(batches)),
        ],
        verbose=0,
        rng=rng[1],
        recipe=recipe,
    ).initialize()
    net.notify("on_train_begin", X=batches, y=None)
    # Not partial_fit, which swallows Ctrl-C.
    net.fit_loop(batches, epochs=phase.max_epochs)
