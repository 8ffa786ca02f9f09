"""Colour operations. Those ending in an underscore work in place, without argument checks."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from sklssl.augmentation._checks import check_images, check_per_image
from sklssl.augmentation._geometry import draw_choices
from sklssl.augmentation._numbers import draw_uniform

__all__ = [
    "adjust_brightness",
    "adjust_brightness_",
    "adjust_contrast",
    "adjust_contrast_",
    "adjust_hue",
    "adjust_hue_",
    "adjust_saturation",
    "adjust_saturation_",
    "draw_color_jitter",
    "to_grayscale",
    "to_grayscale_",
]

_GREY_WEIGHTS = (0.2989, 0.587, 0.114)


def draw_color_jitter(
    n_images: int, strength: float, rng: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Draw colour changes for four in five images, and numbers without effect for the others.

    Parameters
    ----------
    n_images : int
        Number of images.

    strength : float
        At least 0; SimCLR uses 0.5 for CIFAR-10 and 1 for ImageNet.

    rng : torch.Generator
        A generator on the device of the images.

    Returns
    -------
    brightness, contrast, saturation : tensors of shape (n_images,)
        Factors in [1 - 0.8 strength, 1 + 0.8 strength], but at least 0.

    hue : tensor of shape (n_images,)
        Fractions of a turn in [-0.2 strength, 0.2 strength].

    Raises
    ------
    ValueError
        If `strength` is below 0.

    Examples
    --------
    >>> import torch
    >>> from sklssl.augmentation import adjust_brightness, draw_color_jitter
    >>> images, rng = torch.rand(4, 3, 32, 32), torch.Generator().manual_seed(0)
    >>> brightness, contrast, saturation, hue = draw_color_jitter(4, 0.5, rng)
    >>> adjust_brightness(images, brightness).shape
    torch.Size([4, 3, 32, 32])
    """
    if not isinstance(strength, Real) or not strength >= 0:
        raise ValueError(
            f"draw_color_jitter: strength must be a number of at least 0. Got {strength!r}. SimCLR "
            "uses 0.5 for small images."
        )
    moved = draw_uniform((n_images, 4), -strength, strength, rng)
    moved = moved * draw_choices(n_images, 0.8, rng)[:, None]
    brightness, contrast, saturation = (1.0 + 0.8 * moved[:, :3]).clamp_min(0.0).unbind(1)
    return brightness, contrast, saturation, 0.2 * moved[:, 3]


def adjust_brightness(images: Tensor, factors: Tensor) -> Tensor:
    """Multiply each image by a separate factor.

    Parameters
    ----------
    images : tensor of shape (b, C, H, W)
        Floats in [0, 1].

    factors : tensor of shape (b,)
        At least 0, which means black; 1 changes nothing: see :func:`draw_color_jitter`.

    Returns
    -------
    views : tensor of shape (b, C, H, W)
        Floats in [0, 1].

    Raises
    ------
    ValueError
        If an argument has the wrong shape or is on another device.

    Examples
    --------
    >>> import torch
    >>> from sklssl.augmentation import adjust_brightness
    >>> adjust_brightness(torch.full((1, 1, 1, 1), 0.25), torch.tensor([2.0]))
    tensor([[[[0.5000]]]])
    """
    return _changed(adjust_brightness_, images, factors=factors)


def adjust_brightness_(images: Tensor, factors: Tensor) -> None:
    """Apply :func:`adjust_brightness` in place."""
    images.mul_(factors.view(-1, 1, 1, 1)).clamp_(0.0, 1.0)


def adjust_contrast(images: Tensor, factors: Tensor) -> Tensor:
    """Scale the differences of the pixels of each image from its mean grey by a separate factor.

    If images do not have three channels, the mean of each channel is used, since channels may have
    different units.

    Parameters
    ----------
    images : tensor of shape (b, C, H, W)
        Floats in [0, 1].

    factors : tensor of shape (b,)
        At least 0, which means grey; 1 changes nothing: see :func:`draw_color_jitter`.

    Returns
    -------
    views : tensor of shape (b, C, H, W)
        Floats in [0, 1].

    Raises
    ------
    ValueError
        If an argument has the wrong shape or is on another device.

    Examples
    --------
    >>> import torch
    >>> from sklssl.augmentation import adjust_contrast
    >>> adjust_contrast(torch.tensor([[[[0.0, 1.0]]]]), torch.tensor([0.5]))
    tensor([[[[0.2500, 0.7500]]]])
    """
    return _changed(adjust_contrast_, images, factors=factors)


def adjust_contrast_(images: Tensor, factors: Tensor) -> None:
    """Apply :func:`adjust_contrast` in place."""
    factors = factors.view(-1, 1, 1, 1)
    mean = images.mean(dim=(2, 3), keepdim=True)
    if images.shape[1] == 3:
        mean = _to_grey(mean)
    images.mul_(factors).add_(mean.mul_(1.0 - factors)).clamp_(0.0, 1.0)


