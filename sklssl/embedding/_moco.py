"""MoCo: recognise an image among a queue of earlier ones.

He, Fan, Wu, Xie, Girshick. Momentum Contrast for Unsupervised Visual Representation Learning.
CVPR 2020. With the head and the views of: Chen, Fan, Girshick, He. Improved Baselines with Momentum
Contrastive Learning. 2020.
"""

import math
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, Unpack

import torch
import torch.nn.functional as F
from torch import Tensor

from sklssl._runtime.gather import gather_rows
from sklssl.augmentation import RandomViews
from sklssl.backbones import Backbone
from sklssl.base import Pretext
from sklssl.embedding._heads import Projector, Teacher, make_mlp
from sklssl.embedding._random_views import (
    RandomViewsEmbedder,
    TwoViewsPretext,
    ViewParameters,
)
from sklssl.losses import info_nce
from sklssl.utils._sklearn_compat import Interval

__all__ = ["MoCoEmbedder"]


class QueuePretext(TwoViewsPretext):
    """Tell the teacher's projection of an image from those of earlier images."""

    queue: Tensor

    def __init__(
        self,
        backbone: Backbone,
        random_views: RandomViews,
        *,
        projection_dim: int,
        temperature: float,
        momentum: float,
        queue_size: int,
    ) -> None:
        super().__init__(backbone, random_views)
        width = backbone.n_features
        self.student = Projector(backbone, make_mlp([width, width, projection_dim]))
        self.teacher = Teacher(self.student, momentum)
        self.temperature = temperature
        self.queue_size, self.projection_dim = queue_size, projection_dim
        self.register_buffer("queue", None)  # its size depends on the images
        self.new_keys: Tensor | None = None  # of this step, to be put into the queue after it

    def before_fit(self, n_images: int) -> None:
        """Give the queue one place per image at most; empty places are zeros."""
        queue = torch.zeros(0, self.projection_dim) if self.queue is None else self.queue
        n_more = min(self.queue_size, n_images) - len(queue)
        self.queue = F.pad(queue, (0, 0, 0, n_more))  # or fewer, if it is negative

    def chance_loss(self, n_images: int) -> float:
        return math.log(1 + len(self.queue))

    def forward(self, views: list[Tensor], targets: None) -> dict[str, Tensor]:
        query, key = self.student(views[0]), self.teacher(views[1])
        if self.training:
            self.new_keys = key
        # Keys of training are no match for others: batch norm used the statistics of their batch.
        queue = self.queue if self.training else None
        loss, accuracy = info_nce(query, key, queue, self.temperature)
        return {"loss": loss, "accuracy": accuracy}

    def after_step(self, progress: float) -> None:
        self.teacher.follow(self.student, progress)
        if self.new_keys is not None:
            size = len(self.queue)
            new_keys, _ = gather_rows(self.new_keys, "MoCo's queue")
            self.queue = torch.cat([new_keys.to(self.queue), self.queue])[:size]
        self.new_keys = None


class MoCoEmbedder(RandomViewsEmbedder):
    """Embed images with a network that recognises an image among a queue of earlier ones.

    The projection of one random view of an image must be more similar to that of another view than
    to those of earlier images. These come from a slowly moving copy of the network, and are kept in
    a queue, so that there are many negative examples with small batches.

    Parameters
    ----------
    temperature : float
        Divisor of the similarities. Smaller values give more weight to the most similar images.

    projection_dim : int
        The number of outputs of the projection head.

    momentum : float
        The share of its weights that the teacher keeps at each step, at the start of training; it
        rises to 1. Lower it if there are few steps, as with few images.

    queue_size : int
        The number of projections in the queue. It never exceeds the number of images, and should
        be well below it, since an image's own earlier projections count as negative examples.

    Attributes
    ----------
    history_ : list of dict
        One row per epoch: epoch, phase, scale, learning_rate, loss, accuracy (the proportion of
        images that are recognised in the queue) and duration in seconds.

    See Also
    --------
    SimCLREmbedder : The negative examples are the other images of the batch.

    Notes
    -----
    The queue is empty at first, and longer than one batch only after some steps. ``score`` is the
    proportion of images that are recognised among the others of a batch of `batch_size`. Unlike in
    the paper, images are not shuffled between devices for batch normalisation, and the momentum
    rises to 1. It starts lower than the paper's, and the queue is smaller: those are for a million
    images.

    References
    ----------
    He, Fan, Wu, Xie, Girshick. Momentum Contrast for Unsupervised Visual Representation Learning.
    CVPR 2020.

    Chen, Fan, Girshick, He. Improved Baselines with Momentum Contrastive Learning. 2020.

    Examples
    --------
    >>> from sklssl import MoCoEmbedder
    >>> from sklssl.datasets import load_digit_images
    >>> X, _ = load_digit_images(return_X_y=True)
    >>> embedder = MoCoEmbedder(max_epochs=2, horizontal_flip=False, random_state=0)
    >>> embedder.fit_transform(X[:200]).shape
    (200, 5248)
    """

    _parameter_constraints = {
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "projection_dim": [Interval(Integral, 1, 2**16, closed="both")],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "queue_size": [Interval(Integral, 1, 2**20, closed="both")],
    }

    def __init__(
        self,
        backbone: str | Callable[..., Any] = "patchconvnet",
        *,
        temperature: float = 0.2,
        projection_dim: int = 128,
        momentum: float = 0.99,
        queue_size: int = 1024,
        **shared: Unpack[ViewParameters],
    ) -> None:
        super().__init__(backbone, **shared)
        self.temperature = temperature
        self.projection_dim = projection_dim
        self.momentum = momentum
        self.queue_size = queue_size

    def _make_pretext(self, backbone: Backbone) -> Pretext:
        return QueuePretext(
            backbone,
            self._random_views(),
            projection_dim=self.projection_dim,
            temperature=self.temperature,
            momentum=self.momentum,
            queue_size=self.queue_size,
        )
