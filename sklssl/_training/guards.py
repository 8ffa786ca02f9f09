"""Detect, during training, that the network is not learning."""

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from sklssl._data.batches import count_batches, count_held
from sklssl._data.input import CheckedImages
from sklssl._training.pretext import Pretext
from sklssl.exceptions import CollapseWarning, DivergenceWarning
from sklssl.metrics import dead_feature_share, effective_rank
from sklssl.utils._checks import check_learned

__all__ = [
    "ChanceGuard",
    "CollapseGuard",
    "FineTuningGuard",
    "FiniteGuard",
    "SpreadGuard",
    "looks_after",
]

_LEAST_SAMPLE, _SAMPLE = 32, 256  # number of images
_MOST_PIXELS = 2**14  # values of an image that tell whether images differ
# Centred features this small relative to the uncentred ones are rounding errors.
_ROUNDING = 1e-4
_MOST_DEAD = 0.9
_LEAST_RANK = 2.0
_BETTER, _WORSE, _TWICE, _MUCH_WORSE = 0.98, 1.05, 2.0, 10.0  # factors of the loss at chance level
_PATIENCE = 5  # epochs until the task must be solved better than chance
_LEAST_SPREAD = 0.1  # of unit vectors; 1 if they point in all directions


class FiniteGuard:
    """Raises an error when the outputs of the network for some images are not finite.

    They are computed after some epochs, see :func:`looks_after`, and after the last one, at
    negligible cost.
    """

    _most_images = _LEAST_SAMPLE

    def __init__(self, images: CheckedImages, embed: Callable[[np.ndarray], np.ndarray]) -> None:
        n_images = min(len(images), count_held(images.shape[1:], _LEAST_SAMPLE, self._most_images))
        # Evenly spaced, since the first ones may be alike.
        rows = np.linspace(0, len(images) - 1, n_images, dtype=np.intp)
        self.images, self.embed = images[rows], embed
        self.looked_after = None  # epochs

    def __call__(self, estimator: Any, row: dict[str, Any]) -> None:
        if looks_after(row["epoch"]):
            self.looked_after = row["epoch"]
            self.look(estimator)

    def after_training(self, estimator: Any) -> None:
        if estimator.n_epochs_ != self.looked_after:
            self.look(estimator)

    def look(self, estimator: Any) -> np.ndarray:
        """Return the outputs for the sample.

        Raises
        ------
        NonFiniteLossError
            If they are infinite or NaN.
        """
        Z = self.embed(self.images)
        check_learned(type(estimator).__name__, Z)
        return Z


def looks_after(epoch: int) -> bool:
    """Return whether guards compute outputs after this epoch: after 1, 2, 4, 8, ..."""
    return epoch.bit_count() == 1


class CollapseGuard(FiniteGuard):
    """Warns once, too, when the features of different images become similar."""

    _most_images = _SAMPLE

    def __init__(self, images: CheckedImages, embed: Callable[[np.ndarray], np.ndarray]) -> None:
        super().__init__(images, embed)
        self.warned = False

    def look(self, estimator: Any) -> np.ndarray:
        """Embed the sample, and warn if its features carry little information."""
        Z = super().look(estimator)
        if not self.warned:
            self._warn_if_collapsed(estimator, Z)
        return Z

    def _warn_if_collapsed(self, estimator: Any, Z: np.ndarray) -> None:
        name = type(estimator).__name__
        problem = self._find_problem(Z.astype(np.float64))  # squares must be finite too
        if problem:
            self.warned = True
            remedy = "Try a smaller learning_rate, max_grad_norm=1.0, fewer max_epochs or another "
            remedy = f"{remedy}layer, and check" if getattr(estimator, "max_epochs", 1) else "Check"
            warnings.warn(
                f"{name}: the embedding collapsed, {problem}. {remedy} that the images in X "
                "differ.",
                CollapseWarning,
                stacklevel=2,
            )

    def _find_problem(self, Z: np.ndarray) -> str | None:
        if np.linalg.norm(Z - Z.mean(axis=0)) <= _ROUNDING * np.linalg.norm(Z):
            return "all images have (almost) the same features"
        dead = dead_feature_share(Z)
        if dead > _MOST_DEAD:
            return f"{dead:.0%} of the features are the same for all images"
        if self._participation(Z) < _LEAST_RANK:
            rank = effective_rank(Z)
            pixels = self.images.reshape(len(self.images), -1)
            pixels = pixels[:, :: math.ceil(pixels.shape[1] / _MOST_PIXELS)]
            if rank < _LEAST_RANK and effective_rank(pixels.astype(np.float64)) > 2 * rank:
                return f"the features vary along only {rank:.1f} directions (effective rank)"
        return None

    @staticmethod
    def _participation(Z: np.ndarray) -> float:
        """Return the participation ratio, a fast lower bound of the effective rank."""
        Z = Z - Z.mean(axis=0)
        products = Z @ Z.T
        return np.trace(products) ** 2 / np.square(products).sum()


