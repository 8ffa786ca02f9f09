"""Patch RelNet: recognise a rotation from a rotated image and a rotated patch together.

Pham, Mina, Issa, Yoo. Self-Supervised Learning with Local Attention-Aware Feature. 2021.
"""

import torch
from torch import Tensor, nn

from sklssl.backbones import Backbone, pool_map
from sklssl.embedding._patches import PatchEmbedder
from sklssl.embedding._patchrot import PatchRotationPretext
from sklssl.embedding._rotnet import classify

__all__ = ["PatchRelEmbedder"]


class PatchRelationPretext(PatchRotationPretext):
    """Classify pairs of a rotated image and an image with a patch rotated in the same way."""

    def __init__(self, backbone: Backbone, patch_ratio: float) -> None:
        super().__init__(backbone, patch_ratio)
        self.head = nn.Linear(2 * self.head.in_features, 4)

    def forward(self, views: Tensor, targets: Tensor) -> dict[str, Tensor]:
        turned, patched = self.output(pool_map(self.backbone(views))).chunk(2)
        logits = self.head(torch.cat([turned, patched], dim=1))
        return classify(logits, targets[: len(turned)])


class PatchRelEmbedder(PatchEmbedder):
    """Embed images by predicting a rotation from an image and a patch that share it.

    Each image is paired with an upright version of itself into which a small copy is pasted at a
    random position. Image and copy are rotated by the same angle, and the network predicts from
    both which of the four it was.

    See Also
    --------
    PatchRotEmbedder : The same images one at a time, in eight classes.
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
    >>> from sklssl import PatchRelEmbedder
    >>> from sklssl.datasets import load_digit_images
    >>> X, _ = load_digit_images(return_X_y=True)
    >>> embedder = PatchRelEmbedder(max_epochs=2, random_state=0).fit(X[:200])
    >>> embedder.score(X[200:400]) > 1 / 4
    True
    """

    def _make_pretext(self, backbone: Backbone) -> PatchRelationPretext:
        return PatchRelationPretext(backbone, self.patch_ratio)
