"""Warnings and errors of sklssl."""

from sklearn.exceptions import ConvergenceWarning

__all__ = [
    "CheckpointWarning",
    "CollapseWarning",
    "DistributedError",
    "DivergenceWarning",
    "ImageFileError",
    "NonFiniteLossError",
    "NonFiniteLossWarning",
    "StateFileError",
    "StopTraining",
]


class CheckpointWarning(UserWarning):
    """A checkpoint could not be written or read; earlier checkpoints are unchanged."""


class CollapseWarning(ConvergenceWarning):
    """The embedding is (almost) identical for all images and carries little information."""


class DistributedError(RuntimeError):
    """Another process of a distributed run failed. The message names its rank and says why.

    The estimator is left unchanged, as it was before ``fit``.
    """


class DivergenceWarning(ConvergenceWarning):
    """Training diverges, or its task is solved no better than by chance."""


class ImageFileError(ValueError):
    """An image file is missing, corrupt or of an unsupported type. The message names the file."""


class NonFiniteLossError(ArithmeticError):
    """The loss became infinite or NaN before the first epoch was completed.

    The estimator is left unchanged, as it was before ``fit``.
    """


class NonFiniteLossWarning(ConvergenceWarning):
    """The loss became infinite or NaN after some epochs; the weights of those epochs are kept."""


class StateFileError(ValueError):
    """A checkpoint or saved estimator is corrupt or has unsupported content.

    The message names the file.
    """


class StopTraining(Exception):
    """Raised by a callback to stop training early and keep the weights learned so far."""
