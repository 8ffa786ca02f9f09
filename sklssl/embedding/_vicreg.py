"""VICReg: views agree, features vary, and features do not repeat each other.

Bardes, Ponce, LeCun. VICReg: Variance-Invariance-Covariance Regularization for Self-Supervised
Learning. ICLR 2022.
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
from sklssl.losses import vicreg
from sklssl.utils._sklearn_compat import Interval

__all__ = ["VICRegEmbedder"]


class VarianceInvariancePretext(TwoViewsPretext):
    """Bring the projections of two views together while they keep their variance."""

    def __init__(
        self,
        backbone: Backbone,
        random_views: RandomViews,
        projection_dim: int,
        weights: dict[str, float],
    ) -> None:
        super().__init__(backbone, random_views)
        dim = projection_dim
        self.projector = Projector(backbone, make_mlp([backbone.n_features, dim, dim, dim]))
        self.weights = weights

    def chance_loss(self, n_images: int) -> float:
        return self.weights["variance_weight"]  # of constant features

    def forward(self, views: list[Tensor], targets: None) -> dict[str, Tensor]:
        z1, z2 = (self.projector(view) for view in views)
        return vicreg(z1, z2, **self.weights)


class VICRegEmbedder(RandomViewsEmbedder):
    """Embed images with features that agree between views, vary, and do not repeat each other.

    Each of the three aims is a term of the loss: the projections of two random views of an image
    are similar (invariance), each feature has a standard deviation of at least 1 over the images
    (variance), and different features are not correlated (covariance). There are no negative
    examples and no teacher.

    Parameters
    ----------
    projection_dim : int
        The number of outputs of the projection head, and of units of its two hidden layers. The
        method gains from many.

    invariance_weight : float
        The weight of the difference between views.

    variance_weight : float
        The weight of too small variances.

    covariance_weight : float
        The weight of covariances between features.

    Attributes
    ----------
    history_ : list of dict
        One row per epoch: epoch, phase, scale, learning_rate, loss, invariance_loss, variance_loss,
        covariance_loss (without their weights) and duration in seconds.

    See Also
    --------
    BarlowTwinsEmbedder : Similar aims, by correlations between the views.

    Notes
    -----
    Unlike in the paper, no views are solarised.

    References
    ----------
    Bardes, Ponce, LeCun. VICReg: Variance-Invariance-Covariance Regularization for Self-Supervised
    Learning. ICLR 2022.

    Examples
    --------
    >>> from sklssl import VICRegEmbedder
    >>> from sklssl.datasets import load_digit_images
    >>> X, _ = load_digit_images(return_X_y=True)
    >>> embedder = VICRegEmbedder(max_epochs=2, horizontal_flip=False, random_state=0)
    >>> embedder.fit_transform(X[:200]).shape
    (200, 5248)
    """

    _parameter_constraints = {
        "projection_dim": [Interval(Integral, 2, 2**14, closed="both")],
        "invariance_weight": [Interval(Real, 0, None, closed="left")],
        "variance_weight": [Interval(Real, 0, None, closed="neither")],
        "covariance_weight": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        backbone: str | Callable[..., Any] = "patchconvnet",
        *,
        projection_dim: int = 1024,
        invariance_weight: float = 25.0,
        variance_weight: float = 25.0,
        covariance_weight: float = 1.0,
        **shared: Unpack[ViewParameters],
    ) -> None:
        super().__init__(backbone, **shared)
        self.projection_dim = projection_dim
        self.invariance_weight = invariance_weight
        self.variance_weight = variance_weight
        self.covariance_weight = covariance_weight

    def _make_pretext(self, backbone: Backbone) -> Pretext:
        names = "invariance_weight", "variance_weight", "covariance_weight"
        weights = {name: getattr(self, name) for name in names}
        return VarianceInvariancePretext(
            backbone, self._random_views(), self.projection_dim, weights
        )
