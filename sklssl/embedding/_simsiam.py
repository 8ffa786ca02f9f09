"""SimSiam: predict one view of an image from another, without negatives and without a teacher.

Chen, He. Exploring Simple Siamese Representation Learning. CVPR 2021.
"""

from collections.abc import Callable
from numbers import Integral
from typing import Any, Unpack

from torch import Tensor

from sklssl.augmentation import RandomViews
from sklssl.backbones import Backbone
from sklssl.base import Pretext
from sklssl.embedding._heads import Projector, make_mlp, spread
from sklssl.embedding._random_views import (
    RandomViewsEmbedder,
    TwoViewsPretext,
    ViewParameters,
)
from sklssl.losses import negative_cosine
from sklssl.utils._sklearn_compat import Interval

__all__ = ["SimSiamEmbedder"]


class SiamesePretext(TwoViewsPretext):
    """Predict the projection of one view from that of another."""

    def __init__(self, backbone: Backbone, random_views: RandomViews, projection_dim: int) -> None:
        super().__init__(backbone, random_views)
        dim = projection_dim
        head = make_mlp([backbone.n_features, dim, dim, dim], last_norm=True)
        self.projector = Projector(backbone, head)
        self.predictor = make_mlp([dim, max(dim // 4, 1), dim])

    def forward(self, views: list[Tensor], targets: None) -> dict[str, Tensor]:
        # Each view by itself, as in the paper: batch normalisation sees one view of each image.
        z1, z2 = (self.projector(view) for view in views)
        loss = negative_cosine(self.predictor(z1), z2) + negative_cosine(self.predictor(z2), z1)
        return {"loss": loss / 2, "spread": spread(z1)}


class SimSiamEmbedder(RandomViewsEmbedder):
    """Embed images with a network that predicts one view of an image from another.

    A small head predicts, from one random view of an image, the projection of another one. No
    gradient flows into what is predicted, which keeps the network from making all images alike.
    There are no negative examples, so small batches suffice.

    Parameters
    ----------
    projection_dim : int
        The number of outputs of the projection head; the predictor has a quarter as many hidden
        units.

    Attributes
    ----------
    history_ : list of dict
        One row per epoch: epoch, phase, scale, learning_rate, loss (from -1, the best, to 1),
        spread (how much the directions of the projections differ: 0 if all images are alike, at
        most 1) and duration in seconds.

    See Also
    --------
    BYOLEmbedder : The target comes from a slowly moving copy of the network.

    Notes
    -----
    A network that gives all images the same projection has the best loss, so a low loss says
    nothing; a warning is raised if the spread becomes small.

    References
    ----------
    Chen, He. Exploring Simple Siamese Representation Learning. CVPR 2021.

    Examples
    --------
    >>> from sklssl import SimSiamEmbedder
    >>> from sklssl.datasets import load_digit_images
    >>> X, _ = load_digit_images(return_X_y=True)
    >>> embedder = SimSiamEmbedder(max_epochs=2, horizontal_flip=False, random_state=0)
    >>> embedder.fit_transform(X[:200]).shape
    (200, 5248)
    """

    _parameter_constraints = {"projection_dim": [Interval(Integral, 1, 2**16, closed="both")]}

    def __init__(
        self,
        backbone: str | Callable[..., Any] = "patchconvnet",
        *,
        projection_dim: int = 512,
        **shared: Unpack[ViewParameters],
    ) -> None:
        super().__init__(backbone, **shared)
        self.projection_dim = projection_dim

    def _make_pretext(self, backbone: Backbone) -> Pretext:
        return SiamesePretext(backbone, self._random_views(), self.projection_dim)
