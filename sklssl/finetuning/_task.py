"""The supervised task of fine-tuning."""

import contextlib
import copy
import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from sklssl._data.batches import MapsToDevice, ToTensor, count_batches, iter_batches
from sklssl._data.input import CheckedImages
from sklssl._training.pretext import Pretext
from sklssl.augmentation import RandomViews
from sklssl.backbones import Backbone
from sklssl.finetuning._heads import Head

__all__ = ["SupervisedTask", "Validation"]

_Part = TypeVar("_Part", nn.Module, nn.Parameter)
_CROPS = RandomViews(crop_scale=(0.5, 1.0), jitter=0.0)


@dataclasses.dataclass(frozen=True)
class Validation:
    """Images or feature maps, of which the rows starting at `first` are used for validation."""

    images: CheckedImages
    first: int
    to_tensor: ToTensor | MapsToDevice
    batch_size: int
    patience: int | None


class SupervisedTask(Pretext):
    """Predict the targets of images from the feature map of a stage, with a head.

    Parameters
    ----------
    backbone : Backbone
        Trained after the stage `frozen_until`.

    head : Head
        Trained from scratch.

    layer : str
        The stage whose feature map the head uses.

    frozen_until : str or None
        The last stage whose weights and batch-norm statistics stay unchanged.

    answers : tuple of (targets, weights)
        Tensors of shape (n, ...) and (n,); the rows of `images` in training come first.

    measure : callable
        ``measure(outputs, targets, weights)`` returns the terms.

    cached : bool
        Whether the inputs are the feature maps of `frozen_until` instead of images.

    augment : bool
        Whether images are cropped and flipped during training.

    chance : float
        The loss of guessing, on the rows in training.
    """

    targets: Tensor
    weights: Tensor

    def __init__(
        self,
        backbone: Backbone,
        head: Head,
        *,
        layer: str,
        frozen_until: str | None,
        answers: list[Tensor],
        measure: Callable[[Tensor, Tensor, Tensor], dict[str, Tensor]],
        cached: bool,
        augment: bool,
        chance: float,
    ) -> None:
        super().__init__(backbone)
        self.head = head
        self.layer = layer
        self.frozen_until = frozen_until
        self.measure = measure
        self.cached = cached
        self.augment = augment
        self.chance = chance
        self.register_buffer("targets", answers[0])
        self.register_buffer("weights", answers[1])
        self.validation: Validation | None = None
        self._best: dict[str, Any] | None = None
        self._best_loss, self._n_stale = np.inf, 0

    def train(self, mode: bool = True) -> Self:
        """Set the mode of all stages except frozen ones, which stay in evaluation mode."""
        super().train(mode)
        for part in self._frozen(self.backbone.named_modules()):
            part.eval()
        return self

    def _frozen(self, named: Iterable[tuple[str, _Part]]) -> list[_Part]:
        """Return the frozen ones among named modules or weights."""
        if self.frozen_until is None:
            return []
        starts = self.backbone.weights_until(self.frozen_until)
        return [
            part
            for name, part in named
            if any(name == start or name.startswith(f"{start}.") for start in starts)
        ]

    @contextlib.contextmanager
    def freezing(self) -> Iterator[None]:
        """Disable the gradients of frozen weights within the block."""
        weights = self._frozen(self.backbone.named_parameters())
        weights = [weight for weight in weights if weight.requires_grad]
        for weight in weights:
            weight.requires_grad_(False)
        try:
            yield
        finally:
            for weight in weights:
                weight.requires_grad_(True)

    def views(self, images: Tensor, rng: torch.Generator, index: Tensor) -> tuple[Tensor, Tensor]:
        if self.augment and self.training:
            images = _CROPS(images, rng)
        return images, index

    def forward(self, views: Tensor, targets: Tensor) -> dict[str, Tensor]:
        after = self.frozen_until if self.cached else None
        outputs = self.head(self.backbone(views, self.layer, after=after))
        return self.measure(outputs, self.targets[targets], self.weights[targets])

    def chance_loss(self, n_images: int) -> float:
        return self.chance

    def after_epoch(self) -> dict[str, float]:
        """Evaluate on the validation images, and remember the best weights."""
        if self.validation is None:
            return {}
        terms = {f"valid_{name}": v for name, v in self._validate(self.validation).items()}
        if self.validation.patience is not None:
            self._keep_best(terms["valid_loss"], self.validation.patience)
        return terms

    @torch.no_grad()
    def _validate(self, kept: Validation) -> dict[str, float]:
        totals: dict[str, float] = {}
        rows = np.arange(kept.first, len(kept.images))
        parts = np.array_split(rows, count_batches(len(rows), kept.batch_size))
        for index, batch in zip(
            parts, iter_batches(kept.images, parts, kept.to_tensor), strict=True
        ):
            terms = self(batch, torch.from_numpy(index))
            for name, term in terms.items():
                totals[name] = totals.get(name, 0.0) + term.item() * len(index) / len(rows)
        return totals

    def _keep_best(self, loss: float, patience: int) -> None:
        self._n_stale += 1
        if loss < self._best_loss:
            self._best_loss, self._n_stale = loss, 0
            self._best = copy.deepcopy(self.state_dict())
        self.finished = self._n_stale >= patience

    def restore_best(self) -> None:
        """Restore the weights with the best validation loss, if there are validation images."""
        if self._best is not None:
            self.load_state_dict(self._best)
