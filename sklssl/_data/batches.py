"""Move batches of images from NumPy arrays to the device of a network."""

from __future__ import annotations

import functools
import itertools
import math
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sklssl._data.memmaps import release
from sklssl._runtime.allocator import retain_freed_memory

__all__ = [
    "MIN_SIDE",
    "MapsToDevice",
    "ToTensor",
    "count_batches",
    "count_held",
    "embed_blocks",
    "embed_in_batches",
    "image_statistics",
    "iter_batches",
    "move_to_device_if_fits",
    "resize",
    "slices",
]

# Smaller images are enlarged to this side, because later layers would reduce them to nothing.
MIN_SIDE = 8

# Fraction of the free memory of a GPU to use for images; the rest is for the network.
_RESIDENT_SHARE = 0.4
_PIECE_BYTES = 2**26
# Number of pixels and images embedded at once, and of values of their largest feature map. On a CPU
# the pixels should fit in the cache, and a few small images should not be padded to many; a GPU
# needs many. Only of very wide networks do the feature maps matter.
_BLOCKS = {"cpu": (2**16, 64, 2**27), "cuda": (2**22, 4096, 2**30)}
# Blocks have at least this number of images, up to this number of pixels: photographs need much
# memory.
_LEAST_BLOCK, _LEAST_PIXELS = 8, 2**20
_RELEASE_EVERY = 64  # blocks
_HELD_VALUES = 2**27  # of a sample of images
# Channels in the same unit each cover at least this fraction of their common range.
_SAME_UNIT = 0.5
# A range is suspicious if it is this many times as wide as nearly all values (hot pixels and spots
# of light are closer), found from so many values; or if all but a few equal to its end are.
_FAR, _NEARLY_ALL, _SAMPLED, _FEW = 100, (0.001, 0.999), 2**20, 0.05
# Limits of a range of values: twice the range and its inverse must be valid in float32.
_WIDEST = 1e37


@dataclass(frozen=True)
class ToTensor:
    """Convert checked NumPy images to input tensors of networks.

    Parameters
    ----------
    device : torch.device
    value_range : (low, high)
        The values mapped to 0 and 1: two floats, or two arrays of shape (C,).
    size : (int, int)
        Height and width of the images passed to the network.
    """

    device: torch.device
    value_range: tuple[Any, Any]
    size: tuple[int, int]

    def __call__(self, images: Tensor) -> Tensor:
        """Convert images (b, H, W, C) to floats (b, C, h, w) in [0, 1], in channels-last layout."""
        low, span = self._low_and_span
        # No copy: (b, H, W, C) in memory is (b, C, H, W) in torch's channels-last layout.
        x = images.to(self.device, non_blocking=True).permute(0, 3, 1, 2)
        x = (x if isinstance(low, float) and low == 0.0 else x - low) / span
        if x.shape[2:] != self.size:
            x = resize(x, self.size)
        return x.contiguous(memory_format=torch.channels_last)

    @functools.cached_property
    def _low_and_span(self) -> tuple[Any, Any]:
        """Return the offset and the divisor; for several channels, as tensors on the device."""
        low, high = (np.asarray(end, dtype=np.float64) for end in self.value_range)
        span = np.where(high > low, high - low, 1.0)
        if low.ndim == 0:
            return float(low), float(span)
        ends = torch.from_numpy(np.stack([low, span])).float().to(self.device)
        return ends[0].view(-1, 1, 1), ends[1].view(-1, 1, 1)


@dataclass(frozen=True)
class MapsToDevice:
    """Move precomputed feature maps to the device.

    Parameters
    ----------
    device : torch.device
    """

    device: torch.device

    def __call__(self, maps: Tensor) -> Tensor:
        """Return feature maps (b, D, h, w) in channels-last layout."""
        maps = maps.to(self.device, non_blocking=True)
        return maps.contiguous(memory_format=torch.channels_last)


def iter_batches(
    images: Any, parts: Iterable[Any], to_tensor: ToTensor | MapsToDevice
) -> Iterator[Tensor]:
    """Yield the tensors of each of the `parts` (slices or row indices) of `images`.

    Parameters
    ----------
    images : array-like of shape (n, ...)
        Images in memory, in a file, or on the device; see :func:`move_to_device_if_fits`.
    parts : iterable of slice or ndarray of int
    to_tensor : ToTensor or MapsToDevice
    """
    gpu = to_tensor.device.type == "cuda"

    def load(part: Any) -> Tensor:
        if isinstance(images, Tensor):
            return images[part]
        batch = _as_tensor(images[part])
        return batch.pin_memory() if gpu else batch

    # On a CPU a thread for loading would not save time.
    ahead = gpu and not isinstance(images, Tensor)
    return map(to_tensor, (_load_ahead if ahead else map)(load, parts))


