"""The identity of a training run, its settings and images, as text for comparison."""

from typing import Any

from sklssl._training.canonical import canonical_repr, settings_of
from sklssl._training.config import Plan
from sklssl._training.hashes import fingerprint, fingerprint_module

__all__ = ["callbacks_repr", "describe_fit", "settings_repr", "what_is_learned"]


def describe_fit(estimator: Any, rows: list[Any], plan: Plan) -> dict[str, Any]:
    """Describe what distinguishes a fit from others; it is the same in every process.

    Parameters
    ----------
    estimator : estimator
        The estimator to train; if training continues, in its fitted state.

    rows : list of arrays
        The training data.

    plan : Plan
    """
    return {
        "estimator": type(estimator).__name__,
        "settings": settings_repr(estimator),
        "phases": canonical_repr(plan.phases),
        "continued": fingerprint_module(estimator.pretext_) if plan.continued else "",
        "rows": [fingerprint(array) for array in rows],
    }


def what_is_learned(estimator: Any, about: dict[str, Any]) -> dict[str, Any]:
    """Return the description of a fit without the parameters that its result does not depend on.

    Parameters
    ----------
    estimator : estimator

    about : dict
        What :func:`describe_fit` returns for the fit.
    """
    unused = set(getattr(estimator, "_only_in_transform", ()))
    if about["continued"]:
        unused.add("init_weights")
    settings = {name: text for name, text in about["settings"].items() if name not in unused}
    return {**about, "settings": settings}


def settings_repr(estimator: Any) -> dict[str, str]:
    """Describe the parameters of an estimator that affect what it learns."""
    settings = settings_of(estimator, reads=True)
    return {name: canonical_repr(value) for name, value in settings.items()}


def callbacks_repr(estimator: Any) -> str:
    """Describe the callbacks of an estimator, which may stop its training."""
    own, of_sklearn = estimator.callbacks, getattr(estimator, "_skl_callbacks", None)
    return canonical_repr([list(own or ()), list(of_sklearn or ())], reads=False)
