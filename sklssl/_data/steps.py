"""The estimators that images pass through, inside of pipelines and meta-estimators."""

from typing import Any

from sklearn.pipeline import Pipeline

__all__ = ["find_reader", "list_steps"]

# Where meta-estimators keep the estimator that gets their images, fitted ones first.
_INNER = ("embedder_", "best_estimator_", "estimator_", "estimator")


def list_steps(estimator: Any) -> list[Any]:
    """Return the estimators that images pass through, in order, none of which contains others."""
    if isinstance(estimator, Pipeline):
        parts = [step for _, step in estimator.steps]
    else:
        parts = [getattr(estimator, name) for name in _INNER if hasattr(estimator, name)][:1]
    return [step for part in parts for step in list_steps(part)] or [estimator]


def find_reader(estimator: Any) -> Any:
    """Return the first of these that knows the shape of its images, None if there is none."""
    return next((step for step in list_steps(estimator) if hasattr(step, "image_shape")), None)
