"""Warnings and errors of sklssl."""

from sklearn.exceptions import ConvergenceWarning

__all__ = [
    "CheckpointWarning",
    "CollapseWarning",
    "DivergenceWarning",
    "ImageFileError",
    "NonFiniteLossError",
    "NonFiniteLossWarning",
    "StateFileError",
    "StopTraining",
]


class CheckpointWarning(UserWarning):
    """A checkpoint could not be written or read; an earlier one is as it was."""


class CollapseWarning(ConvergenceWarning):
    """The embedding is (almost) the same for every image, so it tells little about them."""


class DivergenceWarning(ConvergenceWarning):
    """The pretext task is solved no better than by guessing."""


class ImageFileError(ValueError):
    """An image file is missing, damaged or of a kind that is not read; the message names it."""


class NonFiniteLossError(ArithmeticError):
    """The loss became infinite or not a number before one epoch was done.

    The estimator is left as it was before ``fit``.
    """


class NonFiniteLossWarning(ConvergenceWarning):
    """The loss became infinite or not a number after some epochs; what they learned is kept."""


class StateFileError(ValueError):
    """A checkpoint or a saved estimator is damaged, or holds what is not read; it is named."""


class StopTraining(Exception):
    """Raised by a callback to end the training early, keeping what was learned."""
