"""The only imports from private modules of scikit-learn, to be adapted when they change."""

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any, TypeVar

from sklearn import base, config_context, get_config
from sklearn.utils import Tags, get_tags
from sklearn.utils._param_validation import HasMethods, StrOptions, validate_parameter_constraints
from sklearn.utils._param_validation import Interval as _Interval
from sklearn.utils.validation import _check_sample_weight

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # before scikit-learn 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Replacement for versions of scikit-learn without callbacks."""


__all__ = [
    "UNDER_WAY",
    "CallbackSupport",
    "FitTasks",
    "HasMethods",
    "Interval",
    "StrOptions",
    "_check_sample_weight",
    "_fit_context",
    "requests_of",
    "set_requests",
    "tags_of",
    "validate_params",
]


_Method = TypeVar("_Method", bound=Callable[..., Any])


def _fit_context(*, prefer_skip_nested_validation: bool) -> Callable[[_Method], _Method]:
    """Return scikit-learn's decorator of ``fit``, which checkers take to change no signature."""
    decorator: Callable[[_Method], _Method] = base._fit_context(
        prefer_skip_nested_validation=prefer_skip_nested_validation
    )
    return decorator


def validate_params(constraints: dict[str, list[Any]]) -> Callable[[_Method], _Method]:
    """Return a decorator of functions that checks their arguments.

    Unlike scikit-learn's, it leaves messages about the parameters of nested estimators as they are.

    Parameters
    ----------
    constraints : dict of str to list
        The allowed kinds of values of arguments, as in scikit-learn.
    """

    def decorate(function: Any) -> Any:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def checked(*args: Any, **kwargs: Any) -> Any:
            if not get_config()["skip_parameter_validation"]:
                bound = signature.bind(*args, **kwargs)
                bound.apply_defaults()
                given = {name: bound.arguments[name] for name in constraints}
                validate_parameter_constraints(constraints, given, function.__qualname__)
            return function(*args, **kwargs)

        return checked

    return decorate


class Interval(_Interval):
    """A constraint of a parameter: a finite number in an interval.

    True and False, which are integers in Python, are excluded.

    Parameters
    ----------
    type : {numbers.Integral, numbers.Real}
        The kind of number.

    left, right : float, int or None
        The ends; None for no limit.

    closed : {"left", "right", "both", "neither"}
        Which ends are included.

    Examples
    --------
    >>> from numbers import Real
    >>> from sklssl.utils import Interval
    >>> above_zero = Interval(Real, 0, None, closed="neither")
    >>> [above_zero.is_satisfied_by(value) for value in (0.5, 0, True, "1", float("inf"))]
    [True, False, False, False, False]
    """

    def is_satisfied_by(self, val: Any) -> bool:
        """Return whether `val` is a number in the interval."""
        if isinstance(val, bool):
            return False
        try:
            return super().is_satisfied_by(val) and math.isfinite(float(val))
        except (TypeError, OverflowError):  # a Fraction, or an integer too large for a float
            return False


def tags_of(estimator: object, otherwise: Tags) -> Tags:
    """Return the tags of a nested estimator, or `otherwise` if it is not an estimator."""
    try:
        return get_tags(estimator)
    except (AttributeError, TypeError):
        return otherwise


# Attributes of a running fit, which belong to its process.
UNDER_WAY = {"_callback_fit_ctx", "_parent_callback_ctx", "_skl_callbacks_to_teardown"}


class CallbackSupport(CallbackSupportMixin):
    """Mixin that supports scikit-learn's own callbacks through ``set_callbacks``.

    Its ``fit`` is decorated with ``_fit_context``, which ends the tasks of :class:`FitTasks`.
    """

    def __getstate__(self) -> dict[str, Any]:
        # The state of a running fit must not leave this process.
        state = super().__getstate__()
        return {name: value for name, value in state.items() if name not in UNDER_WAY}

    def _learned(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k[-1] == "_" and k[0] != "_"}


def requests_of(estimator: Any) -> dict[str, dict[str, bool | str | None]]:
    """Return what an estimator requests for metadata routing, by method, where it was set."""
    request = vars(estimator).get("_metadata_request")
    return {} if request is None else request._serialize()


def set_requests(estimator: Any, requests: dict[str, dict[str, Any]]) -> None:
    """Set what an estimator requests for metadata routing.

    Raises
    ------
    Exception
        Of several types, for requests that the estimator does not have.
    """
    with config_context(enable_metadata_routing=True):
        for method, request in requests.items():
            getattr(estimator, f"set_{method}_request")(**request)


class FitTasks:
    """Notifies scikit-learn's callbacks, if there are any, about a fit and its epochs.

    Parameters
    ----------
    estimator : CallbackSupport or None
        The estimator whose ``fit`` was called; None to notify nobody.

    n_epochs : int
        Maximum number of epochs.

    learned : callable
        Returns a dict of the attributes learned so far.

    data : tuple of (X, y)
        The data passed to ``fit``.
    """

    def __init__(
        self,
        estimator: Any,
        n_epochs: int,
        learned: Callable[[], dict[str, Any]],
        data: tuple[Any, Any],
    ) -> None:
        self._learned = learned
        self._fit_arguments = {"estimator": estimator, "X": data[0], "y": data[1]}
        self._root: Any = None
        self._epoch: Any = None
        self._n_left = 0
        if hasattr(estimator, "_init_callback_context"):
            self._root = estimator._init_callback_context(max_subtasks=n_epochs)
            self._root.call_on_fit_task_begin(**self._fit_arguments)

    def begin_epochs(self, n_epochs: int) -> None:
        """Begin the first of `n_epochs` epochs."""
        self._n_left = n_epochs
        self.begin_epoch()

    def begin_epoch(self) -> None:
        """Begin the next epoch, if there is one."""
        if self._root is not None and self._n_left:
            self._epoch = self._root.subcontext(task_name="epoch")
            self._epoch.call_on_fit_task_begin(**self._fit_arguments)

    def end_epoch(self) -> bool:
        """End the epoch and return whether a callback requests to stop."""
        self._n_left -= 1
        return self._root is not None and self._end(self._epoch)

    def end(self) -> None:
        """End the fit."""
        if self._root is not None:
            self._end(self._root)
        self._fit_arguments = {}  # X is no longer needed

    def _end(self, task: Any) -> bool:
        return task.call_on_fit_task_end(
            **self._fit_arguments, reconstruction_attributes=self._learned
        )
