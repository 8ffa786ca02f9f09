"""Colours of views. What ends in an underscore works in place, as in torch, and checks nothing."""

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
    """Draw colour distortions for four in five images, and ones without effect for the others.

    Parameters
    ----------
    n_images : int
        The number of images.

    strength : float
        From 0 on; SimCLR's is 0.5 for CIFAR-10 and 1 for ImageNet.

    rng : torch.Generator
        On the device of the images.

    Returns
    -------
    brightness, contrast, saturation : tensors of shape (n_images,)
        Factors in [1 - 0.8 strength, 1 + 0.8 strength], not under 0.

    hue : tensor of shape (n_images,)
        Turns in [-0.2 strength, 0.2 strength].

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
            f"draw_color_jitter: strength must be a number from 0 on. Got {strength!r}. 0.5 is "
            "SimCLR's for small images."
        )
    moved = draw_uniform((4, n_images), -strength, strength, rng) * draw_choices(n_images, 0.8, rng)
    brightness, contrast, saturation = (1.0 + 0.8 * moved[:3]).clamp_min(0.0).unbind(0)
    return brightness, contrast, saturation, 0.2 * moved[3]


def adjust_brightness(images: Tensor, factors: Tensor) -> Tensor:
    """Multiply each image by a factor of its own.

    Parameters
    ----------
    images : tensor of shape (b, C, H, W)
        Floats in [0, 1].

    factors : tensor of shape (b,)
        From 0, black, on; 1 changes nothing: see :func:`draw_color_jitter`.

    Returns
    -------
    views : tensor of shape (b, C, H, W)
        Floats in [0, 1].

    Raises
    ------
    ValueError
        If an argument has another shape or lies on another device.

    Examples
    --------
    >>> import torch
    >>> from sklssl.augmentation import adjust_brightness
    >>> adjust_brightness(torch.full((1, 1, 1, 1), 0.25), torch.tensor([2.0]))
    tensor([[[[0.5000]]]])
    """
    return _changed(adjust_brightness_, images, factors=factors)


def adjust_brightness_(images: Tensor, factors: Tensor) -> None:
    """Do what :func:`adjust_brightness` does in place."""
    images.mul_(factors.view(-1, 1, 1, 1)).clamp_(0.0, 1.0)


def adjust_contrast(images: Tensor, factors: Tensor) -> Tensor:
    """Move the pixels of each image away from its mean grey, by a factor of its own.

    Images of other than three channels have a mean in every channel, for their channels may be of
    different units.

    Parameters
    ----------
    images : tensor of shape (b, C, H, W)
        Floats in [0, 1].

    factors : tensor of shape (b,)
        From 0, grey, on; 1 changes nothing: see :func:`draw_color_jitter`.

    Returns
    -------
    views : tensor of shape (b, C, H, W)
        Floats in [0, 1].

    Raises
    ------
    ValueError
        If an argument has another shape or lies on another device.

    Examples
    --------
    >>> import torch
    >>> from sklssl.augmentation import adjust_contrast
    >>> adjust_contrast(torch.tensor([[[[0.0, 1.0]]]]), torch.tensor([0.5]))
    tensor([[[[0.2500, 0.7500]]]])
    """
    return _changed(adjust_contrast_, images, factors=factors)


def adjust_contrast_(images: Tensor, factors: Tensor) -> None:
    """Do what :func:`adjust_contrast` does in place."""
    factors = factors.view(-1, 1, 1, 1)
    mean = images.mean(dim=(2, 3), keepdim=True)
    if images.shape[1] == 3:
        mean = _to_grey(mean)
    images.mul_(factors).add_(mean.mul_(1.0 - factors)).clamp_(0.0, 1.0)


def adjust_saturation(images: Tensor, factors: Tensor) -> Tensor:
    """Move the pixels of each RGB image away from their grey, by a factor of its own.

    Parameters
    ----------
    images : tensor of shape (b, C, H, W)
        Floats in [0, 1]. Those of other than three channels stay as they are.

    factors : tensor of shape (b,)
        From 0, grey, on; 1 changes nothing: see :func:`draw_color_jitter`.

    Returns
    -------
    views : tensor of shape (b, C, H, W)
        Floats in [0, 1].

    Raises
    ------
    ValueError
        If an argument has another shape or lies on another device.

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
    """Do what :func:`adjust_saturation` does in place."""
    if images.shape[1] == 3:
        grey = _to_grey(images)
        torch.lerp(grey, images, factors.view(-1, 1, 1, 1), out=images).clamp_(0.0, 1.0)


