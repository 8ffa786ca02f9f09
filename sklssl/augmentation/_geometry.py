"""Geometric operations: crops, flips and shifts."""

from __future__ import annotations

import torch
from torch import Tensor

from sklssl.augmentation._checks import (
    check_images,
    check_per_image,
    check_range,
    check_share,
    check_size,
)
from sklssl.augmentation._numbers import draw_integers, draw_uniform

__all__ = [
    "draw_choices",
    "draw_crops",
    "draw_shifts",
    "horizontal_flip",
    "resized_crop",
    "shift",
]


_LEAST_SIDE = 1e-3  # of boxes, in pixels: they cover something


def draw_choices(n_images: int, share: float, rng: torch.Generator) -> Tensor:
    """Choose each image with a given probability.

    Parameters
    ----------
    n_images : int
        Number of images.

    share : float
        The probability in [0, 1].

    rng : torch.Generator
        A generator on the device of the images.

    Returns
    -------
    chosen : bool tensor of shape (n_images,)

    Raises
    ------
    ValueError
        If `share` is not in [0, 1].

    Examples
    --------
    >>> import torch
    >>> from sklssl.augmentation import draw_choices
    >>> draw_choices(4, 0.5, torch.Generator().manual_seed(0))
    tensor([ True, False,  True,  True])
    """
    check_share("draw_choices: share", share, "0.5 chooses half of the images on average.")
    return draw_uniform((n_images,), 0.0, 1.0, rng) < share


def horizontal_flip(images: Tensor, chosen: Tensor) -> Tensor:
    """Mirror the chosen images.

    Parameters
    ----------
    images : tensor of shape (b, C, H, W)
        Floats.

    chosen : bool tensor of shape (b,)
        The images to mirror: see :func:`draw_choices`.

    Returns
    -------
    views : tensor of shape (b, C, H, W)

    Raises
    ------
    ValueError
        If an argument has the wrong shape or dtype, or is on another device.

    Examples
    --------
    >>> import torch
    >>> from sklssl.augmentation import horizontal_flip
    >>> horizontal_flip(torch.tensor([[[[0.0, 1.0]]]]), torch.tensor([True]))
    tensor([[[[1., 0.]]]])
    """
    check_images("horizontal_flip", images)
    check_per_image("horizontal_flip", images, kind="bools", chosen=chosen)
    return torch.where(chosen.view(-1, 1, 1, 1), images.flip(3), images)


def draw_shifts(n_images: int, size: tuple[int, int], share: float, rng: torch.Generator) -> Tensor:
    """Draw shifts by whole pixels.

    Parameters
    ----------
    n_images : int
        Number of images.

    size : tuple of (int, int)
        Height and width of the images in pixels.

    share : float
        The largest shift as a fraction of the height and of the width, in [0, 1].

    rng : torch.Generator
        A generator on the device of the images.

    Returns
    -------
    shifts : tensor of shape (n_images, 2), int64
        Number of pixels down and to the right.

    Raises
    ------
    ValueError
        If `size` or `share` is out of range.

    Examples
    --------
    >>> import torch
    >>> from sklssl.augmentation import draw_shifts
    >>> draw_shifts(3, (32, 32), 0.125, torch.Generator().manual_seed(0)).shape
    torch.Size([3, 2])
    """
    check_share("draw_shifts: share", share, "0.125 shifts by up to an eighth of the sides.")
    drawn = [
        draw_integers((n_images,), -limit, limit + 1, rng)
        for limit in (int(share * side) for side in check_size("draw_shifts: size", size))
    ]
    return torch.stack(drawn, dim=1)


