"""DINO: say of small views what a slowly moving copy of the network says of large ones.

Caron, Touvron, Misra, Jégou, Mairal, Bojanowski, Joulin. Emerging Properties in Self-Supervised
Vision Transformers. ICCV 2021.
"""

import math
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, Unpack

import torch
from torch import Tensor, nn

from sklssl._runtime.gather import sum_over_ranks
from sklssl._runtime.ranks import current_ranks
from sklssl.augmentation import RandomViews
from sklssl.backbones import Backbone
from sklssl.base import Pretext, parameters
from sklssl.embedding._heads import Projector, Prototypes, Teacher, make_mlp
from sklssl.embedding._random_views import (
    MultiCropPretext,
    RandomViewsEmbedder,
    ViewParameters,
)
from sklssl.utils._sklearn_compat import Interval

__all__ = ["DINOEmbedder"]

_BOTTLENECK = 256  # outputs of the head before the prototypes, in the paper
_CENTRE_MOMENTUM = 0.9


class DistillationPretext(MultiCropPretext):
    """Predict the teacher's distribution over prototypes from every other view."""

    centre: Tensor

    def __init__(
        self,
        backbone: Backbone,
        random_views: RandomViews,
        *,
        n_small: int,
        n_prototypes: int,
        temperatures: tuple[float, float],
        momentum: float,
    ) -> None:
        super().__init__(backbone, random_views, n_small)
        width = backbone.n_features
        head = nn.Sequential(
            make_mlp([width, width, _BOTTLENECK]), Prototypes(_BOTTLENECK, n_prototypes)
        )
        self.student = Projector(backbone, head)
        self.teacher = Teacher(self.student, momentum)
        self.temperature, self.teacher_temperature = temperatures
        self.register_buffer("centre", torch.zeros(1, n_prototypes))
        self.seen: Tensor | None = None  # sums of the scores in a step, and their number

    @property
    def encoder(self) -> Backbone:
        return self.teacher.module.backbone  # type: ignore[return-value]

    def chance_loss(self, n_images: int) -> float:
        return math.log(self.centre.shape[1])

    def forward(self, views: list[Tensor], targets: None) -> dict[str, Tensor]:
        taught, scores = self.outputs(self.teacher, views[:1]), self.outputs(self.student, views)
        if self.training:
            n_views = taught.new_full((1, 1), taught.shape[0] * taught.shape[1])
            self.seen = torch.cat([taught.sum(dim=(0, 1))[None], n_views], dim=1)
        sharp = ((taught - self.centre) / self.teacher_temperature).softmax(dim=2)
        loss = self.predict_from_others(sharp, scores, self.temperature)
        same = taught[0].argmax(dim=1) == taught[1].argmax(dim=1)
        return {"loss": loss, "agreement": same.float().mean()}

    def after_step(self, progress: float) -> None:
        self.teacher.follow(self.student, progress)
        if self.seen is not None:
            total = sum_over_ranks(self.seen, current_ranks())
            mean = total[:, :-1] / total[:, -1:]
            self.centre = self.centre.lerp(mean, 1 - _CENTRE_MOMENTUM)
        self.seen = None


@parameters(max_epochs=10, crop_scale=(0.08, 1.0))
class DINOEmbedder(RandomViewsEmbedder):
    """Embed images with a network that learns from a slowly moving copy of itself.

    The teacher, a moving average of the network, sees two large views of each image and compares
    them with prototypes. The network predicts the result from every other view, also from small
    ones. Centring and sharpening the teacher's output keep all images from getting the same one.

    Parameters
    ----------
    n_prototypes : int
        The number of prototypes, several times the number of kinds of images that you expect.

    n_small_views : int
        The number of small views of each image.

    temperature : float
        Divisor of the network's similarities.

    teacher_temperature : float
        Divisor of the teacher's similarities; it should be smaller than `temperature`.

    momentum : float
        The share of its weights that the teacher keeps at each step, at the start of training; it
        rises to 1. Lower it if there are few steps, as with few images.

    Attributes
    ----------
    history_ : list of dict
        One row per epoch: epoch, phase, scale, learning_rate, loss, agreement (the share of images
        whose two large views have the same nearest prototype) and duration in seconds.

    See Also
    --------
    SwAVEmbedder : The assignments come from the network itself.
    BYOLEmbedder : Predicts the teacher's projection, without prototypes.

    Notes
    -----
    ``transform`` uses the teacher, as in the paper. Views are as in :class:`SwAVEmbedder`. A loss
    that stays at the logarithm of `n_prototypes` means that nothing is learned, which raises a
    warning. Unlike in the paper, the head before the prototypes has two layers, with batch
    normalisation; the teacher takes over the batch-norm statistics of the network; the temperature
    of the teacher is constant, and the prototypes are trained from the first epoch.

    References
    ----------
    Caron, Touvron, Misra, Jégou, Mairal, Bojanowski, Joulin. Emerging Properties in Self-Supervised
    Vision Transformers. ICCV 2021.

    Examples
    --------
    >>> from sklssl import DINOEmbedder
    >>> from sklssl.datasets import load_digit_images
    >>> X, _ = load_digit_images(return_X_y=True)
    >>> embedder = DINOEmbedder(max_epochs=2, horizontal_flip=False, random_state=0)
    >>> embedder.fit_transform(X[:200]).shape
    (200, 5248)
    """

    _parameter_constraints = {
        "n_prototypes": [Interval(Integral, 2, 2**16, closed="both")],
        "n_small_views": [Interval(Integral, 0, 64, closed="both")],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "teacher_temperature": [Interval(Real, 0, None, closed="neither")],
        "momentum": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(
        self,
        backbone: str | Callable[..., Any] = "patchconvnet",
        *,
        n_prototypes: int = 1024,
        n_small_views: int = 4,
        temperature: float = 0.1,
        teacher_temperature: float = 0.04,
        momentum: float = 0.99,
        **shared: Unpack[ViewParameters],
    ) -> None:
        super().__init__(backbone, **shared)
        self.n_prototypes = n_prototypes
        self.n_small_views = n_small_views
        self.temperature = temperature
        self.teacher_temperature = teacher_temperature
        self.momentum = momentum

    def _make_pretext(self, backbone: Backbone) -> Pretext:
        return DistillationPretext(
            backbone,
            self._random_views(),
            n_small=self.n_small_views,
            n_prototypes=self.n_prototypes,
            temperatures=(self.temperature, self.teacher_temperature),
            momentum=self.momentum,
        )
