"""Decode image files, and resize images."""

import errno
import os
import stat
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from sklssl._data.pages import open_pages
from sklssl._data.pixels import (
    REMEDY,
    check_pixels,
    corrupt_file_error,
    too_many_pixels_error,
    wrong_channels_error,
)
from sklssl.exceptions import ImageFileError

__all__ = [
    "N_DECIDING",
    "Channels",
    "check_bytes",
    "decode_image",
    "depth_mismatch_message",
    "errors_name_file",
    "first_of_usual_depth",
    "no_readable_file_error",
    "read_bytes",
    "read_image_file",
    "resize_image",
    "select_channels",
    "warn_skipped_files",
    "warn_unread_pages",
]

# The number of channels, "all", or which ones.
Channels: TypeAlias = int | str | tuple[int, ...]

N_DECIDING = 9  # images whose usual bit depth is that of all, where others are skipped

# Far larger than photographs, far smaller than the memory of a computer.
_MAX_FILE_BYTES = 2**28
# These errors are due to a lack of resources, not to a bad file.
_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_RESIZABLE = (np.uint8, np.uint16, np.float32, np.float64)  # by cv2


def read_image_file(
    path: str | os.PathLike[str],
    channels: Channels,
    multipage: list[tuple[str, int]] | None = None,
) -> np.ndarray:
    """Read and decode one image file.

    Parameters
    ----------
    path : str or path-like
        A regular file.

    channels, multipage
        How to read it; see :func:`decode_image`.

    Returns
    -------
    image : ndarray of shape (H, W, C), uint8, uint16 or float32

    Raises
    ------
    ImageFileError
        If the file does not exist, or cannot be read or decoded.
    """
    return decode_image(read_bytes(path), os.fspath(path), channels, multipage=multipage)


def read_bytes(path: str | os.PathLike[str], name: str | None = None) -> bytes:
    """Read a regular file as bytes; `name` is its name in error messages."""
    name = os.fspath(path) if name is None else name
    with errors_name_file(name):
        status = os.stat(path)
        if stat.S_ISREG(status.st_mode):  # opening a named pipe would block
            check_bytes(status.st_size, name)
            with open(path, "rb") as file:
                return file.read()
    kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
    raise ImageFileError(f"{name!r} is {kind}, so it cannot be read as an image. Remove it.")


@contextmanager
def errors_name_file(name: str) -> Iterator[None]:
    """Convert an OSError to an ImageFileError if it is caused by the file itself."""
    try:
        yield
    except ImageFileError:
        raise
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) in _SHORTAGES:
            raise
        reason = getattr(error, "strerror", None) or error
        raise ImageFileError(f"{name!r} cannot be read: {reason}. {REMEDY}") from error


def check_bytes(size: int, name: str) -> None:
    """Raise an error if a file is larger than any image."""
    if size > _MAX_FILE_BYTES:
        raise ImageFileError(
            f"{name!r} is too large: it has {size} bytes, but at most {_MAX_FILE_BYTES} are "
            "allowed. Make it smaller or remove it."
        )


