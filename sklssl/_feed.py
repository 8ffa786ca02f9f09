"""The one way of images from numpy to a network."""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sklssl._memory import kept_memory
from sklssl.utils._memmaps import release

__all__ = [
    "MIN_SIDE",
    "ImageFeed",
    "MapFeed",
    "bring",
    "count_batches",
    "embed_blocks",
    "embed_in_batches",
    "image_statistics",
    "reside",
    "resize",
    "slices",
]

# Smaller images are padded to this side: under it the later stages have no extent.
MIN_SIDE = 8

# Of a GPU's free memory, what images may take: the rest is for the network.
_RESIDENT_SHARE = 0.4
_PIECE_BYTES = 2**26
# Pixels and images embedded at once: a processor wants them in its cache, and should not fill up a
# few small images to many; a GPU wants many.
_BLOCKS = {"cpu": (2**15, 32), "cuda": (2**22, 4096)}
_RELEASE_EVERY = 64  # blocks
# Of a range of values: twice it, and its inverse, are numbers of float32.
_WIDEST = 1e37


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

    def __call__(self, images: Tensor) -> Tensor:
        """Turn (b, H, W, C) images into (b, C, h, w) floats in [0, 1], in channels-last layout."""
        low, high = self.value_range
        # (b, H, W, C) in memory is what torch calls (b, C, H, W) in channels-last: nothing moves.
        x = images.to(self.device, non_blocking=True).permute(0, 3, 1, 2)
        x = (x - low if low else x) / ((high - low) or 1.0)
        missing = max(MIN_SIDE - x.shape[3], 0), max(MIN_SIDE - x.shape[2], 0)
        if any(missing):
            x = F.pad(x, (0, missing[0], 0, missing[1]))
        if x.shape[2:] != self.size:
            x = resize(x, self.size)
        return x.contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class MapFeed:
    """Brings maps that were computed before to the device.

    Parameters
    ----------
    device : torch.device
    """

    device: torch.device

    def __call__(self, maps: Tensor) -> Tensor:
        """Give maps (b, D, h, w) in channels-last layout."""
        maps = maps.to(self.device, non_blocking=True)
        return maps.contiguous(memory_format=torch.channels_last)


def bring(images: Any, parts: Iterable[Any], feed: Any) -> Iterator[Tensor]:
    """Yield what `feed` makes of each of the `parts` (slices or row numbers) of `images`.

    Parameters
    ----------
    images : array-like of shape (n, ...)
        In memory, in a file, or on the device: see :func:`reside`.
    parts : iterable of slice or ndarray of int
    feed : ImageFeed or MapFeed
    """
    gpu = feed.device.type == "cuda"

    def load(part: Any) -> Tensor:
        if isinstance(images, Tensor):
            return images[part]
        # Copied only when it must be; torch warns of arrays that it could not write to.
        batch = torch.from_numpy(np.require(images[part], requirements=["C", "W"]))
        return batch.pin_memory() if gpu else batch

    # A thread gains nothing where the network computes on the processor itself.
    ahead = gpu and not isinstance(images, Tensor)
    return map(feed, (_load_ahead if ahead else map)(load, parts))


