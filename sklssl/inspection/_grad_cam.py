"""Grad-CAM: where in an image the evidence for an answer of a network is.

Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra. Grad-CAM: Visual Explanations from Deep Networks
via Gradient-Based Localization. ICCV 2017.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sklssl._data.batches import ToTensor, iter_batches
from sklssl._data.input import validate_input
from sklssl._features.extractor import make_extractor
from sklssl._runtime.device import forked_rng, network_precision, plain_torch
from sklssl._runtime.ranks import alone
from sklssl._training.pretext_checks import check_views
from sklssl.backbones import Backbone
from sklssl.finetuning import FineTuneClassifier
from sklssl.inspection._pretext_views import check_has_views, find_targets, split_views

__all__ = ["Explanation", "compute_maps", "explain_classifier", "explain_pretext"]


@dataclass(frozen=True)
class Explanation:
    """What a model was shown, and where it found the evidence for its answers.

    Parameters
    ----------
    views : ndarray of shape (n_views, b, h, w, C)
        What the network was shown, floats in [0, 1].
    answers : ndarray of shape (n_views, b) or None
        The explained answers: targets of a pretext task, or indices of classes.
    maps : dict of str to ndarray of shape (n_views, b, h, w)
        For each stage, the evidence as a share of the largest value of each image, in [0, 1].
    """

    views: np.ndarray
    answers: np.ndarray | None
    maps: dict[str, np.ndarray]


def explain_pretext(embedder: Any, X: Any, rows: np.ndarray, seed: int, owner: str) -> Explanation:
    """Explain how a fitted embedder solves its pretext task, by the gradient of its loss.

    Parameters
    ----------
    embedder : embedder
    X : array-like
        The images to explain.
    rows : ndarray of int
        The rows that the task takes them for.
    seed : int
        For the views.
    owner : str
        The caller; used in error messages.
    """
    check_has_views(embedder.pretext_, embedder, owner)
    batch, device = _load(embedder, X)
    with _explaining(device, seed):
        pretext = copy.deepcopy(embedder.pretext_).to(device).eval().requires_grad_(False)
        rng = torch.Generator(device).manual_seed(seed)
        with torch.no_grad():
            made = pretext.views(batch, rng, torch.from_numpy(rows).to(device))
        check_views(pretext, made)
        maps = compute_maps(pretext.backbone, lambda: _likelihood(pretext, made, rows, owner))
    views = split_views(made[0], *batch.shape[:2])
    return _collect(views, find_targets(made[1], len(views), len(batch)), maps)


def _likelihood(pretext: Any, made: tuple[Any, Any], rows: np.ndarray, owner: str) -> Tensor:
    """Return minus the loss, whose largest increase is towards the right answer."""
    try:
        loss: Tensor = pretext(*made)["loss"]
    except ValueError as error:
        raise ValueError(
            f"The 'rows' argument of {owner} chooses {len(rows)} of the images, for which the loss "
            f"of {type(pretext).__name__} cannot be computed: {error} Choose more of them."
        ) from error
    return -loss


def explain_classifier(model: FineTuneClassifier, X: Any, codes: np.ndarray) -> Explanation:
    """Explain the scores of classes, those of `codes`, or the predicted ones where it is -1.

    Parameters
    ----------
    model : FineTuneClassifier
    X : array-like
        The images to explain.
    codes : ndarray of shape (b,), int
        Indices into the ``classes_`` of the model.
    """
    if (codes < 0).any():
        # Which may be those of the average over several orientations of an image.
        predicted = np.searchsorted(model.classes_, model.predict(X))
        codes = np.where(codes < 0, predicted, codes)
    batch, device = _load(model.embedder_, X)
    backbone: Any = model.embedder_.pretext_.encoder
    head: Any = model.head_
    answers = torch.from_numpy(codes).to(device)

    with _explaining(device, seed=0):
        backbone, head = (
            copy.deepcopy(part).to(device).eval().requires_grad_(False) for part in (backbone, head)
        )

        def score() -> Tensor:
            logits = head(backbone(batch, model.layer_))
            return logits.gather(1, answers[:, None]).sum()

        maps = compute_maps(backbone, score)
    return _collect([batch], codes[np.newaxis], maps)


def compute_maps(backbone: Backbone, score: Callable[[], Tensor]) -> dict[str, Tensor]:
    """Return the map (b, h, w) of each stage of a network for a score, before any scaling.

    Each channel of a feature map is weighted by the mean of the gradient of the score with respect
    to it; negative sums are 0.

    Parameters
    ----------
    backbone : Backbone
        In evaluation mode.
    score : callable
        Calls the network, and returns a scalar. Images of several calls follow one another.
    """
    with _recording(backbone) as stages:
        score().backward()
    maps = {}
    for name, calls in stages.items():
        cams = []
        for stage in calls:
            values, gradient = (
                backbone._as_map(name, x.float()) for x in (stage.output, stage.gradient)
            )
            cams.append(F.relu((gradient.mean((2, 3), keepdim=True) * values).sum(dim=1)))
        maps[name] = torch.cat(cams)
    return maps


class _Stage:
    """The output of a stage in one call of a network, and its gradient."""

    def __init__(self, output: Tensor) -> None:
        self.output = output.detach().clone()  # the next stage may overwrite it
        self.gradient = torch.zeros_like(output)
        output.register_hook(self._add)

    def _add(self, gradient: Tensor) -> None:
        self.gradient += gradient


@contextlib.contextmanager
def _recording(backbone: Backbone) -> Iterator[dict[str, list[_Stage]]]:
    """Record the stages of a network in each of its calls within the block."""
    stages: dict[str, list[_Stage]] = {}
    original = backbone._outputs

    def recorded(x: Tensor, after: str | None = None) -> Iterator[tuple[str, Tensor]]:
        for name, output in original(x.detach().requires_grad_(), after):
            stages.setdefault(name, []).append(_Stage(output))
            yield name, output

    backbone._outputs = recorded  # type: ignore[method-assign]
    try:
        yield stages
    finally:
        del backbone._outputs


@contextlib.contextmanager
def _explaining(device: torch.device, seed: int) -> Iterator[None]:
    """Compute with gradients in float32, and with torch's generators unchanged afterwards."""
    precision = network_precision(device, "float32")
    with plain_torch(), alone(), forked_rng(device, seed), precision:
        yield