def shift(images: Tensor, shifts: Tensor) -> Tensor:
    """Shift each image separately by whole pixels; the edges are repeated.

    Parameters
    ----------
    images : tensor of shape (b, C, H, W)
        Floats.

    shifts : int tensor of shape (b, 2)
        Number of pixels down and to the right: see :func:`draw_shifts`.

    Returns
    -------
    views : tensor of shape (b, C, H, W)

    Raises
    ------
    ValueError
        If an argument has the wrong shape or dtype, or is on another device.

    Examples
    --------
    >>> import torch
    >>> from sklssl.augmentation import shift
    >>> shift(torch.tensor([[[[1.0, 2.0, 3.0]]]]), torch.tensor([[0, 1]]))
    tensor([[[[1., 1., 2.]]]])
    """
    check_images("shift", images)
    check_per_image("shift", images, (2,), "integers", shifts=shifts)
    height, width = images.shape[2:]
    down, right = shifts[:, :1], shifts[:, 1:]
    rows = (torch.arange(height, device=images.device) - down).clamp(0, height - 1)
    columns = (torch.arange(width, device=images.device) - right).clamp(0, width - 1)
    batch = torch.arange(len(images), device=images.device)
    # Indexed with channels last, which is their order in memory.
    pixels = images.permute(0, 2, 3, 1)
    shifted = pixels[batch[:, None, None], rows[:, :, None], columns[:, None, :]]
    return shifted.permute(0, 3, 1, 2)


def draw_crops(
    n_images: int, size: tuple[int, int], scale: tuple[float, float], rng: torch.Generator
) -> Tensor:
    """Draw boxes anywhere inside images, whose fraction of the area is uniform in `scale`.

    The aspect ratio is log-uniform in the part of [3/4, 4/3] for which a box of this area fits, so
    no box has to be drawn again. torchvision's RandomResizedCrop draws area and ratio independently
    and repeats the draw if the box does not fit, which happens more often for large boxes: for
    areas in (0.2, 1) of square images, the mean area is about 0.55 there, and 0.60 here.

    Parameters
    ----------
    n_images : int
        Number of images.

    size : tuple of (int, int)
        Height and width of the images in pixels.

    scale : tuple of (float, float)
        Range of the area of a box as a fraction of the image, with 0 < low <= high <= 1.

    rng : torch.Generator
        A generator on the device of the images.

    Returns
    -------
    boxes : tensor of shape (n_images, 4)
        Top, left, height and width in pixels, not rounded.

    Raises
    ------
    ValueError
        If `size` or `scale` is out of range.

    Examples
    --------
    >>> import torch
    >>> from sklssl.augmentation import draw_crops
    >>> boxes = draw_crops(2, (32, 32), (0.25, 0.25), torch.Generator().manual_seed(0))
    >>> boxes[:, 2] * boxes[:, 3]
    tensor([256.0000, 256.0000])
    """
    height, width = check_size("draw_crops: size", size)
    check_range("draw_crops: scale", scale)
    share = draw_uniform((n_images,), *scale, rng)
    # For a given area, the widest box is as wide as the image, the narrowest as high.
    narrowest, widest = share * width / height, width / (share * height)
    low, high = (narrowest.clamp_min(bound).minimum(widest).log() for bound in (3 / 4, 4 / 3))
    ratio = torch.exp(low + draw_uniform((n_images,), 0.0, 1.0, rng) * (high - low))
    area = share * (height * width)
    sides = torch.stack([(area / ratio).sqrt(), (area * ratio).sqrt()], dim=1)
    room = torch.stack([height - sides[:, 0], width - sides[:, 1]], dim=1).clamp_min(0.0)
    return torch.cat([draw_uniform((n_images, 2), 0.0, 1.0, rng) * room, sides], dim=1)