def _load_ahead(load: Callable[[Any], Tensor], parts: Iterable[Any]) -> Iterator[Tensor]:
    """Yield ``load(part)`` of all parts, always two of them being loaded meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        parts = iter(parts)
        under_way = deque(pool.submit(load, part) for part in itertools.islice(parts, 2))
        while under_way:
            loaded = under_way.popleft().result()
            under_way.extend(pool.submit(load, part) for part in itertools.islice(parts, 1))
            yield loaded


def reside(images: Any, device: torch.device) -> Any:
    """Copy `images` to a GPU that has room for them; elsewhere they stay what they are."""
    if device.type != "cuda":
        return images
    n_bytes = math.prod(images.shape) * images.dtype.itemsize
    if n_bytes > _RESIDENT_SHARE * torch.cuda.mem_get_info(device)[0]:
        return images
    dtype = torch.from_numpy(np.empty(0, images.dtype)).dtype
    resident = torch.empty(images.shape, dtype=dtype, device=device)
    rows = slices(len(images), max(1, _PIECE_BYTES * len(images) // n_bytes))
    for part in rows:  # piece by piece: they may lie in a file
        resident[part] = torch.from_numpy(np.require(images[part], requirements=["C", "W"]))
    return resident


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

    Raises
    ------
    ValueError
        If the range is one that float32 does not hold.
    """
    if images.dtype == np.uint8:
        low, high = 0.0, 255.0
    else:
        low, high = float(images.min()), float(images.max())
    if high - low > _WIDEST or 0 < high - low < 1 / _WIDEST:
        raise ValueError(
            f"X holds images with values from {low:g} to {high:g}, a range that float32 cannot "
            "compute with. Bring X to a range such as 0 to 1."
        )
    total = np.zeros((2, images.shape[3]))
    chunk = max(1, 2**22 // math.prod(images.shape[1:]))  # bounded memory, whatever n
    for part in slices(len(images), chunk):
        total += _sums(images[part].reshape(-1, images.shape[3]), low, (high - low) or 1.0)
    mean, square = total / math.prod(images.shape[:3])
    scale = np.sqrt(np.maximum(square - mean**2, 0.0))
    scale[scale < 1e-6] = 1.0
    return (low, high), torch.from_numpy(mean).float(), torch.from_numpy(scale).float()


def _sums(values: np.ndarray, low: float, span: float) -> np.ndarray:
    """Sum the numbers (n, C) that `values` become, and their squares: (2, C)."""
    if values.dtype == np.uint8:  # to count each of 256 values is ten times faster
        levels = (np.arange(256) - low) / span
        counts = np.stack([np.bincount(channel, minlength=256) for channel in values.T])
        return np.stack([counts @ levels, counts @ levels**2])
    unit = (values.astype(np.float64) - low) / span
    return np.stack([unit.sum(axis=0), (unit**2).sum(axis=0)])


def count_batches(n_images: int, batch_size: int) -> int:
    """Count the batches of at most `batch_size`, none of one image: batch-norm refuses that."""
    return max(1, min(math.ceil(n_images / batch_size), n_images // 2))


def embed_blocks(
    images: Any, feed: Any, encode: Callable[[Tensor], Tensor]
) -> Iterator[np.ndarray]:
    """Encode checked images (n, H, W, C), yielding float32 features (b, d) of block after block.

    Every block has the same size, the last one filled up: kernels chosen by the batch size would
    change the last digits of a row with the number of its neighbours.
    """
    pixels, most = _BLOCKS.get(feed.device.type, _BLOCKS["cpu"])
    size = min(max(pixels // math.prod(feed.size), 8), most)
    parts, n_pieces = slices(len(images), size), 1
    for i, block in enumerate(bring(images, parts, feed)):
        n_images = len(block)
        if n_images < size:
            block = F.pad(block, (0, 0, 0, 0, 0, 0, 0, size - n_images))
        features, n_pieces = _encode_in_pieces(block, encode, n_pieces)
        yield features.cpu().numpy()[:n_images]
        if i % _RELEASE_EVERY == 0:
            release(images)


def _encode_in_pieces(
    block: Tensor, encode: Callable[[Tensor], Tensor], n_pieces: int
) -> tuple[Tensor, int]:
    """Encode a block, in halves and halves again where the memory of a GPU does not hold it."""
    while True:
        try:
            features = [encode(piece).float() for piece in block.chunk(n_pieces)]
            return torch.cat(features) if n_pieces > 1 else features[0], n_pieces
        except torch.OutOfMemoryError:
            if n_pieces >= len(block):
                raise
        n_pieces *= 2


def embed_in_batches(
    images: Any, feed: Any, encode: Callable[[Tensor], Tensor], n_features: int
) -> np.ndarray:
    """Encode checked images (n, H, W, C) to one array of float32 features (n, n_features)."""
    out = np.empty((len(images), n_features), dtype=np.float32)
    start = 0
    with kept_memory(feed.device):
        for block in embed_blocks(images, feed, encode):
            out[start : start + len(block)] = block
            start += len(block)
    return out


def slices(n_rows: int, size: int) -> list[slice]:
    """Cut so many rows into slices of `size`."""
    return [slice(start, start + size) for start in range(0, n_rows, size)]
