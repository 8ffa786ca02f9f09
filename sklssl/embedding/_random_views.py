"""The parameters and the views of all methods that compare random views of images."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from numbers import Real
from typing import Any, Unpack

import torch
from torch import Tensor, nn

from sklssl.augmentation import RandomViews
from sklssl.backbones import Backbone
from sklssl.base import BaseEmbedder, Pretext, SharedParameters, parameters
from sklssl.embedding._heads import outputs_by_view
from sklssl.losses import soft_cross_entropy
from sklssl.utils._checks import naming_parameter
from sklssl.utils._sklearn_compat import Interval

__all__ = ["MultiCropPretext", "RandomViewsEmbedder", "TwoViewsPretext", "ViewParameters"]

_SMALL = 0.5  # side of small views, relative to that of the image
_LEAST_SIDE = 8  # pixels
_SPLIT = 0.3  # of the area: small views show less of an image, large ones more


class TwoViewsPretext(Pretext):
    """A task for which two random views of every image are drawn."""

    def __init__(self, backbone: Backbone, random_views: RandomViews) -> None:
        super().__init__(backbone)
        self.random_views = random_views

    def views(
        self, images: Tensor, rng: torch.Generator, index: Tensor
    ) -> tuple[list[Tensor], Any]:
        return [self.random_views(images, rng) for _ in range(2)], None


class MultiCropPretext(Pretext):
    """A task for which two large views, and some small ones of half the size, are drawn.

    Small views cost a quarter of the time of large ones, and show less of the image. If the network
    does not support half the size, they are as large as it needs.
    """

    def __init__(self, backbone: Backbone, random_views: RandomViews, n_small: int) -> None:
        super().__init__(backbone)
        low, high = random_views.crop_scale
        split = min(max(_SPLIT, low), high)
        self.large = replace(random_views, crop_scale=(split, high))
        self.small = replace(random_views, crop_scale=(low, split))
        self.n_small = n_small
        self.least_side = max(backbone.smallest_side() or 0, _LEAST_SIDE)  # of small views

    def views(
        self, images: Tensor, rng: torch.Generator, index: Tensor
    ) -> tuple[list[Tensor], Any]:
        views = [self.large(images.repeat(2, 1, 1, 1), rng)]
        if self.n_small:
            side = [max(round(_SMALL * s), min(s, self.least_side)) for s in images.shape[2:]]
            small = replace(self.small, size=(side[0], side[1]))
            views.append(small(images.repeat(self.n_small, 1, 1, 1), rng))
        return views, None

    def outputs(self, module: nn.Module, views: list[Tensor]) -> Tensor:
        """Return the outputs (v, b, d) of a module for v views of each of the b images."""
        return outputs_by_view(module, views, len(views[0]) // 2)

    def predict_from_others(self, targets: Tensor, scores: Tensor, temperature: float) -> Tensor:
        """Return the loss of predicting targets (2, b, k) of the large views from all other views.

        `scores` (v, b, k) are those of all views, the large ones first.
        """
        losses = [
            soft_cross_entropy(scores[j], target, temperature)
            for i, target in enumerate(targets)
            for j in range(len(scores))
            if j != i
        ]
        return torch.stack(losses).mean()


class ViewParameters(SharedParameters, total=False):
    """The parameters that these embedders share."""

    crop_scale: tuple[float, float]
    jitter_strength: float
    horizontal_flip: bool


@parameters(
    max_epochs=20,
    batch_size=64,
    learning_rate=1e-3,
    lr_schedule="cosine",
    optimizer="adam",
    weight_decay=1e-6,
)
class RandomViewsEmbedder(BaseEmbedder):
    """Base of the embedders that learn from random views of each image.

    Parameters
    ----------
    crop_scale : tuple of (float, float)
        The smallest and the largest proportion of an image's area that a view shows.

    jitter_strength : float
        The strength of the changes in brightness, contrast, saturation and hue; 0 for none. Lower
        it if colour distinguishes the images.

    horizontal_flip : bool
        Whether half of the views are mirrored. Unsuitable for images of text.
    """

    _parameter_constraints = {
        "crop_scale": ["array-like"],
        "jitter_strength": [Interval(Real, 0, 1, closed="both")],
        "horizontal_flip": ["boolean"],
    }

    def __init__(
        self,
        backbone: str | Callable[..., Any] = "patchconvnet",
        *,
        crop_scale: tuple[float, float] = (0.2, 1.0),
        jitter_strength: float = 0.5,
        horizontal_flip: bool = True,
        **shared: Unpack[SharedParameters],
    ) -> None:
        super().__init__(backbone, **shared)
        self.crop_scale = crop_scale
        self.jitter_strength = jitter_strength
        self.horizontal_flip = horizontal_flip

    def _random_views(self) -> RandomViews:
        """Return the views that the parameters describe; warn if the images are not RGB."""
        n_channels = self.image_shape_[2]
        if n_channels not in (1, 3) and self.jitter_strength > 0:
            warnings.warn(
                f"{type(self).__name__}: images with {n_channels} channels are not RGB images. In "
                "their views only the brightness and the contrast of each channel change; "
                "saturation and hue do not, and none is converted to grey.",
                UserWarning,
                stacklevel=2,
            )
        with naming_parameter(self, "crop_scale"):
            return RandomViews(self.crop_scale, self.horizontal_flip, self.jitter_strength)