def adjust_hue(images: Tensor, turns: Tensor) -> Tensor:
    """Turn the hue of each RGB image by its own share of the colour circle.

    The highest and the lowest channel of a pixel keep their values.

    Parameters
    ----------
    images : tensor of shape (b, C, H, W)
        Floats in [0, 1]. Those of other than three channels stay as they are.

    turns : tensor of shape (b,)
        In [-0.5, 0.5]; 0 changes nothing: see :func:`draw_color_jitter`.

    Returns
    -------
    views : tensor of shape (b, C, H, W)
        Floats in [0, 1].

    Raises
    ------
    ValueError
        If an argument has another shape or lies on another device.

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
    """Do what :func:`adjust_hue` does in place."""
    if images.shape[1] != 3:
        return
    red, green, blue = images.unbind(1)
    high, low = torch.maximum(green, blue), torch.minimum(green, blue)
    lowest = torch.minimum(red, low)
    chroma = torch.maximum(red, high).sub_(lowest).clamp_min_(1e-12)
    # The angle to red on the colour hexagon, in sixths, without branches: it grows by two until
    # red is no more the highest nor the middle one, then by how far red is the lowest.
    angle = high.sub_(red).add_(low.sub_(red).clamp_min_(0.0))
    angle.div_(chroma).add_(1.0).copysign_(green - blue)
    # A channel is highest within a sixth of its own angle, and lowest beyond two.
    offsets = torch.stack([turns, turns - 1 / 3, turns + 1 / 3], dim=1)
    offsets = 6.0 * (offsets - offsets.round())[:, :, None, None]
    levels = torch.add(angle[:, None], offsets, out=images)
    levels.abs_().sub_(3.0).abs_().clamp_(1.0, 2.0)  # one more than the level, in [0, 1]
    torch.addcmul(lowest.sub_(chroma)[:, None], levels, chroma[:, None], out=images)


def to_grayscale(images: Tensor, chosen: Tensor) -> Tensor:
    """Turn the chosen RGB images to grey, in all three channels.

    Parameters
    ----------
    images : tensor of shape (b, C, H, W)
        Floats in [0, 1]. Those of other than three channels stay as they are.

    chosen : bool tensor of shape (b,)
        The images that become grey: see :func:`draw_choices`.

    Returns
    -------
    views : tensor of shape (b, C, H, W)

    Raises
    ------
    ValueError
        If an argument has another shape or lies on another device.

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
    """Do what :func:`to_grayscale` does in place."""
    if images.shape[1] == 3:
        images.lerp_(_to_grey(images), chosen.view(-1, 1, 1, 1).float())


def _to_grey(images: Tensor) -> Tensor:
    """Weigh RGB images (b, 3, H, W) to their luma (b, 1, H, W)."""
    red, green, blue = _GREY_WEIGHTS
    grey = (images[:, :1] * red).add_(images[:, 1:2], alpha=green)
    return grey.add_(images[:, 2:], alpha=blue)


def _changed(change_: Callable[..., None], images: Tensor, **numbers: Any) -> Tensor:
    """Check the arguments of an operation, and do it in a copy of the images."""
    function = change_.__name__.removesuffix("_")
    check_images(function, images)
    check_per_image(function, images, **numbers)
    views = images.clone()
    change_(views, *numbers.values())
    return views
