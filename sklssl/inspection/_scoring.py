"""Check by which score a probe is measured."""

from collections.abc import Callable
from typing import Any

from sklearn.metrics import check_scoring, get_scorer_names

__all__ = ["check_scorer"]


def check_scorer(
    probe: Any, scoring: str | Callable[..., float] | None, owner: str
) -> Callable[..., float]:
    """Return the scorer; raise an error, before anything is computed, if there is no such score."""
    is_known = scoring in get_scorer_names() if isinstance(scoring, str) else callable(scoring)
    if scoring is not None and not is_known:
        raise ValueError(
            f"The 'scoring' argument of {owner} must be the name of one score, as returned by "
            "sklearn.metrics.get_scorer_names(), such as 'accuracy' or 'balanced_accuracy', a "
            f"callable scorer(probe, Z, y), or None. Got {scoring!r}."
        )
    scorer: Callable[..., float] = check_scoring(probe, scoring)
    return scorer
