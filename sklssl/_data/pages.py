"""Read the pages of an image file with a library that decodes them without loss."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from sklssl._data.pixels import (
    REMEDY,
    check_pixels,
    corrupt_file_error,
    drop_alpha,
    has_alpha,
    read_picture,
    to_rgb_order,
    turn,
)
from sklssl._data.silence import silent_cv2
from sklssl._data.tiff import TIFF, open_tiff
from sklssl.exceptions import ImageFileError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["open_pages"]

_ORIENTATION = 274  # a tag of EXIF
# Only these: Pillow passes some other formats to external programs.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "PPM", "JPEG2000")


def open_pages(content: bytes, name: str) -> tuple[int, Callable[[int, Any], np.ndarray]]:
    """Open an image file without allocating memory for its pixels.

    Parameters
    ----------
    content : bytes
        The whole file.

    name : str
        The name of the file in error messages.

    Returns
    -------
    n_pages : int
        Number of pages or frames.

    read : callable
        ``read(number, channels)`` decodes a page: (H, W) or (H, W, S) of uint8, uint16 or float32,
        as RGB for 3 channels, grey for 1, and otherwise with the stored channels. For 3 and 1,
        images of more than 8 bits per channel, or with alpha, may have the stored colours.

    Raises
    ------
    ImageFileError
        If the image is too large or truncated.
    """
    from PIL import Image

    if content[:4] in TIFF:
        return open_tiff(content, name)
    image = Image.open(io.BytesIO(content), formats=_FORMATS)
    check_pixels(image.width, image.height, name)
    # The second image in a JPEG of a phone (MPO) is a preview, not a page.
    n_pages = 1 if image.format in ("JPEG", "MPO") else getattr(image, "n_frames", 1)
    return n_pages, partial(_read, image, content, name)


def _read(image: Image, content: bytes, name: str, number: int, channels: Any) -> np.ndarray:
    """Decode a page of a file opened by Pillow."""
    wanted = channels if channels in (1, 3) else None
    # cv2 would drop alpha, and with it drawings on a transparent ground.
    blended = wanted is not None and image.format == "PNG" and has_alpha(image)
    if number == 0 and image.format in ("JPEG", "MPO", "PNG"):
        # Some versions of cv2 fill missing pixels with grey, and all write to stderr.
        if not _is_complete(content):
            raise ImageFileError(f"{name!r} is corrupt: its end is missing. {REMEDY}")
        # Faster than Pillow, and the same in colour; the grey of a JPEG is what it stores, a few
        # levels from that of its colours.
        if wanted and not blended:
            return _decode_with_cv2(content, name, wanted)
    if _may_exceed_8_bits(image, content):
        converted = wanted is not None and not blended
        deep = _decode_with_cv2(content, name, wanted if converted else None)
        if deep.dtype == np.uint16:
            if converted:  # and turned
                return deep
            deep = turn(deep, image.getexif().get(_ORIENTATION, 1))
            return drop_alpha(deep) if blended and deep.shape[2:] == (4,) else deep
    image.seek(number)
    return read_picture(image, name, channels)


def _may_exceed_8_bits(image: Image, content: bytes) -> bool:
    """Return whether an image may have more than 8 bits per channel, which Pillow reduces."""
    if image.format == "PNG":
        return content[24] == 16
    return image.format in ("PPM", "JPEG2000") and image.mode != "1"


def _decode_with_cv2(content: bytes, name: str, channels: Any) -> np.ndarray:
    """Decode the first page; with `channels` None, the stored channels are returned."""
    import cv2  # slow to import

    flags = {
        1: cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH,
        3: cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH,
    }
    buffer = np.frombuffer(content, np.uint8)
    with silent_cv2:
        image = cv2.imdecode(buffer, flags.get(channels, cv2.IMREAD_UNCHANGED))
    if image is None:
        raise corrupt_file_error(name)
    return to_rgb_order(image)


def _is_complete(content: bytes) -> bool:
    """Return whether a JPEG or PNG has its end marker; other data may follow it."""
    if not content.startswith(b"\xff\xd8"):
        return content.rfind(b"IEND\xaeB\x60\x82") >= 0
    # The header of a JPEG may contain a preview with its own end marker: skip the segments of the
    # header up to the first scan, which cannot contain an end marker.
    at = 2
    while content[at : at + 1] == b"\xff" and content[at + 1 : at + 2] != b"\xda":
        if content[at + 1 : at + 2] == b"\xff":
            at += 1
        else:
            at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return content.rfind(b"\xff\xd9", at) >= 0
