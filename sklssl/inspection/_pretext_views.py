"""The views that pretext tasks make of images, of embedders that are fitted or not."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from torch import Tensor

from sklssl._data.batches import ToTensor, image_statistics, iter_batches
from sklssl._data.input import CheckedImages, select_rows, validate_input
from sklssl._runtime.device import forked_rng, plain_torch
from sklssl._runtime.ranks import alone
from sklssl._training.config import Plan
from sklssl._training.loop import embed_all
from sklssl._training.pretext import Pretext
from sklssl._training.pretext_checks import check_made, check_views
from sklssl.base import BaseEmbedder
from sklssl.embedding import MultiScaleEmbedder, ViewWhiteningEmbedder
from sklssl.embedding._deep_cluster import ClusterPretext
from sklssl.utils._checks import check_network

__all__ = [
    "ScaleViews",
    "check_has_views",
    "draw_views",
    "find_targets",
    "iter_tensors",
    "name_targets",
    "split_views",
    "unwrap_embedder",
]

_CPU = torch.device("cpu")


@dataclass(frozen=True)
class ScaleViews:
    """The views of some images at one scale.

    Parameters
    ----------
    scale : float
    views : list of tensor of shape (b, C, h, w)
        One tensor per view of an image.
    targets : ndarray of shape (n_views, b) or None
        What the network must answer for each, if the task has one answer per view.
    """

    scale: float
    views: list[Tensor]
    targets: np.ndarray | None


def unwrap_embedder(estimator: Any, owner: str) -> BaseEmbedder | MultiScaleEmbedder:
    """Return an embedder, which may be frozen or whitened.

    Raises
    ------
    TypeError
        If it is another estimator, which has no pretext task.
    """
    if isinstance(estimator, FrozenEstimator):
        estimator = estimator.estimator
    if isinstance(estimator, ViewWhiteningEmbedder):
        fitted = estimator.__sklearn_is_fitted__()
        inner = estimator._fitted_embedder() if fitted else estimator._unfitted_embedder()
        return unwrap_embedder(inner, owner)
    if isinstance(estimator, (BaseEmbedder, MultiScaleEmbedder)):
        return estimator
    raise TypeError(
        f"{owner} needs an embedder of sklssl, or one derived from BaseEmbedder: only these have a "
        f"pretext task. Got {estimator!r}."
    )


def check_has_views(pretext: Pretext, embedder: object, owner: str) -> None:
    """Raise an error if an embedder trains without views, or without training at all."""
    if type(pretext).views is Pretext.views:
        raise ValueError(
            f"{owner} shows the views of a pretext task, but {type(embedder).__name__} has no such "
            "task. Use an embedder that is trained, such as RotNetEmbedder."
        )


def draw_views(estimator: Any, X: Any, rows: np.ndarray, seed: int, owner: str) -> list[ScaleViews]:
    """Draw the views that training makes of some images of `X`, at each of its scales.

    A fitted embedder is copied. Of an unfitted one the task is built as in ``fit``, with the random
    weights it starts from, but neither trained nor stored.

    Parameters
    ----------
    estimator : embedder
    X : array-like
        The training images, as passed to ``fit``; of a fitted embedder, any images.
    rows : ndarray of int
        Which of them to show.
    seed : int
        For the views, and for what the task draws before training.
    owner : str
        The caller; used in error messages.
    """
    estimator = unwrap_embedder(estimator, owner)
    with plain_torch(), alone(), forked_rng(_CPU, seed):
        embedder, images = _fitted_copy(estimator, X) or _untrained(estimator, X, rows)
        check_has_views(embedder.pretext_, embedder, owner)
        rng = torch.Generator().manual_seed(seed)
        if estimator.__sklearn_is_fitted__():
            # The clusters found in training are those of the images of fit, by their row.
            embedder.pretext_.train(not isinstance(embedder.pretext_, ClusterPretext))
        else:
            _prepare(embedder, images, rng)
            embedder.pretext_.train()
        scales = list(dict.fromkeys(phase.scale for phase in estimator._phases()))
        return [_draw(embedder, images, rows, scale, rng) for scale in scales]


def split_views(views: Any, n_images: int, n_channels: int) -> list[Tensor]:
    """Return one tensor (b, C, h, w) per view of an image.

    Parameters
    ----------
    views : tensor, or list, tuple or dict of tensors
        Tensors of shape (m * b, C, h, w) are m views of each image; others are ignored.

    n_images, n_channels : int
        b and C.
    """
    return [
        part
        for tensor in iter_tensors(views)
        if tensor.ndim == 4 and tensor.shape[1] == n_channels and len(tensor) % n_images == 0
        for part in tensor.split(n_images)
    ]


def iter_tensors(value: Any) -> Iterator[Tensor]:
    """Yield the tensors in nested lists, tuples and dicts, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from iter_tensors(part)


