"""Ending a training that gets no better."""

import warnings
from numbers import Integral, Real

import numpy as np

from sklssl._training.run import StopPhase
from sklssl.callbacks._probe_monitor import ProbeMonitor
from sklssl.utils._arguments import as_plain

__all__ = ["EarlyStopping"]

_MODES = ("auto", "min", "max")


class EarlyStopping:
    """End a training when a recorded term has not become better for a while.

    Goes into the list `callbacks` of an estimator. It judges by the rows of ``history_`` and
    keeps nothing: each ``fit`` starts afresh, also one that goes on from what was learned.
    Where a training has several scales each is judged on its own, since the loss jumps between
    them, and its end is the beginning of the next.

    Parameters
    ----------
    monitor : str, default="loss"
        The term: any key of the rows of ``history_``, also one that another callback adds. Rows
        without it are passed over.

    patience : int, default=5
        So many recorded values in a row that are no better than the best one before end the
        training.

    min_delta : float, default=0.0
        What a value must be better by to count.

    mode : {"auto", "min", "max"}, default="auto"
        Whether lower or higher is better. "auto" takes higher for names that contain "accuracy"
        or "score", lower for all others.

    Raises
    ------
    ValueError
        If a parameter cannot be used; in ``fit``, if the first row lacks the term and nothing
        among the callbacks could add it.

    Warns
    -----
    UserWarning
        At the end of the training, if no row has the term.

    See Also
    --------
    ProbeMonitor : Records the accuracy of a probe.
    sklssl.exceptions.StopTraining : Ends a training with all its scales, by a function of your
        own.

    Notes
    -----
    The weights are those of the last epoch, not of the best one. The learning rate has followed
    the schedule of all epochs: with the default "step" a training that has ended early has not
    seen its small rates.

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

    def __init__(self, monitor="loss", *, patience=5, min_delta=0.0, mode="auto"):
        _check("monitor", isinstance(monitor, str), "the name of a recorded term", monitor)
        whole = isinstance(patience, Integral) and patience >= 1
        _check("patience", whole, "a whole number from 1", patience)
        finite = isinstance(min_delta, Real) and 0 <= min_delta < np.inf
        _check("min_delta", finite, "a finite number from 0", min_delta)
        _check("mode", mode in _MODES, f"one of {list(_MODES)}", mode)
        self.monitor = monitor
        self.patience = as_plain(patience)
        self.min_delta = as_plain(min_delta)
        self.mode = mode

    def __call__(self, estimator, row):
        """Raise what ends the present scale if the term has not become better.

        Parameters
        ----------
        estimator : estimator
            With the ``history_`` of its training.

        row : dict
            Of the epoch that has ended.

        Raises
        ------
        StopTraining
            One that ends the present scale, if another one follows, and else the training.
        """
        rows = [r for r in estimator.history_ if r.get("phase") == row["phase"]]
        values = [r[self.monitor] for r in rows if self.monitor in r]
        if not values and len(rows) == 1 and not self._may_come(estimator):
            raise ValueError(f"{self._never(estimator)} Choose one of these, or record it.")
        if self._waited(values) >= self.patience:
            raise StopPhase

    def after_training(self, estimator):
        """Warn if the term was never there.

        Parameters
        ----------
        estimator : estimator
            With the ``history_`` of its training.
        """
        rows = estimator.history_
        if rows and not any(self.monitor in row for row in rows):
            warnings.warn(
                f"{self._never(estimator)} Nothing could be stopped.", UserWarning, stacklevel=2
            )

    def __repr__(self):
        return (
            f"EarlyStopping({self.monitor!r}, patience={self.patience}, "
            f"min_delta={self.min_delta}, mode={self.mode!r})"
        )

    def _waited(self, values):
        """Count the values since the last one that was better than all before."""
        higher = any(word in self.monitor.lower() for word in ("accuracy", "score"))
        sign = 1 if self.mode == "max" or (self.mode == "auto" and higher) else -1
        best, waited = -np.inf, 0
        for value in values:
            better = sign * value > best + self.min_delta  # never of a NaN
            best, waited = (sign * value, 0) if better else (best, waited + 1)
        return waited

    def _may_come(self, estimator):
        """Tell whether a callback may still add the term: what a function adds nobody knows."""
        known = EarlyStopping, ProbeMonitor
        return any(
            not isinstance(callback, known) or getattr(callback, "_records", None) == self.monitor
            for callback in estimator.callbacks or ()
        )

    def _never(self, estimator):
        terms = list(dict.fromkeys(name for row in estimator.history_ for name in row))
        return (
            f"The 'monitor' parameter of EarlyStopping is {self.monitor!r}, but "
            f"{type(estimator).__name__} has recorded {terms}."
        )


def _check(name, is_allowed, allowed, value):
    if not is_allowed:
        raise ValueError(
            f"The '{name}' parameter of EarlyStopping must be {allowed}. Got {value!r}."
        )