class ChanceGuard:
    """Warns once when the task is, or has become, solved no better than by chance.

    It uses the rows of the history, which include the epochs before a resumed run.
    """

    _task = "the pretext task"
    _good_enough = _BETTER  # of the last loss, as a factor of that at chance level
    _verdict = "is solved no better than by chance"
    _remedy = (
        "Try another learning_rate or weight_decay, or another method: this one may be unsuitable "
        "for the images in X."
    )

    def __init__(self, pretext: Pretext, n_images: int, batch_size: int) -> None:
        self.chance: float | None = pretext.chance_loss(
            math.ceil(n_images / count_batches(n_images, batch_size))
        )
        self.warned = False

    def __call__(self, estimator: Any, row: dict[str, Any]) -> None:
        if self.chance is None or row["loss"] <= _WORSE * self.chance:
            return
        rows = estimator.history_
        # At first, and in single epochs, the loss may be above chance level.
        lost = len(rows) >= _PATIENCE and rows[-2]["loss"] > _WORSE * self.chance
        if row["loss"] > _MUCH_WORSE * self.chance or (lost and any(map(self._is_better, rows))):
            self._warn(
                estimator,
                f"diverges: its loss is {row['loss']:.3g} in epoch {row['epoch']} (by chance: "
                f"{self.chance:.3g}). Try a smaller learning_rate or max_grad_norm=1.0.",
            )

    def after_training(self, estimator: Any) -> None:
        rows = estimator.history_
        if self.chance is None or len(rows) < _PATIENCE:
            return
        if rows[-1]["loss"] >= self._good_enough * self.chance:
            self._warn(
                estimator,
                f"{self._verdict}, with a loss of {rows[-1]['loss']:.3g} after {len(rows)} epochs "
                f"(by chance: {self.chance:.3g}). {self._remedy}",
            )

    def _is_better(self, row: dict[str, Any]) -> bool:
        return self.chance is not None and row["loss"] < _BETTER * self.chance

    def _warn(self, estimator: object, what: str) -> None:
        if not self.warned:
            self.warned = True
            text = f"{type(estimator).__name__}: {self._task} {what}"
            warnings.warn(text, DivergenceWarning, stacklevel=2)


class FineTuningGuard(ChanceGuard):
    """Does the same for fine-tuning, where ending near chance level is no failure.

    Nothing predicts labels that have nothing to do with the images.
    """

    _task = "fine-tuning"
    _good_enough = _TWICE
    _verdict = "predicts y worse than by chance"
    _remedy = "Try more max_epochs, another learning_rate or max_grad_norm=1.0."


class SpreadGuard:
    """Warns once when the projections of all images become alike, for tasks with a term "spread".

    Tasks without negative examples have their best loss then, and features of layers that are not
    trained would hide it from the other guards.
    """

    def __init__(self) -> None:
        self.warned = False

    def __call__(self, estimator: Any, row: dict[str, Any]) -> None:
        if self.warned or row.get("spread", 1.0) >= _LEAST_SPREAD:
            return
        self.warned = True
        warnings.warn(
            f"{type(estimator).__name__}: the projections collapsed, all images have almost the "
            f"same (a spread of {row['spread']:.2g} in epoch {row['epoch']}; 1 is the most). The "
            "low loss says nothing. Try a smaller learning_rate or a larger batch_size, or a "
            "method with negative examples such as SimCLREmbedder.",
            CollapseWarning,
            stacklevel=2,
        )
