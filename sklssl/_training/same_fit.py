"""Check that the processes of a distributed run fit the same estimator to the same data."""

from __future__ import annotations

from typing import Any

from sklssl._data.batches import count_batches
from sklssl._runtime.ranks import Ranks

__all__ = ["check_same_fit"]


def check_same_fit(estimator: Any, rows: list[Any], about: dict[str, Any], ranks: Ranks) -> None:
    """Raise an error in all processes if one of them fits something else than the first one.

    Parameters
    ----------
    estimator : estimator

    rows : list of arrays
        The training data, the images first.

    about : dict
        What :func:`describe_fit` returns for the fit.

    ranks : Ranks

    Raises
    ------
    ValueError
    """
    if ranks.size == 1:
        return
    name = type(estimator).__name__
    first, *others = ranks.collect(_list_parts(about, rows))
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


def _list_parts(about: dict[str, Any], rows: list[Any]) -> dict[str, str]:
    """Describe each part of a fit in words, in the order in which differences are reported."""
    parts = {"the estimator": about["estimator"]}
    parts |= {f"the parameter '{name}'": value for name, value in about["settings"].items()}
    parts |= {"the schedule": about["phases"], "the network to continue from": about["continued"]}
    names = "X", "y", "sample_weight"
    for name, array, content in zip(names, rows, about["rows"], strict=False):
        parts[f"the shape of {name}"] = str(array.shape)
        parts[f"the content of {name}"] = f"values with the hash {content[:12]}"
    return parts