def _as_tensor(images: np.ndarray) -> Tensor:
    """Return an array as a tensor of a dtype supported by torch."""
    # torch hardly supports uint16.
    dtype = np.float32 if images.dtype == np.uint16 else images.dtype
    # Copied only if necessary: torch warns about read-only arrays.
    return torch.from_numpy(np.require(images, dtype, requirements=["C", "W"]))


def _load_ahead(load: Callable[[Any], Tensor], parts: Iterable[Any]) -> Iterator[Tensor]:
    """Yield ``load(part)`` for all parts, loading two parts ahead in threads."""
    with ThreadPoolExecutor(1) as pool:
        parts = iter(parts)
        under_way = deque(pool.submit(load, part) for part in itertools.islice(parts, 2))
        while under_way:
            loaded = under_way.popleft().result()
            under_way.extend(pool.submit(load, part) for part in itertools.islice(parts, 1))
            yield loaded


def move_to_device_if_fits(images: Any, device: torch.device) -> Any:
    """Copy `images` to a GPU if they fit; otherwise return them unchanged."""
    if device.type != "cuda":
        return images
    dtype = _as_tensor(np.empty(0, images.dtype)).dtype
    n_bytes = math.prod(images.shape) * dtype.itemsize
    if n_bytes > _RESIDENT_SHARE * _free_memory(device):
        return images
    resident = torch.empty(images.shape, dtype=dtype, device=device)
    rows = slices(len(images), max(1, _PIECE_BYTES * len(images) // n_bytes))
    for part in rows:  # piece by piece, since they may be memory-mapped
        resident[part] = _as_tensor(images[part])
    return resident


def _free_memory(device: torch.device) -> int:
    """Return the free bytes of a GPU, with what torch keeps for later."""
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    free: int = torch.cuda.mem_get_info(device)[0] + kept
    return free


def resize(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize images (b, C, H, W) to (height, width) `size`, bilinearly."""
    # Bilinear interpolation uses four pixels: shrinking by more than 2 would skip some.
    antialias = 2 * size[0] < images.shape[2] or 2 * size[1] < images.shape[3]
    return F.interpolate(images, size, mode="bilinear", antialias=antialias)


def image_statistics(images: Any) -> tuple[tuple[Any, Any], Tensor, Tensor]:
    """Compute the range of images (n, H, W, C), and their mean and scale (C,) within it.

    The range of uint8 images is fixed; for other images it is the range of their values, or of each
    channel if the channels have different units.

    Raises
    ------
    ValueError
        If the range is too large or too small for float32.

    Warns
    -----
    UserWarning
        If a few values determine the range, such as those that mark missing data.
    """
    rows = slices(len(images), max(1, 2**22 // math.prod(images.shape[1:])))  # bounded memory
    low, high = _value_range(images, rows)
    spans = np.asarray(high, dtype=np.float64) - low
    if ((spans > _WIDEST) | ((spans > 0) & (spans < 1 / _WIDEST))).any():
        raise ValueError(
            f"X contains images with values from {np.min(low):g} to {np.max(high):g}, a range "
            "that is unsuitable for float32. Scale X to a range such as 0 to 1."
        )
    if images.dtype != np.uint8:
        _warn_if_few_values_are_far(images, low, high)
    total = np.zeros((2, images.shape[3]))
    for part in rows:
        total += _sums(_channels(images[part]), low, np.where(spans > 0, spans, 1.0))
    mean, square = total / math.prod(images.shape[:3])
    scale = np.sqrt(np.maximum(square - mean**2, 0.0))
    scale[scale < 1e-6] = 1.0
    return (low, high), torch.from_numpy(mean).float(), torch.from_numpy(scale).float()


def _value_range(images: Any, rows: list[slice]) -> tuple[Any, Any]:
    """Return the minimum and maximum: two floats, or arrays (C,) if units differ."""
    if images.dtype == np.uint8:
        return 0.0, 255.0
    # Reduce over images first: NumPy is slow if the last axis is as short as the channels.
    ends = [
        (_channels(part.min(axis=0)).min(axis=0), _channels(part.max(axis=0)).max(axis=0))
        for part in (images[piece] for piece in rows)
    ]
    low = np.min([least for least, _ in ends], axis=0).astype(np.float64)
    high = np.max([greatest for _, greatest in ends], axis=0).astype(np.float64)
    spans, common = high - low, high.max() - low.min()
    # Colours share one range; otherwise their proportions would change.
    if (spans[spans > 0] >= _SAME_UNIT * common).all():
        return float(low.min()), float(high.max())
    return low.astype(np.float32), high.astype(np.float32)


def _warn_if_few_values_are_far(images: Any, low: Any, high: Any) -> None:
    """Warn if a few values, as of missing data, leave others almost the same after scaling."""
    n_images = max(_SAMPLED // math.prod(images.shape[1:]), 1)
    chosen = np.unique(np.linspace(0, len(images) - 1, n_images).astype(int))
    sample = _channels(images[chosen])
    sample = sample[:: math.ceil(sample.size / _SAMPLED)]
    parts = [sample.ravel()] if np.ndim(low) == 0 else list(sample.T)
    for values, *ends in zip(parts, np.atleast_1d(low), np.atleast_1d(high), strict=True):
        for end in ends:
            others = values[values != end]
            if len(others) < (1 - _FEW) * len(values):
                continue
            least, most = np.quantile(others.astype(np.float64), _NEARLY_ALL)
            if 0 < _FAR * (most - least) < float(ends[1]) - float(ends[0]):
                share = min(np.mean((values >= least) & (values <= most)), _NEARLY_ALL[1])
                warnings.warn(
                    f"X contains images with values from {ends[0]:g} to {ends[1]:g}, but "
                    f"{100 * share:.3g} % of them are from {least:g} to {most:g}: scaled, these "
                    "are almost the same. If the others mark missing data, replace them before "
                    "fit, for example by the mean of the image; otherwise np.clip limits them.",
                    UserWarning,
                    stacklevel=3,
                )
                return


def _channels(images: np.ndarray) -> np.ndarray:
    """Return all pixels of images (..., C) as rows of C values."""
    return images.reshape(-1, images.shape[-1])


def _sums(values: np.ndarray, low: Any, span: Any) -> np.ndarray:
    """Return the sums of the scaled `values` (n, C) and of their squares, as (2, C)."""
    if values.dtype == np.uint8:  # counting the 256 values is ten times faster
        levels = (np.arange(256) - low) / span
        counts = np.stack([np.bincount(channel, minlength=256) for channel in values.T])
        return np.stack([counts @ levels, counts @ levels**2])
    unit = (values.astype(np.float64) - low) / span
    return np.stack([unit.sum(axis=0), (unit**2).sum(axis=0)])


def count_held(shape: Sequence[int], least: int, most: int) -> int:
    """Return how many images (H, W, C) to hold in memory at once, from `least` to `most`."""
    return max(min(_HELD_VALUES // math.prod(shape), most), least)


def count_batches(n_images: int, batch_size: int) -> int:
    """Count the batches of at most `batch_size`, without batches of one image (batch norm)."""
    return max(1, min(math.ceil(n_images / batch_size), n_images // 2))


def embed_blocks(
    images: Any, to_tensor: ToTensor, encode: Callable[[Tensor], Tensor], map_values: int = 1
) -> Iterator[np.ndarray]:
    """Encode checked images (n, H, W, C), yielding float32 features (b, d) block by block.

    The largest feature map of an image has `map_values` values. All blocks have the same size, and
    the last one is padded. Otherwise kernels that are chosen by the batch size would change the
    last digits of a row with the number of other rows.
    """
    pixels, most, values = _BLOCKS.get(to_tensor.device.type, _BLOCKS["cpu"])
    per_image = math.prod(to_tensor.size)
    least = max(min(_LEAST_PIXELS // per_image, _LEAST_BLOCK), 1)
    size = min(max(pixels // per_image, least), most, max(values // map_values, 1))
    parts, n_pieces = slices(len(images), size), 1
    for i, block in enumerate(iter_batches(images, parts, to_tensor)):
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
    """Encode a block, halving it repeatedly if it does not fit in GPU memory."""
    while True:
        try:
            features = [encode(piece).float() for piece in block.chunk(n_pieces)]
            return torch.cat(features) if n_pieces > 1 else features[0], n_pieces
        except torch.OutOfMemoryError:
            if n_pieces >= len(block):
                raise
        n_pieces *= 2


def embed_in_batches(
    images: Any,
    to_tensor: ToTensor,
    encode: Callable[[Tensor], Tensor],
    n_features: int,
    map_values: int = 1,
) -> np.ndarray:
    """Encode checked images (n, H, W, C) to one array of float32 features (n, n_features)."""
    out = np.empty((len(images), n_features), dtype=np.float32)
    start = 0
    with retain_freed_memory(to_tensor.device):
        for block in embed_blocks(images, to_tensor, encode, map_values):
            out[start : start + len(block)] = block
            start += len(block)
    return out


def slices(n_rows: int, size: int) -> list[slice]:
    """Return slices of at most `size` that divide `n_rows` rows."""
    return [slice(start, start + size) for start in range(0, n_rows, size)]
