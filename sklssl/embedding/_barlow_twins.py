"""Barlow Twins: features that agree between views and do not repeat each other.

Zbontar, Jing, Misra, LeCun, Deny. Barlow Twins: Self-Supervised Learning via Redundancy Reduction.
ICML 2021.
"""

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, Unpack

from torch import Tensor

from sklssl.augmentation import RandomViews
from sklssl.backbones import Backbone
from sklssl.base import Pretext
from sklssl.embedding._heads import Projector, make_mlp
from sklssl.embedding._random_views import (
    RandomViewsEmbedder,
    TwoViewsPretext,
    ViewParameters,
)
from sklssl.losses import barlow_twins
from sklssl.utils._sklearn_compat import Interval

__all__ = ["BarlowTwinsEmbedder"]


class RedundancyPretext(TwoViewsPretext):
    """Make the correlations of the projections of two views the identity."""

    def __init__(
        self,
        backbone: Backbone,
        random_views: RandomViews,
        projection_dim: int,
        off_diagonal_weight: float,
    ) -> None:
        super().__init__(backbone, random_views)
        dim = projection_dim
        self.projector = Projector(backbone, make_mlp([backbone.n_features, dim, dim, dim]))
        self.off_diagonal_weight = off_diagonal_weight
        self.projection_dim = projection_dim

    def chance_loss(self, n_images: int) -> float:
        # Independent features of independent views: their correlations have a variance of 1 / n.
        others = self.off_diagonal_weight * self.projection_dim * (self.projection_dim - 1)
        return self.projection_dim + (self.projection_dim + others) / n_images

    def forward(self, views: list[Tensor], targets: None) -> dict[str, Tensor]:
        z1, z2 = (self.projector(view) for view in views)
        return {"loss": barlow_twins(z1, z2, self.off_diagonal_weight)}


class BarlowTwinsEmbedder(RandomViewsEmbedder):
    """Embed images with features that agree between views and do not repeat each other.

    The correlation of each feature between two random views of the images should be 1, and those of
    different features 0. There are no negative examples and no teacher.

    Parameters
    ----------
    projection_dim : int
        The number of outputs of the projection head, and of units of its two hidden layers. The
        method gains from many.

    off_diagonal_weight : float
        The weight of the correlations between different features.

    Attributes
    ----------
    history_ : list of dict
        One row per epoch: epoch, phase, scale, learning_rate, loss and duration in seconds.

    See Also
    --------
    VICRegEmbedder : Similar aims, as three separate terms.

    Notes
    -----
    ``score`` is the negative loss, which depends on the number of images in a batch. Unlike in the
    paper, both views are drawn in the same way, and none is solarised.

    References
    ----------
    Zbontar, Jing, Misra, LeCun, Deny. Barlow Twins: Self-Supervised Learning via Redundancy
    Reduction. ICML 2021.

    Examples
    --------
    >>> from sklssl import BarlowTwinsEmbedder
    >>> from sklssl.datasets import load_digit_images
    >>> X, _ = load_digit_images(return_X_y=True)
    >>> embedder = BarlowTwinsEmbedder(max_epochs=2, horizontal_flip=False, random_state=0)
    >>> embedder.fit_transform(X[:200]).shape
    (200, 5248)
    """

    _parameter_constraints = {
        "projection_dim": [Interval(Integral, 2, 2**14, closed="both")],
        "off_diagonal_weight": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        backbone: str | Callable[..., Any] = "patchconvnet",
        *,
        projection_dim: int = 1024,
        off_diagonal_weight: float = 5e-3,
        **shared: Unpack[ViewParameters],
    ) -> None:
        super().__init__(backbone, **shared)
        self.projection_dim = projection_dim
        self.off_diagonal_weight = off_diagonal_weight

    def _make_pretext(self, backbone: Backbone) -> Pretext:
        return RedundancyPretext(
            backbone, self._random_views(), self.projection_dim, self.off_diagonal_weight
        )
