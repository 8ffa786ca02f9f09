"""The only door to scikit-learn's private modules: one file to mend when they move."""

import math

from sklearn.base import _fit_context
from sklearn.utils import _safe_indexing, get_tags
from sklearn.utils._param_validation import HasMethods, StrOptions, validate_params
from sklearn.utils._param_validation import Interval as _Interval
from sklearn.utils.validation import _check_sample_weight

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # before scikit-learn 1.9

    class CallbackSupportMixin:
        """Stands in where scikit-learn has no callbacks of its own."""


__all__ = [
    "CallbackSupport",
    "FitTasks",
    "HasMethods",
    "Interval",
    "StrOptions",
    "_check_sample_weight",
    "_fit_context",
    "_safe_indexing",
    "tags_of",
    "validate_params",
]


class Interval(_Interval):
    """What a parameter may be, in ``_parameter_constraints``: a finite number of an interval.

    True and False, which Python counts as integers, are none.

    Parameters
    ----------
    type : {numbers.Integral, numbers.Real}
        The kind of number.

    left, right : float, int or None
        The ends; None where there is none.

    closed : {"left", "right", "both", "neither"}
        Which ends belong to it.

    Examples
    --------
    >>> from numbers import Real
    >>> from sklssl.utils import Interval
    >>> above_zero = Interval(Real, 0, None, closed="neither")
    >>> [above_zero.is_satisfied_by(value) for value in (0.5, 0, True, "1", float("inf"))]
    [True, False, False, False, False]
    """

    def is_satisfied_by(self, val):
        """Tell whether `val` is a number of the interval."""
        if isinstance(val, bool):
            return False
        try:
            return super().is_satisfied_by(val) and math.isfinite(float(val))
        except (TypeError, OverflowError):  # a fraction, or an integer that no float holds
            return False


def tags_of(estimator, otherwise):
    """Give the tags of a nested estimator, or `otherwise` those of what is none: fit says so."""
    try:
        return get_tags(estimator)
    except (AttributeError, TypeError):
        return otherwise


class CallbackSupport(CallbackSupportMixin):
    """Lets an estimator take scikit-learn's own callbacks by ``set_callbacks``.

    Its ``fit`` is decorated with ``_fit_context``, which ends what :class:`FitTasks` began.
    """

    def __getstate__(self):
        # What a fit under way leaves on the estimator belongs to this process alone.
        under_way = {"_callback_fit_ctx", "_parent_callback_ctx", "_skl_callbacks_to_teardown"}
        state = super().__getstate__()
        return {name: value for name, value in state.items() if name not in under_way}

    def _learned(self):
        return {k: v for k, v in vars(self).items() if k[-1] == "_" and k[0] != "_"}


class FitTasks:
    """Tells scikit-learn's callbacks of a fit and of its epochs; silent without any.

    Parameters
    ----------
    estimator : CallbackSupport
        The one whose ``fit`` was called.

    n_epochs : int
        How many epochs there will be at most.

    learned : callable
        Gives a dict of the attributes learned so far.

    data : tuple of (X, y)
        What it is fitted on.
    """

    def __init__(self, estimator, n_epochs, learned, data):
        self._learned = learned
        self._told = {"estimator": estimator, "X": data[0], "y": data[1]}
        self._root = self._epoch = None
        self._left = 0
        if hasattr(estimator, "_init_callback_context"):
            self._root = estimator._init_callback_context(max_subtasks=n_epochs)
            self._root.call_on_fit_task_begin(**self._told)

    def begin_epochs(self, n_epochs):
        """Begin the first of so many epochs."""
        self._left = n_epochs
        self.begin_epoch()

    def begin_epoch(self):
        """Begin the next epoch, if there is any."""
        if self._root is not None and self._left:
            self._epoch = self._root.subcontext(task_name="epoch")
            self._epoch.call_on_fit_task_begin(**self._told)

    def end_epoch(self):
        """End the epoch; tell whether a callback wants to stop."""
        self._left -= 1
        return self._root is not None and self._end(self._epoch)

    def end(self):
        """End the fit."""
        if self._root is not None:
            self._end(self._root)

    def _end(self, task):
        return task.call_on_fit_task_end(**self._told, reconstruction_attributes=self._learned)