def _fitted_copy(estimator: Any, X: Any) -> tuple[BaseEmbedder, CheckedImages] | None:
    """Return a fitted embedder with a copy of its task on the CPU, and the images."""
    if not estimator.__sklearn_is_fitted__():
        return None
    fitted = estimator._fitted_embedder()
    embedder = copy.copy(fitted)
    embedder.pretext_ = copy.deepcopy(fitted.pretext_).cpu()
    return embedder, validate_input(embedder, X, reset=False)


def _untrained(estimator: Any, X: Any, rows: np.ndarray) -> tuple[BaseEmbedder, CheckedImages]:
    """Return a clone with a new task, and the images."""
    embedder = clone(getattr(estimator, "estimator", estimator))
    embedder._validate_params()
    plan = Plan(estimator._phases(), estimator)
    images = validate_input(embedder, X, reset=True)
    embedder._check_sizes(plan)
    # The range of the values in files is that of their type, without a look at all of them.
    seen = images if isinstance(images, np.ndarray) else select_rows(images, rows)
    embedder.value_range_, mean, scale = image_statistics(seen)
    backbone = embedder._make_backbone()
    check_network(embedder, backbone, [embedder._scaled(phase.scale) for phase in plan.phases])
    backbone.set_standardisation(mean, scale)
    embedder.pretext_ = check_made(embedder._make_pretext(backbone), embedder)
    return embedder, images


def _prepare(embedder: Any, images: CheckedImages, rng: torch.Generator) -> None:
    """Call what a task does before its first epoch."""
    embedder.pretext_.before_fit(len(images))
    to_tensor = ToTensor(_CPU, embedder.value_range_, embedder._scaled(1.0))
    embed = partial(embed_all, embedder.pretext_, images, to_tensor, embedder.batch_size)
    embedder.pretext_.before_epoch(embed, rng)


def _draw(
    embedder: Any, images: CheckedImages, rows: np.ndarray, scale: float, rng: torch.Generator
) -> ScaleViews:
    to_tensor = ToTensor(_CPU, embedder.value_range_, embedder._scaled(scale))
    (batch,) = iter_batches(images, [rows], to_tensor)
    with torch.no_grad():
        made = embedder.pretext_.views(batch, rng, torch.from_numpy(rows))
    check_views(embedder.pretext_, made)
    views = split_views(made[0], *batch.shape[:2])
    if not views:
        raise ValueError(
            f"{type(embedder.pretext_).__name__}.views returned no pictures: a tensor of shape "
            f"(m * {len(rows)}, {batch.shape[1]}, h, w), or a list, tuple or dict with any."
        )
    return ScaleViews(scale, views, find_targets(made[1], len(views), len(rows)))


def find_targets(targets: Any, n_views: int, n_images: int) -> np.ndarray | None:
    """Return the first tensor with a target per view as an array (n_views, b), if there is one."""
    for tensor in iter_tensors(targets):
        if tensor.shape == (n_views * n_images,):
            return tensor.reshape(n_views, n_images).cpu().numpy()
    return None


def name_targets(
    targets: np.ndarray | None, names: Sequence[str] | None, owner: str, kind: str = "target"
) -> list[list[str]]:
    """Return the names of targets (n_views, b) as lists of the same shape; none without targets.

    Numbers without a name follow `kind`, which says what they are.
    """
    if targets is None:
        return []
    if names is None:
        return [[_show(target, kind) for target in line] for line in targets.tolist()]
    if targets.dtype.kind not in "iu" or targets.min() < 0 or targets.max() >= len(names):
        raise ValueError(
            f"The 'target_names' argument of {owner} names the targets 0 to {len(names) - 1}, but "
            f"those of the pretext task go from {targets.min():.3g} to {targets.max():.3g}."
        )
    return [[str(names[target]) for target in line] for line in targets]


def _show(target: Any, kind: str) -> str:
    """Return a number with what it is; the name of a class needs no more."""
    if isinstance(target, str):
        return target
    return f"{kind} {target:.3g}" if isinstance(target, float) else f"{kind} {target}"
