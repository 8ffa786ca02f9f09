"""Deep InfoMax: the parts of an image can be told from the image as a whole.

Hjelm, Fedorov, Lavoie-Marchildon, Grewal, Bachman, Trischler, Bengio. Learning Deep Representations
by Mutual Information Estimation and Maximization. ICLR 2019.
"""

import math
from collections.abc import Callable
from numbers import Integral
from typing import Any, Unpack

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sklssl.backbones import Backbone, pool_map
from sklssl.base import BaseEmbedder, Pretext, SharedParameters, parameters
from sklssl.embedding._heads import make_mlp
from sklssl.embedding._rotnet import shift_randomly
from sklssl.losses import local_infomax
from sklssl.utils._sklearn_compat import Interval

__all__ = ["DeepInfoMaxEmbedder"]

_MOST_PLACES = 8  # per side of the feature map


class LocalInformationPretext(Pretext):
    """Tell the places of an image's early feature map from those of other images."""

    def __init__(self, backbone: Backbone, projection_dim: int) -> None:
        super().__init__(backbone)
        # The places of the stage before the last: those of the last one are its mean already.
        self.local_layer = backbone.layer_names[max(len(backbone.layer_names) - 2, 0)]
        n_local = backbone.widths[self.local_layer]
        self.local_head = nn.Sequential(
            nn.Conv2d(n_local, projection_dim, 1, bias=False),
            nn.BatchNorm2d(projection_dim),
            nn.ReLU(inplace=True),
            nn.Conv2d(projection_dim, projection_dim, 1),
        )
        width = backbone.n_features
        self.whole_head = make_mlp([width, projection_dim, projection_dim])

    def views(self, images: Tensor, rng: torch.Generator, index: Tensor) -> tuple[Tensor, None]:
        return shift_randomly(images, rng), None

    def chance_loss(self, n_images: int) -> float:
        return 2 * math.log(2)  # of scores of 0

    def forward(self, views: Tensor, targets: None) -> dict[str, Tensor]:
        maps = self.backbone.maps(views)
        early, last = maps[self.local_layer], maps[self.backbone.layer_names[-1]]
        size = min(early.shape[2], _MOST_PLACES), min(early.shape[3], _MOST_PLACES)
        local = self.local_head(F.adaptive_avg_pool2d(early, size)).flatten(2).mT
        loss, accuracy = local_infomax(local, self.whole_head(pool_map(last)))
        return {"loss": loss, "accuracy": accuracy}


@parameters(max_epochs=20, learning_rate=1e-3, lr_schedule="cosine", optimizer="adam")
class DeepInfoMaxEmbedder(BaseEmbedder):
    """Embed images with a network whose output tells the parts of an image from those of others.

    For each place in an early feature map and each image of the batch, the network says whether
    the place belongs to the image. The mutual information between an image's features and all of
    its parts becomes large.

    Parameters
    ----------
    projection_dim : int
        The number of outputs of the heads whose products are the scores.

    Attributes
    ----------
    history_ : list of dict
        One row per epoch: epoch, phase, scale, learning_rate, loss, accuracy (the proportion of
        places whose own image has the highest score in the batch) and duration in seconds.

    See Also
    --------
    SimCLREmbedder : Compares views instead of parts.

    Notes
    -----
    This is the local form of the method with the Jensen-Shannon estimator, which the paper finds
    best for classification, without matching the features to a prior distribution. The parts are
    the places of the stage before the last, at most 8 x 8. Images are shifted by up to an eighth of
    their sides.

    References
    ----------
    Hjelm, Fedorov, Lavoie-Marchildon, Grewal, Bachman, Trischler, Bengio. Learning Deep
    Representations by Mutual Information Estimation and Maximization. ICLR 2019.

    Examples
    --------
    >>> from sklssl import DeepInfoMaxEmbedder
    >>> from sklssl.datasets import load_digit_images
    >>> X, _ = load_digit_images(return_X_y=True)
    >>> embedder = DeepInfoMaxEmbedder(max_epochs=2, random_state=0).fit(X[:200])
    >>> embedder.score(X[200:400]) > 2 / 64  # twice chance level in a batch of 64
    True
    """

    _parameter_constraints = {"projection_dim": [Interval(Integral, 1, 2**14, closed="both")]}

    def __init__(
        self,
        backbone: str | Callable[..., Any] = "patchconvnet",
        *,
        projection_dim: int = 256,
        **shared: Unpack[SharedParameters],
    ) -> None:
        super().__init__(backbone, **shared)
        self.projection_dim = projection_dim

    def _make_pretext(self, backbone: Backbone) -> Pretext:
        return LocalInformationPretext(backbone, self.projection_dim)
