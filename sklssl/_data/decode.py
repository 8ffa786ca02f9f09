"""Decode image files, and bring images to another size."""

import errno
import os
import stat
import warnings
from contextlib import contextmanager

import numpy as np

from sklssl._data.pages import REMEDY, damaged, open_pages, too_many_pixels
from sklssl.exceptions import ImageFileError

__all__ = [
    "check_bytes",
    "decode_image",
    "different_depths",
    "errors_name_file",
    "none_left",
    "read_bytes",
    "read_image_file",
    "resize_image",
    "say_left_out",
    "say_pages",
    "take_channels",
]

# Far above any camera's pictures, far below what fills a computer's memory.
_MAX_FILE_BYTES = 2**28
_MAX_STACK = 2**28  # values of all pages
# These say that the computer is short of something, not that a file is bad.
_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


def read_image_file(path, channels, pages="first", told=None):
    """Read and decode one image file.

    Parameters
    ----------
    path : str or path-like
        A regular file.

    channels, pages, told
        What is taken of it; see :func:`decode_image`.

    Returns
    -------
    image : ndarray of shape (H, W, C), uint8, uint16 or float32

    Raises
    ------
    ImageFileError
        If there is no such file, or it cannot be read or decoded.
    """
    return decode_image(read_bytes(path), os.fspath(path), channels, pages, told)


def read_bytes(path, name=None):
    """Read a file of any kind that can hold an image; `name` is what errors call it."""
    name = os.fspath(path) if name is None else name
    with errors_name_file(name):
        status = os.stat(path)
        if stat.S_ISREG(status.st_mode):  # opening a named pipe would wait for its other end
            check_bytes(status.st_size, name)
            with open(path, "rb") as file:
                return file.read()
    kind = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
    raise ImageFileError(f"{name!r} is {kind}, not an image. Leave it out.")


@contextmanager
def errors_name_file(name):
    """Turn what the system says about a file into an ImageFileError, if the file is to blame."""
    try:
        yield
    except ImageFileError:
        raise
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) in _SHORTAGES:
            raise
        reason = getattr(error, "strerror", None) or error
        raise ImageFileError(f"{name!r} cannot be read: {reason}. {REMEDY}") from error


def check_bytes(size, name):
    """Refuse a file that is larger than any image."""
    if size > _MAX_FILE_BYTES:
        raise ImageFileError(
            f"{name!r} is too large: {size} bytes, where at most {_MAX_FILE_BYTES} are read. "
            "Make it smaller or leave it out."
        )


