"""Names of classes for tables, pictures and messages."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["join_words", "name_labels"]


def name_labels(
    labels: npt.ArrayLike, target_names: Sequence[str] | None, *, owner: str
) -> list[Any]:
    """Return labels as plain values, or as the names that they index.

    Parameters
    ----------
    labels : array-like of shape (n,)
        Labels or predicted values.

    target_names : sequence of str or None
        The names of the class indices.

    owner : str
        The caller; used in error messages.

    Raises
    ------
    ValueError
        If a label is no index into `target_names`.
    """
    labels = np.asarray(labels)
    if target_names is None:
        return labels.tolist()
    names = list(map(str, target_names))
    if labels.dtype.kind not in "iu" or (labels < 0).any() or (labels >= len(names)).any():
        raise ValueError(
            f"The 'target_names' parameter of {owner} has {len(names)} names, for the classes 0 to "
            f"{len(names) - 1}, but there are the labels {np.unique(labels)[:5].tolist()}. Pass "
            "the names in the order of the class indices in y, or None."
        )
    return [names[label] for label in labels]


def join_words(items: Iterable[object]) -> str:
    """Return the items as in a sentence: "a, b and c"."""
    *first, last = map(str, items)
    return f"{', '.join(first)} and {last}" if first else last
