"""Patch RotNet: recognise the rotation of an image, or of a small copy pasted into it.

Pham, Mina, Issa, Yoo. Self-Supervised Learning with Local Attention-Aware Feature. 2021.
"""

import math

import torch
from torch import Tensor, nn

from sklssl.backbones import Backbone, pool_map
from sklssl.base import Pretext
from sklssl.embedding._patches import PatchEmbedder, draw_places, patch_side, rotate_and_patch
from sklssl.embedding._rotnet import classify, shift_randomly

__all__ = ["PatchRotEmbedder", "PatchRotationPretext"]

_OUTPUT = 64  # channels of the paper's networks before the last linear layer


class PatchRotationPretext(Pretext):
    """Classify eight views of every image; the task on pairs uses the same views."""

    def __init__(self, backbone: Backbone, patch_ratio: float) -> None:
        super().__init__(backbone)
        width = backbone.n_features
        self.output = nn.Identity() if width == _OUTPUT else nn.Linear(width, _OUTPUT)
        self.head = nn.Linear(_OUTPUT, 8)
        self.patch_ratio = patch_ratio

    def views(self, images: Tensor, rng: torch.Generator, index: Tensor) -> tuple[Tensor, Tensor]:
        if self.training:
            images = shift_randomly(images, rng)
        side = patch_side(images.shape[2], self.patch_ratio)
        places = draw_places(len(images), images.shape[2], side, rng)
        return rotate_and_patch(images, side, places)

    def chance_loss(self, n_images: int) -> float:
        return math.log(self.head.out_features)

    def forward(self, views: Tensor, targets: Tensor) -> dict[str, Tensor]:
        return classify(self.head(self.output(pool_map(self.backbone(views)))), targets)


class PatchRotEmbedder(PatchEmbedder):
    """Embed images by predicting the rotation of an image or of a patch in it.

    The network sees each image in four rotations, and also upright with a small copy of itself, in
    four rotations, pasted at a random position. It predicts which of the eight it sees, and so has
    to attend to the whole image and to its parts.

    See Also
    --------
    PatchRelEmbedder : The same images in pairs.
    RotNetEmbedder : Only the four rotations.

    Notes
    -----
    The images must be square; set `image_size` if they are not. During training they are randomly
    shifted by up to an eighth of the side, as in :class:`RotNetEmbedder`. The networks of the paper
    are ``backbone="resnet8"`` and ``"resnet32"``, whose last stage has 64 channels. Any other
    network is followed by a linear layer with 64 outputs, which are used for classification only
    and not returned by ``transform``.

    References
    ----------
    Pham, Mina, Issa, Yoo. Self-Supervised Learning with Local Attention-Aware Feature. 2021.

    Examples
    --------
    >>> from sklssl import PatchRotEmbedder
    >>> from sklssl.datasets import load_digit_images
    >>> X, _ = load_digit_images(return_X_y=True)
    >>> embedder = PatchRotEmbedder(max_epochs=2, random_state=0).fit(X[:200])
    >>> embedder.score(X[200:400]) > 1 / 8
    True
    """

    def _make_pretext(self, backbone: Backbone) -> PatchRotationPretext:
        return PatchRotationPretext(backbone, self.patch_ratio)