def decode_image(
    content: bytes,
    name: str,
    channels: Channels,
    pages: str | int = "first",
    multipage: list[tuple[str, int]] | None = None,
) -> np.ndarray:
    """Decode one image file: JPEG, PNG, WebP, TIFF, BMP, GIF, PPM/PGM/PBM or JPEG 2000.

    Content is converted as follows.

    - Up to 8 bits per channel: uint8. 1 bit becomes 0 and 255.
    - More bits: unchanged values as uint16; signed, 32-bit and float values as float32.
    - Grey to RGB: all three channels are the grey value. RGB to grey: 0.299 red + 0.587 green +
      0.114 blue; a JPEG stores this value, which may be a few levels from that of its colours.
    - Palette: converted to the colours of the palette.
    - Alpha: blended over mid-grey, unless requested as a channel. It is dropped if it is the same
      everywhere, if the values are floats, and from JPEG 2000 of more than 8 bits.
    - CMYK and YCbCr: converted to RGB without a colour profile. CMYK JPEGs are assumed to be
      inverted, as written by Adobe and practically all programs.
    - EXIF rotation: applied.
    - Lab, and formats that none of the readers supports: not read, an error is raised.

    Parameters
    ----------
    content : bytes
        The whole file.

    name : str
        The name of the file in error messages.

    channels : int, "all" or tuple of int
        3 for RGB, 1 for grey. Any other number must be the number of stored channels, or of pages,
        and returns all of them. "all" returns the stored channels, a tuple those with these numbers
        (from 0).

    pages : "first", int, "max", "mean" or "channels", default="first"
        How several pages or frames are read: the first one, the one with this number (from 0), the
        maximum or mean over all, or each as a grey channel.

    multipage : list, default=None
        If only the first of several pages is read, and the list is empty, (name, number of pages)
        is appended.

    Returns
    -------
    image : ndarray of shape (H, W, C), uint8, uint16 or float32
        Contiguous and writable.

    Raises
    ------
    ImageFileError
        If `content` is not an image, is corrupt, incomplete, too large or not supported, or does
        not have these channels or pages. Corruption that only changes pixel values is not detected.
    """
    from PIL import Image

    try:
        n_pages, read = open_pages(content, name)
        if pages == "first" and n_pages == channels and channels not in (1, 3):
            pages = "channels"
        if pages == "first" and n_pages > 1 and multipage == []:
            multipage.append((name, n_pages))
        image = _combine_pages(read, n_pages, pages, channels, name)
    except (ImageFileError, ImportError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise too_many_pixels_error(name) from error
    except Exception as error:  # Pillow may raise anything for a corrupt file
        if _is_our_fault(error):
            raise
        raise corrupt_file_error(name) from error
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        raise ImageFileError(f"{name!r} has pixels that are infinite or NaN. {REMEDY}")
    return image


def _is_our_fault(error: Exception) -> bool:
    """Return whether a name is missing in this package, as with another version of a library."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    ours = frame is not None and frame.tb_frame.f_globals.get("__name__", "").startswith("sklssl.")
    return ours and isinstance(error, AttributeError | NameError)


def _combine_pages(
    read: Callable[[int, Channels], np.ndarray],
    n_pages: int,
    pages: str | int,
    channels: Channels,
    name: str,
) -> np.ndarray:
    """Read the requested pages and combine them into one image."""
    numbers: Sequence[int] = range(n_pages)
    if pages not in ("max", "mean", "channels"):
        numbers = [0 if isinstance(pages, str) else pages]
        if not 0 <= numbers[0] < n_pages:
            raise ImageFileError(
                f"{name!r} has no page {numbers[0]}: its pages are 0 to {n_pages - 1}."
            )
    taken = 1 if pages == "channels" else channels
    parts = (select_channels(read(number, taken), taken, name) for number in numbers)
    image = next(parts)
    dtype, shape = image.dtype, image.shape
    if pages == "channels":
        check_pixels(shape[1], shape[0], name, n_pages)
        stack = [image, *(_check_page(part, shape, name) for part in parts)]
        return _select_stored(np.concatenate(stack, axis=2), channels, name)
    if pages == "mean":
        total = image.astype(np.float64)
        for part in parts:
            total += _check_page(part, shape, name)
        total /= n_pages
        return (total if dtype.kind == "f" else np.rint(total)).astype(dtype)
    for part in parts:  # none for a single page
        np.maximum(image, _check_page(part, shape, name), out=image)
    return np.require(image, requirements=["C", "W"])


def _check_page(image: np.ndarray, shape: tuple[int, ...], name: str) -> np.ndarray:
    if image.shape != shape:
        raise ImageFileError(
            f"{name!r} has pages that differ in size: {shape[0]}x{shape[1]} and "
            f"{image.shape[0]}x{image.shape[1]} pixels (height x width). Read a single page."
        )
    return image


def select_channels(image: np.ndarray, channels: Channels, name: str) -> np.ndarray:
    """Convert a page (H, W) or (H, W, S) to the requested channels."""
    image = image if image.ndim == 3 else image[..., np.newaxis]
    stored = image.shape[2]
    if channels == 3 and stored in (1, 2):  # 2: grey and alpha
        return np.repeat(image[..., :1], 3, axis=2)
    if channels == 3 and stored == 4:
        return image[..., :3]
    if channels == 1 and stored in (3, 4):
        import cv2  # slow to import

        grey = cv2.cvtColor(np.ascontiguousarray(image[..., :3]), cv2.COLOR_RGB2GRAY)
        return grey[..., np.newaxis]
    if channels == 1 and stored == 2:
        return image[..., :1]
    return _select_stored(image, channels, name)


def _select_stored(image: np.ndarray, channels: Channels, name: str) -> np.ndarray:
    """Return the channels with the given numbers, or check that there are this many."""
    stored = image.shape[2]
    if isinstance(channels, tuple):
        if not all(-stored <= number < stored for number in channels):
            raise ImageFileError(
                f"{name!r} has {stored} channels, 0 to {stored - 1}, but channels {channels} were "
                "requested."
            )
        return np.ascontiguousarray(image[..., list(channels)])
    if channels not in ("all", stored):
        raise wrong_channels_error(name, stored, channels)
    return image


def resize_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize one image (H, W, C) to `size`, a pair (height, width).

    Its dtype is kept if cv2 supports it, and otherwise becomes float64.
    """
    import cv2  # slow to import

    if image.dtype not in _RESIZABLE:
        image = image.astype(np.float64)
    channels = image.shape[2]
    if channels > 4:  # cv2 averages at most 4 channels at a time
        parts = [resize_image(image[..., i : i + 4], size) for i in range(0, channels, 4)]
        return np.concatenate(parts, axis=2)
    # One side may shrink while the other grows; if a side is unchanged, cv2 only copies.
    shrunk = np.minimum(image.shape[:2], size).tolist()
    image = cv2.resize(image, shrunk[::-1], interpolation=cv2.INTER_AREA)
    image = cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR)
    return image.reshape(*size, channels)


