"""Random views: batched, each image with numbers of its own, from an explicit generator.

The functions `draw_*` draw the numbers, small tensors on the device of the generator; the others
are deterministic. No constant is copied to the device, for which a GPU would have to wait. Images
are (b, C, H, W) floats in [0, 1]. Each operation gives what the one of
torchvision gives image by image.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "RandomViews",
    "adjust_brightness_",
    "adjust_contrast_",
    "adjust_hue_",
    "adjust_saturation_",
    "blur",
    "crop",
    "draw_choices",
    "draw_crops",
    "draw_jitter",
    "draw_shifts",
    "draw_sigmas",
    "shift",
    "to_grey_",
]

_GREY_WEIGHTS = (0.2989, 0.587, 0.114)
_MIN_BLURRED_SIDE = 64


@dataclass(frozen=True)
class RandomViews:
    """Random views as SimCLR draws them; called once, it gives one view of each image.

    Each image draws its own numbers. Half of a batch of images of at least 64x64 pixels is blurred
    too.

    Parameters
    ----------
    crop_scale : tuple of (float, float), default=(0.2, 1.0)
        Range of the share of the image that is cropped and resized to the whole. It is uniform in
        this range. torchvision also draws boxes that do not fit, and refuses them, so that large
        ones are rarer there: a mean share of about 0.55 with the default, and 0.60 here.

    horizontal_flip : bool, default=True
        Whether one in two images is mirrored.

    jitter : float, default=0.5
        Strength of the color distortions in [0, 1], which four in five images get. One in five
        becomes grey. 0 leaves all colors as they are. Images of other than three channels only
        change in brightness and, each channel by itself, in contrast.

    Raises
    ------
    ValueError
        If `crop_scale` is no part of (0, 1], or `jitter` is out of range.

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
    """

    crop_scale: tuple[float, float] = (0.2, 1.0)
    horizontal_flip: bool = True
    jitter: float = 0.5

    def __post_init__(self) -> None:
        ends = tuple(self.crop_scale)
        numbers = len(ends) == 2 and all(isinstance(end, Real) for end in ends)
        if not numbers or not 0 < ends[0] <= ends[1] <= 1:
            raise ValueError(
                "crop_scale must be two numbers (low, high) with 0 < low <= high <= 1. Got "
                f"{self.crop_scale!r}."
            )
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"jitter must be in [0, 1]. Got {self.jitter!r}.")

    def __call__(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """Draw a view of each image.

        Parameters
        ----------
        images : tensor of shape (b, C, H, W)
            Floats in [0, 1].
        rng : torch.Generator
            On the device of `images`.

        Returns
        -------
        views : tensor of shape (b, C, H, W)
            Floats in [0, 1], in channels-last layout.
        """
        n_images, height, width = len(images), *images.shape[2:]
        boxes = draw_crops(n_images, (height, width), self.crop_scale, rng)
        flipped = draw_choices(n_images, 0.5 if self.horizontal_flip else 0.0, rng)
        views = crop(images, boxes, flipped)
        if self.jitter:
            brightness, contrast, saturation, hue = draw_jitter(n_images, self.jitter, rng)
            adjust_brightness_(views, brightness)
            adjust_contrast_(views, contrast)
            adjust_saturation_(views, saturation)
            adjust_hue_(views, hue)
            grey = draw_choices(n_images, 0.2, rng)
            to_grey_(views, grey)
        if min(height, width) >= _MIN_BLURRED_SIDE:
            half = torch.randperm(n_images, generator=rng, device=rng.device)[: (n_images + 1) // 2]
            kernel_size = 2 * (min(height, width) // 20) + 1
            views[half] = blur(views[half], draw_sigmas(len(half), rng), kernel_size)
        return views.contiguous(memory_format=torch.channels_last)


def draw_shifts(n_images: int, size: tuple[int, int], share: float, rng: torch.Generator) -> Tensor:
    """Draw whole-pixel shifts of at most `share` of the height and the width.

    Returns
    -------
    shifts : tensor of shape (n_images, 2)
        Pixels down and to the right; on the device of `rng`.
    """
    drawn = [
        torch.randint(-limit, limit + 1, (n_images,), generator=rng, device=rng.device)
        for limit in (int(share * side) for side in size)
    ]
    return torch.stack(drawn, dim=1)


def shift(images: Tensor, shifts: Tensor) -> Tensor:
    """Shift each image (b, C, H, W) by its own (b, 2) whole pixels; the edge is repeated."""
    height, width = images.shape[2:]
    down, right = shifts[:, :1], shifts[:, 1:]
    rows = (torch.arange(height, device=images.device) - down).clamp(0, height - 1)
    columns = (torch.arange(width, device=images.device) - right).clamp(0, width - 1)
    batch = torch.arange(len(images), device=images.device)
    # Indexed with the channels last, as they lie in memory.
    pixels = images.permute(0, 2, 3, 1)
    shifted = pixels[batch[:, None, None], rows[:, :, None], columns[:, None, :]]
    return shifted.permute(0, 3, 1, 2)


def draw_choices(n_images: int, share: float, rng: torch.Generator) -> Tensor:
    """Choose each image with probability `share`: a bool tensor of shape (n_images,)."""
    return _uniform((n_images,), 0.0, 1.0, rng) < share


def draw_crops(
    n_images: int, size: tuple[int, int], scale: tuple[float, float], rng: torch.Generator
) -> Tensor:
    """Draw boxes inside images of `size`, anywhere, with an area share uniform in `scale`.

    The aspect ratio is log-uniform in [3/4, 4/3], as far as a box of that area fits: none has to
    be drawn again. torchvision's RandomResizedCrop draws area and ratio without regard to each
    other, and again where the box does not fit, which refuses large boxes more often than small
    ones: for areas in (0.2, 1) of square images the mean area is about 0.55 there, and 0.60 here.

    Returns
    -------
    boxes : tensor of shape (n_images, 4)
        Top, left, height and width in pixels, not rounded.
    """
    height, width = size
    share = _uniform((n_images,), *scale, rng)
    # The widest box of an area is as wide as the image, the narrowest as high.
    narrowest, widest = share * width / height, width / (share * height)
    low, high = (narrowest.clamp_min(bound).minimum(widest).log() for bound in (3 / 4, 4 / 3))
    ratio = torch.exp(low + _uniform((n_images,), 0.0, 1.0, rng) * (high - low))
    area = share * (height * width)
    sides = torch.stack([(area / ratio).sqrt(), (area * ratio).sqrt()], dim=1)
    room = torch.stack([height - sides[:, 0], width - sides[:, 1]], dim=1).clamp_min(0.0)
    return torch.cat([_uniform((n_images, 2), 0.0, 1.0, rng) * room, sides], dim=1)


def crop(images: Tensor, boxes: Tensor, flipped: Tensor) -> Tensor:
    """Resize the box of each image to the size of the image, bilinearly, and mirror some.

    Parameters
    ----------
    images : tensor of shape (b, C, H, W)
    boxes : tensor of shape (b, 4)
        Top, left, height and width in pixels. Nothing outside of a box is seen.
    flipped : bool tensor of shape (b,)
        The images whose columns are reversed.
    """
    n_images, channels, height, width = images.shape
    top, left, box_height, box_width = boxes.split(1, dim=1)
    rows = top + _resized_pixels(height, box_height)
    columns = left + _resized_pixels(width, box_width)
    columns = torch.where(flipped[:, None], columns.flip(1), columns)
    # As two products for each image, first with the channels last, as images lie in memory, then in
    # planes: faster than to look up pixels, up to a side of about 96.
    crops = torch.bmm(_weights(rows, height), images.permute(0, 2, 3, 1).flatten(2))
    planes = crops.view(n_images, height, width, channels).permute(0, 3, 1, 2).flatten(1, 2)
    crops = torch.bmm(planes, _weights(columns, width).mT)
    return crops.view(n_images, channels, height, width)


def _resized_pixels(n_pixels: int, sides: Tensor) -> Tensor:
    """Where `n_pixels` resized ones lie among those of each side (b, 1), first to last centre."""
    centres = (torch.arange(n_pixels, device=sides.device) + 0.5) / n_pixels
    return (centres * sides - 0.5).clamp_min(0.0).minimum((sides - 1.0).clamp_min(0.0))


def _weights(positions: Tensor, n_pixels: int) -> Tensor:
    """Weigh `n_pixels` for reading at fractional positions (b, m) between them: (b, m, n)."""
    pixels = torch.arange(n_pixels, device=positions.device)
    return (positions[:, :, None] - pixels).abs_().neg_().add_(1.0).clamp_min_(0.0)


def draw_jitter(n_images: int, strength: float, rng: torch.Generator) -> tuple[Tensor, ...]:
    """Draw colour distortions for four in five images, and ones without effect for the others.

    Returns
    -------
    brightness, contrast, saturation, hue : tensors of shape (n_images,)
        Factors in [1 - 0.8 strength, 1 + 0.8 strength], not under 0, and the hue in turns in
        [-0.2 strength, 0.2 strength].
    """
    moved = _uniform((4, n_images), -strength, strength, rng) * draw_choices(n_images, 0.8, rng)
    return *(1.0 + 0.8 * moved[:3]).clamp_min(0.0).unbind(0), 0.2 * moved[3]


def adjust_brightness_(images: Tensor, factors: Tensor) -> None:
    """Multiply each image (b, C, H, W) by its own factor (b,), in place."""
    images.mul_(factors.view(-1, 1, 1, 1)).clamp_(0.0, 1.0)


def adjust_contrast_(images: Tensor, factors: Tensor) -> None:
    """Move the pixels of each image away from its mean grey by its own factor (b,), in place.

    Images of other than three channels have a mean in every channel, for their channels may be of
    different units.
    """
    factors = factors.view(-1, 1, 1, 1)
    mean = images.mean(dim=(2, 3), keepdim=True)
    if images.shape[1] == 3:
        mean = _to_grey(mean)
    images.mul_(factors).add_(mean.mul_(1.0 - factors)).clamp_(0.0, 1.0)


def adjust_saturation_(images: Tensor, factors: Tensor) -> None:
    """Move the pixels of each RGB image away from their grey by its own factor (b,), in place.

    Images of other than three channels stay as they are.
    """
    if images.shape[1] == 3:
        grey = _to_grey(images)
        torch.lerp(grey, images, factors.view(-1, 1, 1, 1), out=images).clamp_(0.0, 1.0)


def to_grey_(images: Tensor, chosen: Tensor) -> None:
    """Turn the chosen (b,) RGB images to grey, in place; other channels stay as they are."""
    if images.shape[1] == 3:
        images.lerp_(_to_grey(images), chosen.view(-1, 1, 1, 1).float())


def _to_grey(images: Tensor) -> Tensor:
    """Weigh RGB images (b, 3, H, W) to their luma (b, 1, H, W)."""
    red, green, blue = _GREY_WEIGHTS
    grey = (images[:, :1] * red).add_(images[:, 1:2], alpha=green)
    return grey.add_(images[:, 2:], alpha=blue)


def adjust_hue_(images: Tensor, turns: Tensor) -> None:
    """Turn the hue of each RGB image by its own share of the colour circle (b,), in place.

    The highest and the lowest channel of a pixel keep their values. Images of other than three
    channels stay as they are.
    """
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


def draw_sigmas(n_images: int, rng: torch.Generator) -> Tensor:
    """Draw standard deviations of blurs (n_images,), in [0.1, 2] pixels."""
    return _uniform((n_images,), 0.1, 2.0, rng)


def blur(images: Tensor, sigmas: Tensor, kernel_size: int) -> Tensor:
    """Blur each image (b, C, H, W) with a Gaussian of its own sigma (b,); the edge is mirrored."""
    n_images, channels, height, width = images.shape
    reach = kernel_size // 2
    offsets = torch.arange(-reach, reach + 1, device=images.device)
    kernels = (-0.5 * (offsets / sigmas[:, None]) ** 2).softmax(dim=1)
    kernels = kernels.repeat_interleave(channels, dim=0)[:, None]
    # One image with a group for each plane: every plane is convolved with a kernel of its own.
    planes = images.reshape(1, n_images * channels, height, width)
    planes = F.pad(planes, (reach, reach, reach, reach), mode="reflect")
    planes = F.conv2d(planes, kernels[:, :, :, None], groups=len(kernels))
    planes = F.conv2d(planes, kernels[:, :, None, :], groups=len(kernels))
    return planes.view(images.shape).clamp_(0.0, 1.0)


def _uniform(shape: tuple[int, ...], low: float, high: float, rng: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=rng, device=rng.device)
