"""The models that GradCAMDisplay explains, and what is asked of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from sklssl.base import BaseEmbedder
from sklssl.embedding._wrapper import EmbedderWrapper
from sklssl.finetuning import FineTuneClassifier
from sklssl.inspection._label_names import name_labels
from sklssl.inspection._plot._inputs import NO_LABEL, NamedImages
from sklssl.inspection._pretext_views import check_has_views

__all__ = ["OWNER", "check_layers", "check_models", "find_classes", "name_classes"]

OWNER = "GradCAMDisplay"


def check_models(estimator: Any) -> dict[str, Any]:
    """Return the embedders and classifiers by name."""
    if isinstance(estimator, dict):
        named = {str(name): model for name, model in estimator.items()}
    else:
        models = list(estimator) if isinstance(estimator, (list, tuple)) else [estimator]
        names = [type(model).__name__ for model in models]
        numbers = [f" {i + 1}" if names.count(name) > 1 else "" for i, name in enumerate(names)]
        named = {f"{n}{i}": model for n, i, model in zip(names, numbers, models, strict=True)}
    if not named:
        raise ValueError(f"The 'estimator' argument of {OWNER} holds no estimator.")
    return {name: _check_model(model) for name, model in named.items()}


def _check_model(model: Any) -> Any:
    """Return the embedder or classifier, which may be frozen, if it is fitted."""
    if isinstance(model, FrozenEstimator):
        model = model.estimator
    if not isinstance(model, (BaseEmbedder, EmbedderWrapper, FineTuneClassifier)):
        raise TypeError(
            f"{OWNER} explains the pretext task of embedders, and the classes of "
            f"FineTuneClassifier. Got {type(model).__name__}, which is neither. Pass its embedder "
            "(embedder_, or the first step of a pipeline) to explain the task that this was "
            "trained on, or train a FineTuneClassifier."
        )
    check_is_fitted(model)
    model = getattr(model, "estimator_", model)  # of an EmbedderWrapper
    if isinstance(model, BaseEmbedder):
        check_has_views(model.pretext_, model, OWNER)
    return model


def check_layers(layers: Sequence[str] | None, models: dict[str, Any]) -> list[str] | None:
    """Check that all models have the stages; those of a classifier end below its head."""
    if layers is None:
        return None
    layers = [layers] if isinstance(layers, str) or not np.iterable(layers) else list(layers)
    for name, model in models.items():
        known = list(model.layer_names_)
        known = known[: 1 + known.index(getattr(model, "layer_", known[-1]))]
        if not layers or not set(layers) <= set(known):
            raise ValueError(
                f"The 'layers' argument of {OWNER} must name stages of all models. Got {layers}; "
                f"{name} has {known}."
            )
    return layers


def find_classes(model: Any, images: NamedImages) -> np.ndarray | None:
    """Return the class to explain of each image, -1 for the predicted one; None for embedders."""
    if isinstance(model, BaseEmbedder):
        return None
    known = model.classes_.tolist()
    missing = [label for label in images.classes if label not in known]
    if missing:
        raise ValueError(
            f"The 'y' argument of {OWNER} must hold classes that the classifier knows, {known}, "
            f"or -1 for the predicted one. Got {missing[0]!r}."
        )
    places = np.array([*(known.index(label) for label in images.classes), NO_LABEL])
    return places[images.codes]


def name_classes(
    models: dict[str, Any], target_names: Sequence[str] | None
) -> dict[str, np.ndarray]:
    """Return the labels of each classifier; the names are those of targets if there is a task."""
    classifiers = {n: m for n, m in models.items() if isinstance(m, FineTuneClassifier)}
    names = target_names if len(classifiers) == len(models) else None
    return {
        name: np.array(name_labels(model.classes_, names, owner=OWNER), dtype=object)
        for name, model in classifiers.items()
    }