def decode_image(content, name, channels, pages="first", told=None):
    """Decode one image file: JPEG, PNG, WebP, TIFF, BMP, GIF, PPM/PGM/PBM or JPEG 2000.

    What is in the file comes out as follows.

    - 8 bits a channel or fewer: uint8. 1 bit becomes 0 and 255.
    - More bits: the values as they are, as uint16; signed ones, 32 bits and floats as float32.
    - Grey as colours: all three are the grey value. Colours as grey: 0.299 red + 0.587 green +
      0.114 blue.
    - Palette: the colours of the palette.
    - Alpha: dropped, unless it is asked for as a channel. What a transparent pixel shows is the
      colour that is stored below it.
    - CMYK and YCbCr: converted to RGB without a colour profile, a CMYK JPEG as Adobe writes it
      (inverted), which is how practically all are.
    - EXIF rotation: applied.
    - Lab, and what none of the readers knows: refused.

    Parameters
    ----------
    content : bytes
        The whole file.

    name : str
        What errors call it.

    channels : int, "all" or tuple of int
        3 gives red, green and blue, 1 grey. Another number gives all that are stored, or as many
        pages, and must be theirs. "all" gives the channels as they are stored, a tuple those of
        these numbers, from 0.

    pages : "first", int, "max", "mean" or "channels", default="first"
        Which of several pages or frames: one, by its number from 0; the greatest value or the mean
        over all; or each as a grey channel.

    told : list, default=None
        Gets (name, number of pages) of a file of which only the first page is taken.

    Returns
    -------
    image : ndarray of shape (H, W, C), uint8, uint16 or float32
        Contiguous and writable.

    Raises
    ------
    ImageFileError
        If `content` is no image, is damaged, incomplete, too large or of a kind refused above; if
        it has no such channels or pages. Damage that only changes the values of pixels is not
        noticed.
    """
    from PIL import Image

    try:
        n_pages, read = open_pages(content, name)
        if pages == "first" and n_pages == channels and channels not in (1, 3):
            pages = "channels"
        if pages == "first" and n_pages > 1 and told is not None:
            told.append((name, n_pages))
        image = _put_together(read, n_pages, pages, channels, name)
    except (ImageFileError, ImportError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise too_many_pixels(name) from error
    except Exception as error:  # Pillow raises whatever a damaged file makes it trip over
        raise damaged(name) from error
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        raise ImageFileError(f"{name!r} has pixels that are infinite or not a number. {REMEDY}")
    return image


def _put_together(read, n_pages, pages, channels, name):
    """Read the pages that are wanted and make one image of them."""
    if pages in ("max", "mean", "channels"):
        numbers = range(n_pages)
    else:
        numbers = [0 if pages == "first" else pages]
        if not 0 <= numbers[0] < n_pages:
            raise ImageFileError(
                f"{name!r} has no page {numbers[0]}: its pages are 0 to {n_pages - 1}."
            )
    taken = 1 if pages == "channels" else channels
    parts = (take_channels(read(number, taken), taken, name) for number in numbers)
    image = next(parts)
    dtype, shape = image.dtype, image.shape
    if pages == "channels":
        if n_pages * image.shape[0] * image.shape[1] > _MAX_STACK:
            raise too_many_pixels(name)
        stack = [image, *(_check_page(part, shape, name) for part in parts)]
        return _pick(np.concatenate(stack, axis=2), channels, name)
    if pages == "mean":
        total = image.astype(np.float64)
        for part in parts:
            total += _check_page(part, shape, name)
        total /= n_pages
        return (total if dtype.kind == "f" else np.rint(total)).astype(dtype)
    for part in parts:  # of one page, none
        np.maximum(image, _check_page(part, shape, name), out=image)
    return np.require(image, requirements=["C", "W"])


def _check_page(image, shape, name):
    if image.shape != shape:
        raise ImageFileError(
            f"{name!r} has pages that differ in size: {shape[0]}x{shape[1]} and "
            f"{image.shape[0]}x{image.shape[1]} pixels (height x width). Take one of them."
        )
    return image


def take_channels(image, channels, name):
    """Give a page (H, W) or (H, W, S) the channels that are wanted."""
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
    return _pick(image, channels, name)


def _pick(image, channels, name):
    """Give the channels of these numbers, or all of so many."""
    stored = image.shape[2]
    if isinstance(channels, tuple):
        if not all(-stored <= number < stored for number in channels):
            raise ImageFileError(
                f"{name!r} has {stored} channels, 0 to {stored - 1}, but channels {channels} are "
                "wanted."
            )
        return np.ascontiguousarray(image[..., list(channels)])
    if channels not in ("all", stored):
        raise ImageFileError(
            f"{name!r} has {stored} channels, but {channels} are wanted. Give the number that the "
            "files have as the channels of image_shape, or read some of them by "
            "sklssl.datasets.load_images(files, channels=[...])."
        )
    return image


def resize_image(image, size):
    """Resize one image (H, W, C) to `size`, a pair (height, width); the dtype is kept."""
    import cv2  # slow to import

    channels = image.shape[2]
    if channels > 4:  # more than cv2 averages at a time
        parts = [resize_image(image[..., i : i + 4], size) for i in range(0, channels, 4)]
        return np.concatenate(parts, axis=2)
    # One side may shrink while the other grows; where nothing changes, cv2 only copies.
    shrunk = np.minimum(image.shape[:2], size).tolist()
    image = cv2.resize(image, shrunk[::-1], interpolation=cv2.INTER_AREA)
    image = cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR)
    return image.reshape(*size, channels)


def say_pages(name, n_pages):
    """Warn that of a file, and of others like it, only the first page is taken."""
    warnings.warn(
        f"{name!r} has {n_pages} pages or frames. Of files such as this one only the first is "
        "taken; sklssl.datasets.load_images(files, pages=...) reads another one, their maximum or "
        "mean, or all as channels.",
        UserWarning,
        stacklevel=2,
    )


def say_left_out(names, n_images, reason):
    """Say which files of how many are left out, and of the first one why."""
    shown = ", ".join(repr(str(name)) for name in names[:3])
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    verb = "is" if len(names) == 1 else "are"
    return (
        f"{len(names)} of {n_images} image files cannot be read and {verb} left out: "
        f"{shown}{more}. The first: {reason}"
    )


def none_left(n_images, reason):
    """Say that no file of how many can be read, and of the first one why."""
    return ImageFileError(f"None of the {n_images} image files can be read. The first: {reason}")


def different_depths(name, dtype, other, other_dtype):
    """Say that two images are not of one depth."""
    return (
        f"The images differ in depth: {name} has {_depth(dtype)}, {other} has "
        f"{_depth(other_dtype)}. Convert them to one depth, so that their values mean the same."
    )


def _depth(dtype):
    return "floats" if np.dtype(dtype).kind == "f" else f"{8 * np.dtype(dtype).itemsize} bits"