def _load(embedder: Any, X: Any) -> tuple[Tensor, torch.device]:
    """Return images as the input of the network of a fitted embedder, on its device."""
    to_tensor: ToTensor = make_extractor(embedder).to_tensor
    images = validate_input(embedder, X, reset=False)
    with plain_torch():
        (batch,) = iter_batches(images, [np.arange(len(images))], to_tensor)
    return batch, to_tensor.device


def _collect(
    views: list[Tensor], answers: np.ndarray | None, maps: dict[str, Tensor]
) -> Explanation:
    """Arrange maps by view and image, enlarged to the size of the views, with a maximum of 1."""
    n_images, size = len(views[0]), views[0].shape[2:]
    # Views of other sizes follow, and some may go through another network, such as a teacher.
    n_seen = min(len(cams) for cams in maps.values()) // n_images
    n_views = min(n_seen, sum(view.shape[2:] == size for view in views))
    return Explanation(
        torch.stack(views[:n_views]).permute(0, 1, 3, 4, 2).cpu().numpy(),
        None if answers is None else answers[:n_views],
        {
            name: _enlarge(cams[: n_views * n_images], size)
            .unflatten(0, (n_views, n_images))
            .cpu()
            .numpy()
            for name, cams in maps.items()
        },
    )


def _enlarge(cams: Tensor, size: Any) -> Tensor:
    """Resize maps (b, h, w) to a size, and divide each by its maximum, unless it is 0."""
    large = F.interpolate(cams[:, None], size, mode="bilinear")[:, 0]
    highest = large.amax((1, 2), keepdim=True)
    return large / torch.where(highest > 0, highest, 1)
