"""Stop a training run that no longer improves."""

import warnings
from numbers import Real
from typing import Any

import numpy as np

from sklssl._training.run import StopPhase
from sklssl.callbacks._probe_monitor import ProbeMonitor
from sklssl.utils._arguments import to_builtin
from sklssl.utils._whole import is_whole

__all__ = ["EarlyStopping"]

_MODES = ("auto", "min", "max")
# In the names of values that fall if training goes well.
_MINIMISED = ("loss", "error", "distance")


class EarlyStopping:
    """Stop training when a recorded value has not improved for several epochs.

    Pass it in the list `callbacks` of an estimator. It reads the rows of ``history_`` and has no
    state of its own: each call of ``fit`` starts afresh, also with a warm start. If an estimator
    trains at several scales, each scale is monitored separately, since the loss jumps between
    them. When one scale is stopped, training continues with the next.

    Parameters
    ----------
    monitor : str, default="loss"
        The value to monitor: any key of the rows of ``history_``, including keys added by other
        callbacks. Rows without this key are skipped.

    patience : int, default=5
        Stop after this many consecutive recorded values without improvement over the best one.

    min_delta : float, default=0.0
        Minimum change that counts as an improvement.

    mode : {"auto", "min", "max"}, default="auto"
        Whether lower or higher values are better. "auto" means "min" for names that contain "loss",
        "error" or "distance", and "max" for all others, such as "accuracy" and "spread".

    Raises
    ------
    ValueError
        If a parameter is invalid. In ``fit``, if the first row lacks the key `monitor` and no
        callback can add it.

    Warns
    -----
    UserWarning
        At the end of training, if no row has the key `monitor`.

    See Also
    --------
    ProbeMonitor : Record the accuracy of a probe.
    sklssl.exceptions.StopTraining : Raise it in your own callback to stop training at all scales.

    Notes
    -----
    The final weights are those of the last epoch, not of the best one. The learning rate follows
    the schedule for all epochs: with the default "step", a run that is stopped early never reaches
    the small learning rates.

    Examples
    --------
    >>> from sklssl import RotNetEmbedder
    >>> from sklssl.callbacks import EarlyStopping
    >>> from sklssl.datasets import load_digit_images
    >>> X, _ = load_digit_images(return_X_y=True)
    >>> stop = EarlyStopping("accuracy", patience=2, min_delta=0.2)
    >>> embedder = RotNetEmbedder(max_epochs=20, callbacks=[stop], random_state=0).fit(X[:200])
    >>> embedder.n_epochs_ < 20
    True
    """

    def __init__(
        self,
        monitor: str = "loss",
        *,
        patience: int = 5,
        min_delta: float = 0.0,
        mode: str = "auto",
    ) -> None:
        _check("monitor", isinstance(monitor, str), "the name of a recorded value", monitor)
        _check("patience", is_whole(patience), "a whole number from 1", patience)
        finite = isinstance(min_delta, Real) and 0 <= min_delta < np.inf
        _check("min_delta", finite, "a finite number from 0", min_delta)
        _check("mode", mode in _MODES, f"one of {list(_MODES)}", mode)
        self.monitor = monitor
        self.patience = to_builtin(patience)
        self.min_delta = to_builtin(min_delta)
        self.mode = mode

    def __call__(self, estimator: Any, row: dict[str, Any]) -> None:
        """Stop training at the current scale if the monitored value has not improved.

        Parameters
        ----------
        estimator : estimator
            The estimator, with its ``history_``.

        row : dict
            The row of the epoch that has just ended.

        Raises
        ------
        StopTraining
            To continue with the next scale, or to stop training after the last one.
        """
        rows = [r for r in estimator.history_ if r.get("phase") == row.get("phase")]
        values = [r[self.monitor] for r in rows if self.monitor in r]
        if not values and len(rows) == 1 and not self._may_be_recorded(estimator):
            raise ValueError(
                f"{self._missing_message(estimator)} Choose one of these, or record it."
            )
        if self._count_without_improvement(values) >= self.patience:
            raise StopPhase

    def after_training(self, estimator: Any) -> None:
        """Warn if the monitored value was never recorded.

        Parameters
        ----------
        estimator : estimator
            The estimator, with its ``history_``.
        """
        rows = estimator.history_
        if rows and not any(self.monitor in row for row in rows):
            warnings.warn(
                f"{self._missing_message(estimator)} Nothing could be stopped.",
                UserWarning,
                stacklevel=2,
            )

    def __repr__(self) -> str:
        return (
            f"EarlyStopping({self.monitor!r}, patience={self.patience}, "
            f"min_delta={self.min_delta}, mode={self.mode!r})"
        )

    def _count_without_improvement(self, values: list[float]) -> int:
        """Count the values since the last improvement."""
        lower = any(word in self.monitor.lower() for word in _MINIMISED)
        sign = -1 if self.mode == "min" or (self.mode == "auto" and lower) else 1
        best, n_waited = -np.inf, 0
        for value in values:
            better = sign * value > best + self.min_delta  # never true for NaN
            best, n_waited = (sign * value, 0) if better else (best, n_waited + 1)
        return n_waited

    def _may_be_recorded(self, estimator: Any) -> bool:
        """Return whether a callback may add the value; for a function this is unknown."""
        known = EarlyStopping, ProbeMonitor
        return any(
            not isinstance(callback, known) or getattr(callback, "_records", None) == self.monitor
            for callback in estimator.callbacks or ()
        )

    def _missing_message(self, estimator: Any) -> str:
        terms = list(dict.fromkeys(name for row in estimator.history_ for name in row))
        return (
            f"The 'monitor' parameter of EarlyStopping is {self.monitor!r}, but "
            f"{type(estimator).__name__} has recorded {terms}."
        )


def _check(name: str, is_allowed: bool, allowed: str, value: object) -> None:
    if not is_allowed:
        raise ValueError(
            f"The '{name}' parameter of EarlyStopping must be {allowed}. Got {value!r}."
        )
