"""Blur with a separate Gaussian for each image."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from sklssl.augmentation._checks import check_images, check_per_image
from sklssl.augmentation._numbers import draw_uniform
from sklssl.utils._whole import is_whole

__all__ = ["draw_sigmas", "gaussian_blur"]

_LEAST_SIGMA = 0.01  # whose neighbours have a weight of 0 in float32


def draw_sigmas(n_images: int, rng: torch.Generator) -> Tensor:
    """Draw standard deviations for blurring, as in SimCLR.

    Parameters
    ----------
    n_images : int
        Number of images.

    rng : torch.Generator
        A generator on the device of the images.

    Returns
    -------
    sigmas : tensor of shape (n_images,)
        Standard deviations in [0.1, 2] pixels.

    Examples
    --------
    >>> import torch
    >>> from sklssl.augmentation import draw_sigmas
    >>> draw_sigmas(2, torch.Generator().manual_seed(0))
    tensor([1.0429, 1.5596])
    """
    return draw_uniform((n_images,), 0.1, 2.0, rng)


def gaussian_blur(images: Tensor, sigmas: Tensor, kernel_size: int) -> Tensor:
    """Blur each image with a separate Gaussian; the edges are mirrored.

    Parameters
    ----------
    images : tensor of shape (b, C, H, W)
        Floats in [0, 1].

    sigmas : tensor of shape (b,)
        Standard deviations in pixels, 0 for no blur: see :func:`draw_sigmas`.

    kernel_size : int
        The side of the averaging window: odd, and less than twice the sides of the images. In
        SimCLR it is a tenth of the side of the images.

    Returns
    -------
    views : tensor of shape (b, C, H, W)
        Floats in [0, 1].

    Raises
    ------
    ValueError
        If an argument has the wrong shape or is on another device, or the window is too large.

    Examples
    --------
    >>> import torch
    >>> from sklssl.augmentation import gaussian_blur
    >>> dot = torch.zeros(1, 1, 1, 5)
    >>> dot[..., 2] = 1
    >>> gaussian_blur(dot.expand(-1, -1, 3, -1), torch.tensor([1.0]), 3)[0, 0, 1]
    tensor([0.0000, 0.2741, 0.4519, 0.2741, 0.0000])
    """
    check_images("gaussian_blur", images)
    check_per_image("gaussian_blur", images, sigmas=sigmas)
    n_images, channels, height, width = images.shape
    most = 2 * min(height, width) - 1
    if not is_whole(kernel_size, 1, most) or kernel_size % 2 == 0:
        raise ValueError(
            f"gaussian_blur: kernel_size must be odd and less than twice the sides of the images "
            f"of {height}x{width} pixels. Got {kernel_size!r}. For a tenth of the side, use "
            "2 * (side // 20) + 1."
        )
    reach = kernel_size // 2
    offsets = torch.arange(-reach, reach + 1, device=images.device)
    kernels = (-0.5 * (offsets / sigmas[:, None].clamp_min(_LEAST_SIGMA)) ** 2).softmax(dim=1)
    kernels = kernels.repeat_interleave(channels, dim=0)[:, None].to(images.dtype)
    # One image with one group per plane: each plane is convolved with a separate kernel.
    planes = images.reshape(1, n_images * channels, height, width)
    planes = F.pad(planes, (reach, reach, reach, reach), mode="reflect")
    planes = F.conv2d(planes, kernels[:, :, :, None], groups=len(kernels))
    planes = F.conv2d(planes, kernels[:, :, None, :], groups=len(kernels))
    return planes.view(images.shape).clamp_(0.0, 1.0)
