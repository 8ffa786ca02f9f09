"""The one way of images from numpy to a network."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "MIN_SIDE",
    "ImageFeed",
    "autocast",
    "count_batches",
    "embed_in_batches",
    "forked_rng",
    "image_statistics",
    "resize",
    "resolve_device",
]

# Smaller images are padded to this side: under it the later stages have no extent.
MIN_SIDE = 8


@dataclass(frozen=True)
class ImageFeed:
    """Turns checked numpy images into what networks take.

    Parameters
    ----------
    device : torch.device
    value_range : (float, float)
        The values that become 0 and 1.
    size : (int, int)
        Height and width that the network sees.
    """

    device: torch.device
    value_range: tuple[float, float]
    size: tuple[int, int]

    def __call__(self, images: np.ndarray) -> Tensor:
        """Turn (b, H, W, C) images into (b, C, h, w) floats in [0, 1], in channels-last layout."""
        low, high = self.value_range
        # Copied only when it must be; torch warns of arrays that it could not write to.
        images = np.require(images, requirements=["C", "W"])
        x = torch.from_numpy(images).to(self.device, non_blocking=True)
        # (b, H, W, C) in memory is what torch calls (b, C, H, W) in channels-last: nothing moves.
        x = x.permute(0, 3, 1, 2).float().sub(low).div_((high - low) or 1.0)
        missing = max(MIN_SIDE - x.shape[3], 0), max(MIN_SIDE - x.shape[2], 0)
        if any(missing):
            x = F.pad(x, (0, missing[0], 0, missing[1]))
        if x.shape[2:] != self.size:
            x = resize(x, self.size)
        return x.contiguous(memory_format=torch.channels_last)


def resize(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize images (b, C, H, W) to (height, width) `size`, bilinearly."""
    # Bilinear reads the four nearest pixels: shrinking by more than 2 would skip some.
    antialias = 2 * size[0] < images.shape[2] or 2 * size[1] < images.shape[3]
    return F.interpolate(images, size, mode="bilinear", antialias=antialias)


def image_statistics(
    images: np.ndarray,
) -> tuple[tuple[float, float], Tensor, Tensor]:
    """Learn the range of (n, H, W, C) images, and their mean and scale (C,) within it.

    uint8 has a range by itself; other images have that of their values.
    """
    is_bytes = images.dtype == np.uint8
    low, high = (0.0, 255.0) if is_bytes else (float(images.min()), float(images.max()))
    total = np.zeros((2, images.shape[3]))
    chunk = max(1, 2**22 // math.prod(images.shape[1:]))  # bounded memory, whatever n
    for start in range(0, len(images), chunk):
        values = images[start : start + chunk].reshape(-1, images.shape[3])
        values = (values.astype(np.float64) - low) / ((high - low) or 1.0)
        total += values.sum(axis=0), (values**2).sum(axis=0)
    mean, square = total / (images.size / images.shape[3])
    scale = np.sqrt(np.maximum(square - mean**2, 0.0))
    scale[scale < 1e-6] = 1.0
    return (low, high), torch.from_numpy(mean).float(), torch.from_numpy(scale).float()


def count_batches(n_images: int, batch_size: int) -> int:
    """Count the batches of at most `batch_size`, none of one image: batch-norm refuses that."""
    return max(1, min(math.ceil(n_images / batch_size), n_images // 2))


def embed_in_batches(
    images: np.ndarray, feed: ImageFeed, encode: Callable[[Tensor], Tensor], n_features: int
) -> np.ndarray:
    """Encode checked images (n, H, W, C) to float32 features (n, n_features).

    Every batch has the same size, the last one filled up: kernels chosen by the batch size would
    change the last digits of a row with the number of its neighbours.
    """
    out = np.empty((len(images), n_features), dtype=np.float32)
    size = min(max(2**17 // math.prod(feed.size), 8), 256)  # about a fixed number of pixels
    buffer = np.zeros((size, *images.shape[1:]), dtype=images.dtype)
    for start in range(0, len(images), size):
        part = images[start : start + size]
        buffer[: len(part)] = part
        out[start : start + size] = encode(feed(buffer)).float().cpu().numpy()[: len(part)]
    return out


def resolve_device(device: str | torch.device, *, owner: object) -> torch.device:
    """Find the torch device, and say which class asked for one that is not there."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
        torch.empty(0, device=resolved)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(
            f"The 'device' parameter of {type(owner).__name__} must be 'auto' or a device of "
            f"torch that this machine has, such as 'cpu'. Got {device!r}: {error}"
        ) from error
    return resolved


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager[Any]:
    """Compute in bfloat16 where that is safe, or as written."""
    if precision == "bfloat16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()


@contextlib.contextmanager
def forked_rng(device: torch.device, seed: int) -> Iterator[None]:
    """Seed torch's global generators for the block and put back what they were."""
    cuda = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if cuda else []):
        torch.default_generator.manual_seed(seed)
        if cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
