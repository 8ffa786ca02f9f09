"""Random views of a batch, with separate random numbers for each image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sklssl.augmentation._blur import draw_sigmas, gaussian_blur
from sklssl.augmentation._checks import check_images, check_range, check_share, check_size
from sklssl.augmentation._color import (
    adjust_brightness_,
    adjust_contrast_,
    adjust_hue_,
    adjust_saturation_,
    draw_color_jitter,
    to_grayscale_,
)
from sklssl.augmentation._geometry import draw_choices, draw_crops, resized_crop
from sklssl.augmentation._numbers import draw_half

__all__ = ["RandomViews"]

_MIN_BLURRED_SIDE = 64


@dataclass(frozen=True)
class RandomViews:
    """Draw random views as in SimCLR; each call returns one view of each image.

    Random numbers are drawn separately for each image. Brightness, contrast, saturation and hue
    change in this order, which is random in SimCLR.

    Parameters
    ----------
    crop_scale : tuple of (float, float), default=(0.2, 1.0)
        Range of the fraction of the image that is cropped and resized. The fraction is uniform in
        this range. torchvision also draws boxes that do not fit, and rejects them, so that large
        ones are rarer there: with the default, the mean fraction is about 0.55, and 0.60 here.

    horizontal_flip : bool, default=True
        Whether half of the images are mirrored.

    jitter : float, default=0.5
        Strength in [0, 1] of the colour changes, which are applied to four in five images. One in
        five is converted to grey. 0 changes no colours. If images do not have three channels, only
        their brightness and the contrast of each channel change.

    size : int or tuple of (int, int), default=None
        Height and width of the views in pixels, or one number for both. None means those of the
        images. Multi-crop methods, such as SwAV and DINO, use small views of small parts in
        addition to large ones. The size is not scaled if a fit trains on small images first.

    blur : bool, default=True
        Whether half of the views in a batch are blurred, if they have at least 64x64 pixels.

    Raises
    ------
    ValueError
        If `crop_scale` is not a range within (0, 1], or `jitter` or `size` is out of range.

    References
    ----------
    Chen, Kornblith, Norouzi, Hinton. A Simple Framework for Contrastive Learning of Visual
    Representations. ICML 2020.

    Examples
    --------
    >>> import torch
    >>> from sklssl.augmentation import RandomViews
    >>> views = RandomViews(crop_scale=(0.5, 1.0))
    >>> views(torch.rand(4, 3, 32, 32), torch.Generator().manual_seed(0)).shape
    torch.Size([4, 3, 32, 32])

    Two large views and four small ones of each image:

    >>> large, small = RandomViews((0.4, 1.0)), RandomViews((0.05, 0.4), size=16)
    >>> images, rng = torch.rand(4, 3, 32, 32), torch.Generator().manual_seed(0)
    >>> crops = [large(images, rng) for _ in range(2)] + [small(images, rng) for _ in range(4)]
    >>> [view.shape[2] for view in crops]
    [32, 32, 16, 16, 16, 16]
    """

    crop_scale: tuple[float, float] = (0.2, 1.0)
    horizontal_flip: bool = True
    jitter: float = 0.5
    size: int | tuple[int, int] | None = None
    blur: bool = True

    def __post_init__(self) -> None:
        check_range("crop_scale", self.crop_scale)
        check_share("jitter", self.jitter, "0 changes no colours.")
        if self.size is not None:
            check_size("size", self.size)

    def __call__(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """Draw a view of each image.

        Parameters
        ----------
        images : tensor of shape (b, C, H, W)
            Floats in [0, 1].
        rng : torch.Generator
            A generator on the device of `images`.

        Returns
        -------
        views : tensor of shape (b, C, H, W), or of `size`
            Floats in [0, 1], in channels-last layout.

        Raises
        ------
        ValueError
            If `images` is not a batch of floats.
        """
        check_images("RandomViews", images)
        n_images, _, height, width = images.shape
        boxes = draw_crops(n_images, (height, width), self.crop_scale, rng)
        flipped = draw_choices(n_images, 0.5 if self.horizontal_flip else 0.0, rng)
        views = resized_crop(images, boxes, flipped, self.size)
        if self.jitter:
            brightness, contrast, saturation, hue = draw_color_jitter(n_images, self.jitter, rng)
            adjust_brightness_(views, brightness)
            adjust_contrast_(views, contrast)
            adjust_saturation_(views, saturation)
            adjust_hue_(views, hue)
            grey = draw_choices(n_images, 0.2, rng)
            to_grayscale_(views, grey)
        side = min(views.shape[2:])
        if self.blur and side >= _MIN_BLURRED_SIDE:
            half = draw_half(n_images, rng)
            sigmas = draw_sigmas(n_images, rng)[half]
            views[half] = gaussian_blur(views[half], sigmas, 2 * (side // 20) + 1)
        return views.contiguous(memory_format=torch.channels_last)