def resized_crop(
    images: Tensor,
    boxes: Tensor,
    flipped: Tensor | None = None,
    size: int | tuple[int, int] | None = None,
) -> Tensor:
    """Resize the box of each image to the same size, bilinearly, and mirror the chosen images.

    Parameters
    ----------
    images : tensor of shape (b, C, H, W)
        Floats.

    boxes : tensor of shape (b, 4)
        Top, left, height and width in pixels: see :func:`draw_crops`. Pixels outside the box have
        no influence. Of a box that extends beyond the image, only the part inside is used; if there
        is none, the nearest pixels are.

    flipped : bool tensor of shape (b,), default=None
        The images to mirror: see :func:`draw_choices`. None mirrors none.

    size : int or tuple of (int, int), default=None
        Height and width of the views in pixels, or one number for both. None means those of the
        images. Boxes that become smaller are averaged, as by torchvision's `antialias`.

    Returns
    -------
    views : tensor of shape (b, C, height, width)

    Raises
    ------
    ValueError
        If an argument has the wrong shape or dtype or is on another device, or `size` is out of
        range.

    Examples
    --------
    >>> import torch
    >>> from sklssl.augmentation import draw_crops, resized_crop
    >>> images, rng = torch.rand(2, 3, 32, 32), torch.Generator().manual_seed(0)
    >>> resized_crop(images, draw_crops(2, (32, 32), (0.05, 0.4), rng), size=16).shape
    torch.Size([2, 3, 16, 16])
    """
    check_images("resized_crop", images)
    check_per_image("resized_crop", images, (4,), boxes=boxes)
    n_images, channels, height, width = images.shape
    n_rows, n_columns = (height, width) if size is None else check_size("resized_crop: size", size)
    top, left, box_height, box_width = boxes.split(1, dim=1)
    down, right = _centres(n_rows, images), _centres(n_columns, images)
    if flipped is not None:
        check_per_image("resized_crop", images, kind="bools", flipped=flipped)
        right = torch.where(flipped[:, None], right.flip(0), right)
    rows = _weights(top, box_height, down, height).to(images.dtype)
    columns = _weights(left, box_width, right, width).to(images.dtype)
    # Two matrix products per image, first with channels last, which is their order in memory, then
    # by channel: faster than indexing pixels, up to a side of about 96.
    crops = torch.bmm(rows, images.permute(0, 2, 3, 1).flatten(2))
    planes = crops.view(n_images, n_rows, width, channels).permute(0, 3, 1, 2).flatten(1, 2)
    crops = torch.bmm(planes, columns.mT)
    return crops.view(n_images, channels, n_rows, n_columns)


def _centres(n_pixels: int, images: Tensor) -> Tensor:
    """Return the centres of `n_pixels` pixels in a span of length 1."""
    return (torch.arange(n_pixels, device=images.device) + 0.5) / n_pixels


def _weights(start: Tensor, sides: Tensor, centres: Tensor, n_pixels: int) -> Tensor:
    """Return the weights (b, m, n_pixels) of pixels for m resized pixels of a span per image.

    `start` and `sides` of the spans are (b, 1) pixels; `centres`, (m,) or (b, m), are fractions.
    """
    pixels = torch.arange(n_pixels, device=sides.device)
    n_out = centres.shape[-1]
    sides = (sides + start.clamp_max(0.0)).minimum(n_pixels - start).clamp_min(_LEAST_SIDE)
    start = start.clamp(0.0, n_pixels - 1.0)
    if n_out >= n_pixels:  # no span becomes smaller: interpolate between two pixels
        inside = (centres * sides - 0.5).clamp_min(0.0).minimum((sides - 1.0).clamp_min(0.0))
        positions = (start + inside).clamp_max(n_pixels - 1.0)
        return (positions[:, :, None] - pixels).abs_().neg_().add_(1.0).clamp_min_(0.0)
    positions, reach = start + centres * sides - 0.5, (sides / n_out).clamp_min(1.0)
    weights = (1.0 - (positions[:, :, None] - pixels).abs() / reach[:, :, None]).clamp_min(0.0)
    covered = (pixels + 1.0).minimum(start + sides) - start.maximum(pixels)  # by the span
    weights = weights * covered.clamp_min(0.0)[:, None]
    return weights / weights.sum(2, keepdim=True)
