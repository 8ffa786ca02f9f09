"""EMP-SSL: many views of each image agree, and the images spread over all directions.

Tong, Chen, Ma, LeCun. EMP-SSL: Towards Self-Supervised Learning in One Training Epoch. 2023.
"""

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, Unpack

import torch
from torch import Tensor

from sklssl.augmentation import RandomViews
from sklssl.backbones import Backbone
from sklssl.base import Pretext, parameters
from sklssl.embedding._heads import Projector, make_mlp, outputs_by_view, spread
from sklssl.embedding._random_views import RandomViewsEmbedder, ViewParameters
from sklssl.losses import coding_rate, similarity_to_mean
from sklssl.utils._sklearn_compat import Interval

__all__ = ["EMPSSLEmbedder"]


class ManyViewsPretext(Pretext):
    """Make the projections of many views agree while those of the images spread."""

    def __init__(
        self,
        backbone: Backbone,
        random_views: RandomViews,
        *,
        n_views: int,
        projection_dim: int,
        invariance_weight: float,
        epsilon: float,
    ) -> None:
        super().__init__(backbone)
        width = backbone.n_features
        self.projector = Projector(backbone, make_mlp([width, width, projection_dim]))
        self.random_views = random_views
        self.n_views = n_views
        self.invariance_weight = invariance_weight
        self.epsilon = epsilon

    def views(self, images: Tensor, rng: torch.Generator, index: Tensor) -> tuple[Tensor, None]:
        return self.random_views(images.repeat(self.n_views, 1, 1, 1), rng), None

    def forward(self, views: Tensor, targets: None) -> dict[str, Tensor]:
        z = outputs_by_view(self.projector, [views], len(views) // self.n_views)
        rate = torch.stack([coding_rate(view, self.epsilon) for view in z]).mean()
        similarity = similarity_to_mean(z)
        loss = -rate - self.invariance_weight * similarity
        return {
            "loss": loss,
            "coding_rate": rate.detach(),
            "similarity": similarity.detach(),
            "spread": spread(z[0]),
        }


@parameters(max_epochs=10)
class EMPSSLEmbedder(RandomViewsEmbedder):
    """Embed images with a network for which many views of an image agree.

    The projections of many random views of an image are drawn towards their mean, while the
    projections of the images of a batch are spread over as many directions as possible (measured by
    their coding rate). With many views per step, few epochs suffice.

    Parameters
    ----------
    n_views : int
        The number of views of each image in each step. The time for an epoch is proportional to it.

    projection_dim : int
        The number of outputs of the projection head.

    invariance_weight : float
        The weight of the agreement of the views.

    epsilon : float
        The squared error of the coding rate: smaller values spread the images further.

    Attributes
    ----------
    history_ : list of dict
        One row per epoch: epoch, phase, scale, learning_rate, loss, coding_rate, similarity (of
        views and their mean, at most 1), spread (how much the directions of the projections differ:
        0 if all images are alike, at most 1) and duration in seconds.

    See Also
    --------
    LeJEPAEmbedder : Many views, with features that are normally distributed.

    Notes
    -----
    In the paper, views are small patches of an image, and features are averaged over those of many
    patches; here views are drawn by the parameters, and ``transform`` takes the whole image.

    References
    ----------
    Tong, Chen, Ma, LeCun. EMP-SSL: Towards Self-Supervised Learning in One Training Epoch. 2023.

    Examples
    --------
    >>> from sklssl import EMPSSLEmbedder
    >>> from sklssl.datasets import load_digit_images
    >>> X, _ = load_digit_images(return_X_y=True)
    >>> embedder = EMPSSLEmbedder(max_epochs=1, horizontal_flip=False, random_state=0)
    >>> embedder.fit_transform(X[:200]).shape
    (200, 5248)
    """

    _parameter_constraints = {
        "n_views": [Interval(Integral, 2, 1000, closed="both")],
        "projection_dim": [Interval(Integral, 1, 2**14, closed="both")],
        "invariance_weight": [Interval(Real, 0, None, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        backbone: str | Callable[..., Any] = "patchconvnet",
        *,
        n_views: int = 4,
        projection_dim: int = 128,
        invariance_weight: float = 200.0,
        epsilon: float = 0.2,
        **shared: Unpack[ViewParameters],
    ) -> None:
        super().__init__(backbone, **shared)
        self.n_views = n_views
        self.projection_dim = projection_dim
        self.invariance_weight = invariance_weight
        self.epsilon = epsilon

    def _make_pretext(self, backbone: Backbone) -> Pretext:
        return ManyViewsPretext(
            backbone,
            self._random_views(),
            n_views=self.n_views,
            projection_dim=self.projection_dim,
            invariance_weight=self.invariance_weight,
            epsilon=self.epsilon,
        )
