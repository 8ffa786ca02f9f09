"""Check that the processes of a distributed run fit the same estimator to the same data."""

from __future__ import annotations

from numbers import Integral
from typing import Any

from sklssl._data.batches import count_batches
from sklssl._runtime.ranks import Ranks
from sklssl._training.config import Plan
from sklssl._training.fingerprint import (
    canonical_repr,
    fingerprint,
    fingerprint_module,
    settings_repr,
)

__all__ = ["check_same_fit"]


def check_same_fit(estimator: Any, rows: list[Any], plan: Plan, ranks: Ranks) -> None:
    """Raise an error in all processes if one of them fits something else than the first one.

    Parameters
    ----------
    estimator : estimator

    rows : list of arrays
        The training data, the images first.

    plan : Plan

    ranks : Ranks

    Raises
    ------
    ValueError
    """
    if ranks.size == 1:
        return
    name = type(estimator).__name__
    first, *others = ranks.collect(_describe(estimator, rows, plan))
    for rank, other in enumerate(others, start=1):
        different = [key for key in first if other.get(key) != first[key]]
        if different:
            key = different[0]
            both = f"{first[key]} in rank 0 and {other.get(key)} in rank {rank}"
            raise ValueError(
                f"{name}: every process must call the same fit, but {key} differs: {both}. Let "
                "all of them prepare their images, labels and parameters in the same way."
            )
    smallest = len(rows[0]) // count_batches(len(rows[0]), estimator.batch_size)
    if smallest < ranks.size:
        raise ValueError(
            f"{name}: a batch of {smallest} images cannot be divided among {ranks.size} "
            "processes. Start fewer of them, or set 'batch_size' higher."
        )


def _describe(estimator: Any, rows: list[Any], plan: Plan) -> dict[str, str]:
    """Describe what is fitted, in the order in which differences are reported."""
    settings = settings_repr(estimator)
    if isinstance(estimator.random_state, Integral):
        settings["random_state"] = canonical_repr(estimator.random_state)
    described = {"the estimator": type(estimator).__name__}
    described |= {f"the parameter '{name}'": value for name, value in settings.items()}
    described["the schedule"] = canonical_repr(plan.phases)
    if plan.continued:
        described["the network to continue from"] = fingerprint_module(estimator.pretext_)[:12]
    names = "X", "y", "sample_weight"
    for name, array in zip(names, rows, strict=False):
        described[f"the shape of {name}"] = str(array.shape)
        described[f"the content of {name}"] = f"values with the hash {fingerprint(array)[:12]}"
    return described
