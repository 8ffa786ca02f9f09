"""SwAV: predict the cluster of one view of an image from another view.

Caron, Misra, Mairal, Goyal, Bojanowski, Joulin. Unsupervised Learning of Visual Features by
Contrasting Cluster Assignments. NeurIPS 2020.
"""

import math
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, Unpack

import torch
from torch import Tensor, nn

from sklssl.augmentation import RandomViews
from sklssl.backbones import Backbone
from sklssl.base import Pretext, parameters
from sklssl.embedding._heads import Projector, Prototypes, make_mlp
from sklssl.embedding._random_views import (
    MultiCropPretext,
    RandomViewsEmbedder,
    ViewParameters,
)
from sklssl.losses import sinkhorn
from sklssl.utils._sklearn_compat import Interval

__all__ = ["SwAVEmbedder"]


class SwappedPretext(MultiCropPretext):
    """Predict the assignment of a large view to prototypes from all other views."""

    def __init__(
        self,
        backbone: Backbone,
        random_views: RandomViews,
        *,
        n_small: int,
        projection_dim: int,
        n_prototypes: int,
        temperature: float,
        epsilon: float,
    ) -> None:
        super().__init__(backbone, random_views, n_small)
        width = backbone.n_features
        self.projector = Projector(backbone, make_mlp([width, width, projection_dim]))
        self.prototypes = Prototypes(projection_dim, n_prototypes)
        self.temperature = temperature
        self.epsilon = epsilon

    def chance_loss(self, n_images: int) -> float:
        return math.log(len(self.prototypes.weight))

    def forward(self, views: list[Tensor], targets: None) -> dict[str, Tensor]:
        scores = self.outputs(nn.Sequential(self.projector, self.prototypes), views)
        assigned = torch.stack([sinkhorn(large.detach(), self.epsilon) for large in scores[:2]])
        loss = self.predict_from_others(assigned, scores, self.temperature)
        same = scores[0].argmax(dim=1) == scores[1].argmax(dim=1)
        return {"loss": loss, "agreement": same.float().mean()}


@parameters(max_epochs=10, crop_scale=(0.08, 1.0))
class SwAVEmbedder(RandomViewsEmbedder):
    """Embed images with a network that predicts the cluster of one view from another.

    The projections of random views are compared with learned prototypes. Each large view is
    assigned to prototypes such that all prototypes get the same share of the batch, and the
    assignment is predicted from all other views of the image. There are two large views, and small
    ones, which are quick to compute.

    Parameters
    ----------
    n_prototypes : int
        The number of prototypes, several times the number of kinds of images that you expect.

    n_small_views : int
        The number of small views of each image.

    projection_dim : int
        The number of outputs of the projection head.

    temperature : float
        Divisor of the similarities in the prediction.

    epsilon : float
        Smaller values assign each view to fewer prototypes.

    Attributes
    ----------
    history_ : list of dict
        One row per epoch: epoch, phase, scale, learning_rate, loss, agreement (the share of images
        whose two large views have the same nearest prototype) and duration in seconds.

    See Also
    --------
    DINOEmbedder : The assignments come from a slowly moving copy of the network.
    DeepClusterEmbedder : Clusters all images between epochs.

    Notes
    -----
    Large views have the size of the images and show at least 30 % of their area, within
    `crop_scale`; small views have half the size and show less. A loss that stays at the logarithm
    of `n_prototypes` means that nothing is learned, which raises a warning. Unlike in the paper,
    there is no queue of earlier images, and the prototypes are trained from the first epoch.

    References
    ----------
    Caron, Misra, Mairal, Goyal, Bojanowski, Joulin. Unsupervised Learning of Visual Features by
    Contrasting Cluster Assignments. NeurIPS 2020.

    Examples
    --------
    >>> from sklssl import SwAVEmbedder
    >>> from sklssl.datasets import load_digit_images
    >>> X, _ = load_digit_images(return_X_y=True)
    >>> embedder = SwAVEmbedder(max_epochs=2, horizontal_flip=False, random_state=0)
    >>> embedder.fit_transform(X[:200]).shape
    (200, 5248)
    """

    _parameter_constraints = {
        "n_prototypes": [Interval(Integral, 2, 2**16, closed="both")],
        "n_small_views": [Interval(Integral, 0, 64, closed="both")],
        "projection_dim": [Interval(Integral, 1, 2**16, closed="both")],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        backbone: str | Callable[..., Any] = "patchconvnet",
        *,
        n_prototypes: int = 300,
        n_small_views: int = 4,
        projection_dim: int = 128,
        temperature: float = 0.1,
        epsilon: float = 0.05,
        **shared: Unpack[ViewParameters],
    ) -> None:
        super().__init__(backbone, **shared)
        self.n_prototypes = n_prototypes
        self.n_small_views = n_small_views
        self.projection_dim = projection_dim
        self.temperature = temperature
        self.epsilon = epsilon

    def _make_pretext(self, backbone: Backbone) -> Pretext:
        return SwappedPretext(
            backbone,
            self._random_views(),
            n_small=self.n_small_views,
            projection_dim=self.projection_dim,
            n_prototypes=self.n_prototypes,
            temperature=self.temperature,
            epsilon=self.epsilon,
        )
