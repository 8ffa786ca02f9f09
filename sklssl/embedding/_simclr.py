"""SimCLR: match two views of one image among the views of others.

Chen, Kornblith, Norouzi, Hinton. A Simple Framework for Contrastive Learning of Visual
Representations. ICML 2020.
"""

import math
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, Unpack

import torch
from torch import Tensor

from sklssl.augmentation import RandomViews
from sklssl.backbones import Backbone, pool_map
from sklssl.base import Pretext
from sklssl.embedding._heads import make_mlp
from sklssl.embedding._random_views import RandomViewsEmbedder, ViewParameters
from sklssl.losses import contrastive_accuracy, nt_xent
from sklssl.utils._sklearn_compat import Interval

__all__ = ["SimCLREmbedder"]


class ContrastivePretext(Pretext):
    """Pull the projections of two random views of an image together, and push others apart."""

    def __init__(
        self, backbone: Backbone, random_views: RandomViews, temperature: float, projection_dim: int
    ) -> None:
        super().__init__(backbone)
        width = backbone.n_features
        self.head = make_mlp([width, width, projection_dim])
        self.random_views = random_views
        self.temperature = temperature

    def views(self, images: Tensor, rng: torch.Generator, index: Tensor) -> tuple[Tensor, None]:
        return self.random_views(torch.cat([images, images]), rng), None

    def chance_loss(self, n_images: int) -> float:
        return math.log(2 * n_images - 1)

    def forward(self, views: Tensor, targets: None) -> dict[str, Tensor]:
        # Both views in one pass, as in the authors' code: batch-norm sees all of them.
        z1, z2 = self.head(pool_map(self.backbone(views))).chunk(2)
        loss = nt_xent(z1, z2, self.temperature)
        return {"loss": loss, "accuracy": contrastive_accuracy(z1.detach(), z2.detach())}


class SimCLREmbedder(RandomViewsEmbedder):
    """Embed images with a network that learns to match two views of one image.

    Two random crops of every image, with changed colours, must be more similar to each other than
    to the views of the other images in the batch. What crops and colours leave unchanged is what
    the image shows. Suitable if cropping and colour changes do not alter what an image shows. Needs
    many epochs and large batches.

    Parameters
    ----------
    temperature : float
        Divisor of the similarities. Smaller values give more weight to the most similar images.

    projection_dim : int
        The number of outputs of the projection head.

    batch_size : int
        The largest number of images per training step; the steps of an epoch are nearly equal. The
        partner of each view has to be found among the 2 * (n - 1) views of the other images in a
        step of n images. Besides what the network needs, which `micro_batch_size` limits, their
        similarities take 50 * n ** 2 bytes, as measured: 13 MB for 512, 0.8 GB for 4,096.

    Attributes
    ----------
    history_ : list of dict
        One row per epoch: epoch, phase, scale, learning_rate, loss, accuracy (the proportion of
        views whose most similar view in the batch is their partner) and duration in seconds.

    See Also
    --------
    MultiScaleEmbedder : ``MultiScaleEmbedder(SimCLREmbedder())`` is multi-scale SimCLR.
    RotNetEmbedder : Learns faster if the images have a natural upright orientation.

    Notes
    -----
    The views are random resized crops with flips, colour jitter for 80 % and conversion to grey for
    20 % of them, and a blur for half of them if the sides of the images have at least 64 pixels.
    The random numbers are drawn separately for each image. Unlike in the paper, crops show at least
    20 % of an image instead of 8 % (see `crop_scale`), and the order of the colour changes is
    fixed. The accuracy depends on the batch size.

    References
    ----------
    Chen, Kornblith, Norouzi, Hinton. A Simple Framework for Contrastive Learning of Visual
    Representations. ICML 2020.

    Examples
    --------
    >>> from sklssl import SimCLREmbedder
    >>> from sklssl.datasets import load_digit_images
    >>> X, _ = load_digit_images(return_X_y=True)
    >>> embedder = SimCLREmbedder(max_epochs=4, horizontal_flip=False, random_state=0)
    >>> embedder.fit_transform(X[:500]).shape
    (500, 5248)
    >>> embedder.score(X[500:]) > 5 / 127  # five times chance level in a batch of 64
    True
    """

    _parameter_constraints = {
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "projection_dim": [Interval(Integral, 1, 2**16, closed="both")],
    }

    def __init__(
        self,
        backbone: str | Callable[..., Any] = "patchconvnet",
        *,
        temperature: float = 0.5,
        projection_dim: int = 128,
        **shared: Unpack[ViewParameters],
    ) -> None:
        super().__init__(backbone, **shared)
        self.temperature = temperature
        self.projection_dim = projection_dim

    def _make_pretext(self, backbone: Backbone) -> Pretext:
        views = self._random_views()
        return ContrastivePretext(backbone, views, self.temperature, self.projection_dim)
