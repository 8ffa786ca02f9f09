"""Argument checks of augmentation, which do not read values of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor

from sklssl.utils._whole import is_whole

__all__ = ["check_images", "check_per_image", "check_range", "check_share", "check_size"]


def check_images(function: str, images: Any) -> None:
    """Raise an error if `images` is not a batch of floats."""
    if isinstance(images, Tensor) and images.ndim == 4 and images.is_floating_point():
        return
    came = f"a {type(images).__name__}"
    if isinstance(images, Tensor):
        came = f"{str(images.dtype).removeprefix('torch.')} {tuple(images.shape)}"
    raise ValueError(
        f"{function}: images must be a tensor (b, C, H, W) of floats in [0, 1]. Got {came}. Use "
        "images[None] for one image, and images.float() / 255 for bytes."
    )


def check_per_image(
    function: str, images: Tensor, shape: tuple[int, ...] = (), kind: str = "", **numbers: Any
) -> None:
    """Raise an error if numbers are not tensors of `shape` per image, on the same device.

    The `kind` "bools" or "integers" is that of masks or indices.
    """
    expected, of = (len(images), *shape), f" of {kind}" if kind else ""
    for name, value in numbers.items():
        if not isinstance(value, Tensor):
            came = repr(value)
        elif tuple(value.shape) != expected:
            came = f"one of shape {tuple(value.shape)}"
        elif value.device != images.device:
            came = f"one on {value.device}"
        elif kind not in ("", _kind(value)):
            came = f"one of {value.dtype}"
        else:
            continue
        raise ValueError(
            f"{function}: {name} must be a tensor of shape {expected}{of} "
            f"on {images.device}, like the images. Got {came}. Draw it for len(images) images, on "
            "that device."
        )


def _kind(tensor: Tensor) -> str:
    """Return what a tensor holds."""
    if tensor.dtype == torch.bool:
        return "bools"
    return "floats" if tensor.is_floating_point() else "integers"


def check_range(what: str, ends: Any) -> None:
    """Raise an error if `ends` are not two numbers with 0 < low <= high <= 1."""
    pair = tuple(ends) if isinstance(ends, Sequence) or hasattr(ends, "shape") else ()
    numbers = len(pair) == 2 and all(isinstance(end, Real) for end in pair)
    if not numbers or not 0 < float(pair[0]) <= float(pair[1]) <= 1:
        raise ValueError(
            f"{what} must be two numbers (low, high) with 0 < low <= high <= 1. Got {ends!r}. "
            "Use (1.0, 1.0) for whole images."
        )


def check_share(what: str, value: Any, remedy: str) -> None:
    """Raise an error if `value` is not a number in [0, 1]."""
    if not isinstance(value, Real) or not 0 <= float(value) <= 1:
        raise ValueError(f"{what} must be a number in [0, 1]. Got {value!r}. {remedy}")


def check_size(what: str, size: Any) -> tuple[int, int]:
    """Return a size as (height, width); a single number means a square."""
    pair = (size, size) if isinstance(size, Integral) else size
    if isinstance(pair, Sequence) and len(pair) == 2:
        height, width = pair
        if is_whole(height) and is_whole(width):
            return int(height), int(width)
    raise ValueError(
        f"{what} must be an integer of at least 1, in pixels, or two of them (height, width). Got "
        f"{size!r}. The size of images is images.shape[2:]."
    )
