"""LeJEPA: views predict their mean, and features are normally distributed.

Balestriero, LeCun. LeJEPA: Provable and Scalable Self-Supervised Learning Without the Heuristics.
2025. Written from the paper.
"""

import math
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, Unpack

import torch
from torch import Tensor

from sklssl.augmentation import RandomViews
from sklssl.backbones import Backbone
from sklssl.base import Pretext, parameters
from sklssl.embedding._heads import Projector, make_mlp
from sklssl.embedding._random_views import (
    MultiCropPretext,
    RandomViewsEmbedder,
    ViewParameters,
)
from sklssl.losses import gaussian_distance
from sklssl.utils._sklearn_compat import Interval

__all__ = ["LeJEPAEmbedder"]

_HIDDEN = 512
_DIRECTIONS = 256


class GaussianPretext(MultiCropPretext):
    """Bring all views to the mean of the large ones while the features stay normal."""

    def __init__(
        self,
        backbone: Backbone,
        random_views: RandomViews,
        *,
        n_small: int,
        projection_dim: int,
        gaussian_weight: float,
    ) -> None:
        super().__init__(backbone, random_views, n_small)
        head = make_mlp([backbone.n_features, _HIDDEN, _HIDDEN, projection_dim])
        self.projector = Projector(backbone, head)
        self.projection_dim = projection_dim
        self.gaussian_weight = gaussian_weight

    def views(
        self, images: Tensor, rng: torch.Generator, index: Tensor
    ) -> tuple[list[Tensor], Tensor]:
        views, _ = super().views(images, rng, index)
        size = (self.projection_dim, _DIRECTIONS)
        return views, torch.randn(size, generator=rng, device=images.device)

    def chance_loss(self, n_images: int) -> float:
        # Of constant features 0: the integral of (1 - exp(-t**2 / 2))**2 * exp(-t**2 / 2).
        distance = n_images * math.sqrt(2 * math.pi) * (1 - math.sqrt(2) + math.sqrt(1 / 3))
        return self.gaussian_weight * distance

    def forward(self, views: list[Tensor], targets: Tensor) -> dict[str, Tensor]:
        z = self.outputs(self.projector, views)
        prediction = (z - z[:2].mean(dim=0)).square().mean()
        distance = torch.stack([gaussian_distance(view, targets) for view in z]).mean()
        weight = self.gaussian_weight
        return {
            "loss": (1 - weight) * prediction + weight * distance,
            "prediction_loss": prediction.detach(),
            "gaussian_distance": distance.detach(),
        }


@parameters(max_epochs=10, crop_scale=(0.08, 1.0))
class LeJEPAEmbedder(RandomViewsEmbedder):
    """Embed images with a network whose features are normal and the same for all views.

    All views of an image should have the projection that its large views have on average, and the
    projections of the images should have a standard normal distribution, which is the best one if
    nothing is known about their use. There are no negative examples, no teacher and one weight.

    Parameters
    ----------
    n_small_views : int
        The number of small views of each image, besides two large ones.

    projection_dim : int
        The number of outputs of the projection head.

    gaussian_weight : float
        The weight, in (0, 1), of the distance from a normal distribution; that of the prediction is
        the rest.

    Attributes
    ----------
    history_ : list of dict
        One row per epoch: epoch, phase, scale, learning_rate, loss, prediction_loss,
        gaussian_distance (1.06 if the features are normal) and duration in seconds.

    See Also
    --------
    VICRegEmbedder : Constrains variances and covariances only.

    Notes
    -----
    The paper reports that the loss orders networks as a probe with labels would. Views are as in
    :class:`SwAVEmbedder`.

    References
    ----------
    Balestriero, LeCun. LeJEPA: Provable and Scalable Self-Supervised Learning Without the
    Heuristics. 2025.

    Examples
    --------
    >>> from sklssl import LeJEPAEmbedder
    >>> from sklssl.datasets import load_digit_images
    >>> X, _ = load_digit_images(return_X_y=True)
    >>> embedder = LeJEPAEmbedder(max_epochs=1, horizontal_flip=False, random_state=0)
    >>> embedder.fit_transform(X[:200]).shape
    (200, 5248)
    """

    _parameter_constraints = {
        "n_small_views": [Interval(Integral, 0, 64, closed="both")],
        "projection_dim": [Interval(Integral, 1, 2**14, closed="both")],
        "gaussian_weight": [Interval(Real, 0, 1, closed="neither")],
    }

    def __init__(
        self,
        backbone: str | Callable[..., Any] = "patchconvnet",
        *,
        n_small_views: int = 4,
        projection_dim: int = 64,
        gaussian_weight: float = 0.05,
        **shared: Unpack[ViewParameters],
    ) -> None:
        super().__init__(backbone, **shared)
        self.n_small_views = n_small_views
        self.projection_dim = projection_dim
        self.gaussian_weight = gaussian_weight

    def _make_pretext(self, backbone: Backbone) -> Pretext:
        return GaussianPretext(
            backbone,
            self._random_views(),
            n_small=self.n_small_views,
            projection_dim=self.projection_dim,
            gaussian_weight=self.gaussian_weight,
        )