def warn_unread_pages(name: str, n_pages: int) -> None:
    """Warn that only the first page of a file, and of similar files, is read."""
    warnings.warn(
        f"{name!r} has {n_pages} pages or frames. Only the first page of such files is read; use "
        "sklssl.datasets.load_images(files, pages=...) to read another page, the maximum or mean "
        "over the pages, or all as channels.",
        UserWarning,
        stacklevel=2,
    )


def warn_skipped_files(names: Sequence[str] | np.ndarray, n_images: int, reason: str) -> None:
    """Warn about files that cannot be read, with the reason for the first; raise if all are."""
    if len(names) == n_images:
        raise no_readable_file_error(n_images, reason)
    shown = ", ".join(repr(str(name)) for name in names[:3])
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    verb = "is" if len(names) == 1 else "are"
    warnings.warn(
        f"{len(names)} of {n_images} image files cannot be read and {verb} skipped: "
        f"{shown}{more}. Reason for the first: {reason}",
        UserWarning,
        stacklevel=4,
    )


def no_readable_file_error(n_images: int, reason: str | None) -> ImageFileError:
    """Return the error that no file can be read, with the reason for the first one."""
    return ImageFileError(
        f"None of the {n_images} image files can be read. Reason for the first: {reason}"
    )


def first_of_usual_depth(found: Sequence[tuple[Any, np.ndarray]]) -> tuple[Any, np.ndarray]:
    """Return the first pair with an image of the bit depth that most have.

    A single odd image does not decide.
    """
    depths = Counter(image.dtype for _, image in found)
    return next(pair for pair in found if depths[pair[1].dtype] == max(depths.values()))


def depth_mismatch_message(
    name: str, dtype: npt.DTypeLike, other: str, other_dtype: npt.DTypeLike
) -> str:
    """Return the error message for two images of different bit depths."""
    return (
        f"The images differ in bit depth: {name} has {_depth(dtype)}, {other} has "
        f"{_depth(other_dtype)}. Convert them to the same depth, so that values are comparable."
    )


def _depth(dtype: npt.DTypeLike) -> str:
    return "floats" if np.dtype(dtype).kind == "f" else f"{8 * np.dtype(dtype).itemsize} bits"