def adjust_saturation(images: Tensor, factors: Tensor) -> Tensor:
    """Scale the differences of the pixels of each RGB image from their grey by a separate factor.

    Parameters
    ----------
    images : tensor of shape (b, C, H, W)
        Floats in [0, 1]. Images without three channels are returned unchanged.

    factors : tensor of shape (b,)
        At least 0, which means grey; 1 changes nothing: see :func:`draw_color_jitter`.

    Returns
    -------
    views : tensor of shape (b, C, H, W)
        Floats in [0, 1].

    Raises
    ------
    ValueError
        If an argument has the wrong shape or is on another device.

    Examples
    --------
    >>> import torch
    >>> from sklssl.augmentation import adjust_saturation
    >>> red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    >>> adjust_saturation(red, torch.tensor([0.0])).flatten()
    tensor([0.2989, 0.2989, 0.2989])
    """
    return _changed(adjust_saturation_, images, factors=factors)


def adjust_saturation_(images: Tensor, factors: Tensor) -> None:
    """Apply :func:`adjust_saturation` in place."""
    if images.shape[1] == 3:
        grey = _to_grey(images)
        shares = factors.view(-1, 1, 1, 1).to(images.dtype)
        torch.lerp(grey, images, shares, out=images).clamp_(0.0, 1.0)


def adjust_hue(images: Tensor, turns: Tensor) -> Tensor:
    """Rotate the hue of each RGB image by a separate fraction of the colour circle.

    The highest and the lowest channel of a pixel keep their values.

    Parameters
    ----------
    images : tensor of shape (b, C, H, W)
        Floats in [0, 1]. Images without three channels are returned unchanged.

    turns : tensor of shape (b,)
        Fractions of a turn in [-0.5, 0.5]; 0 changes nothing: see :func:`draw_color_jitter`.

    Returns
    -------
    views : tensor of shape (b, C, H, W)
        Floats in [0, 1].

    Raises
    ------
    ValueError
        If an argument has the wrong shape or is on another device.

    Examples
    --------
    >>> import torch
    >>> from sklssl.augmentation import adjust_hue
    >>> red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    >>> adjust_hue(red, torch.tensor([0.5])).flatten()  # cyan
    tensor([0., 1., 1.])
    """
    return _changed(adjust_hue_, images, turns=turns)


def adjust_hue_(images: Tensor, turns: Tensor) -> None:
    """Apply :func:`adjust_hue` in place."""
    if images.shape[1] != 3:
        return
    red, green, blue = images.unbind(1)
    high, low = torch.maximum(green, blue), torch.minimum(green, blue)
    lowest = torch.minimum(red, low)
    least = torch.finfo(images.dtype).tiny
    chroma = torch.maximum(red, high).sub_(lowest).clamp_min_(least)
    # The angle to red on the colour hexagon, in sixths, without branches: it increases to two until
    # red is the lowest channel, and then by the distance of red from the middle one.
    angle = high.sub_(red).add_(low.sub_(red).clamp_min_(0.0))
    angle.div_(chroma).add_(1.0).copysign_(green - blue)
    # A channel is the highest within one sixth of its own angle, and the lowest beyond two.
    offsets = torch.stack([turns, turns - 1 / 3, turns + 1 / 3], dim=1)
    offsets = 6.0 * (offsets - offsets.round())[:, :, None, None]
    levels = torch.add(angle[:, None], offsets, out=images)
    levels.abs_().sub_(3.0).abs_().clamp_(1.0, 2.0)  # one more than the level, in [0, 1]
    torch.addcmul(lowest.sub_(chroma)[:, None], levels, chroma[:, None], out=images)


def to_grayscale(images: Tensor, chosen: Tensor) -> Tensor:
    """Convert the chosen RGB images to grey, with three equal channels.

    Parameters
    ----------
    images : tensor of shape (b, C, H, W)
        Floats in [0, 1]. Images without three channels are returned unchanged.

    chosen : bool tensor of shape (b,)
        The images to convert: see :func:`draw_choices`.

    Returns
    -------
    views : tensor of shape (b, C, H, W)

    Raises
    ------
    ValueError
        If an argument has the wrong shape or is on another device.

    Examples
    --------
    >>> import torch
    >>> from sklssl.augmentation import to_grayscale
    >>> red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    >>> to_grayscale(red, torch.tensor([True])).flatten()
    tensor([0.2989, 0.2989, 0.2989])
    """
    return _changed(to_grayscale_, images, chosen=chosen)


def to_grayscale_(images: Tensor, chosen: Tensor) -> None:
    """Apply :func:`to_grayscale` in place."""
    if images.shape[1] == 3:
        images.lerp_(_to_grey(images), chosen.view(-1, 1, 1, 1).to(images.dtype))


def _to_grey(images: Tensor) -> Tensor:
    """Return the luma (b, 1, H, W) of RGB images (b, 3, H, W)."""
    red, green, blue = _GREY_WEIGHTS
    grey = (images[:, :1] * red).add_(images[:, 1:2], alpha=green)
    return grey.add_(images[:, 2:], alpha=blue)


def _changed(change_: Callable[..., None], images: Tensor, **numbers: Any) -> Tensor:
    """Check the arguments of an operation, and apply it to a copy of the images."""
    function = change_.__name__.removesuffix("_")
    check_images(function, images)
    check_per_image(function, images, **numbers)
    views = images.clone()
    change_(views, *numbers.values())
    return views
