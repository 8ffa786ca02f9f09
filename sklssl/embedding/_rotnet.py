"""RotNet: recognise by how much an image was rotated.

Gidaris, Singh, Komodakis. Unsupervised Representation Learning by Predicting Image Rotations.
ICLR 2018.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sklssl.augmentation import draw_shifts, shift
from sklssl.backbones import Backbone, pool_map
from sklssl.base import BaseEmbedder, Pretext

__all__ = [
    "RotNetEmbedder",
    "RotationPretext",
    "classify",
    "rotate_four_ways",
    "shift_randomly",
]

# As a proportion of the side: the authors' code pads 32-pixel images by 4 and crops them at random.
# Without it the network memorises a small data set (benchmarks/studies/README.md).
_MAX_SHIFT = 0.125


def shift_randomly(images: Tensor, rng: torch.Generator) -> Tensor:
    """Shift each image (b, C, H, W) by up to an eighth of its sides."""
    height, width = images.shape[2:]
    return shift(images, draw_shifts(len(images), (height, width), _MAX_SHIFT, rng))


def rotate_four_ways(images: Tensor) -> tuple[Tensor, Tensor]:
    """Rotate square images (b, C, s, s) by 0, 90, 180 and 270 degrees counterclockwise.

    Returns
    -------
    views : tensor of shape (4 * b, C, s, s)
        All images as they are, then all rotated by 90 degrees, and so on.

    targets : tensor of shape (4 * b,)
        The number of quarter turns.
    """
    views = torch.cat([torch.rot90(images, k, dims=(2, 3)) for k in range(4)])
    targets = torch.arange(4, device=images.device).repeat_interleave(len(images))
    return views.contiguous(memory_format=torch.channels_last), targets


def classify(logits: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """Return the terms loss (cross-entropy) and accuracy of logits (b, k) for classes (b,)."""
    accuracy = (logits.argmax(dim=1) == targets).float().mean()
    return {"loss": F.cross_entropy(logits, targets), "accuracy": accuracy}


class RotationPretext(Pretext):
    """Classify the four rotations of every image, all in one step."""

    head: nn.Module

    def __init__(self, backbone: Backbone) -> None:
        super().__init__(backbone)
        self.head = nn.Linear(backbone.n_features, 4)

    def views(self, images: Tensor, rng: torch.Generator, index: Tensor) -> tuple[Tensor, Any]:
        if self.training:
            images = shift_randomly(images, rng)
        return rotate_four_ways(images)

    def chance_loss(self, n_images: int) -> float | None:
        return math.log(4)

    def forward(self, views: Tensor, targets: Any) -> dict[str, Tensor]:
        return classify(self.head(pool_map(self.backbone(views))), targets)


class RotNetEmbedder(BaseEmbedder):
    """Embed images with a network that learns to predict their rotation.

    Each image is rotated by 0, 90, 180 and 270 degrees, and the network predicts the angle. To do
    so it must recognise what the image shows and how it is oriented. Suitable for images with a
    natural upright orientation, and not for those that look the same from all sides, such as many
    aerial images.

    See Also
    --------
    ScaleNetEmbedder : The same task, first on smaller images.
    MultiScaleEmbedder : Training at increasing scales for any embedder.

    Notes
    -----
    The images must be square; set `image_size` if they are not. ``partial_fit`` trains for one
    epoch on the images that it is given.

    References
    ----------
    Gidaris, Singh, Komodakis. Unsupervised Representation Learning by Predicting Image
    Rotations. ICLR 2018.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklssl import RotNetEmbedder
    >>> from sklssl.datasets import load_digit_images
    >>> X, y = load_digit_images(return_X_y=True)
    >>> embedder = RotNetEmbedder(max_epochs=2, random_state=0).fit(X[:500])
    >>> embedder.transform(X[:3]).shape == (3, len(embedder.get_feature_names_out()))
    True
    >>> pipe = make_pipeline(embedder, LogisticRegression(max_iter=1000)).fit(X[:500], y[:500])
    >>> pipe.score(X[500:], y[500:]) > 0.8
    True
    """

    _square_only = True

    def _make_pretext(self, backbone: Backbone) -> RotationPretext:
        return RotationPretext(backbone)
