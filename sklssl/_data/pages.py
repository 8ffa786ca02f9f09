"""Read the pages of an image file with a library that decodes them without loss."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from sklssl.exceptions import ImageFileError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "EXACT",
    "REMEDY",
    "corrupt_file_error",
    "open_pages",
    "read_picture",
    "too_many_pixels_error",
]

REMEDY = "Repair it or remove it."

# A file of a few kilobytes may expand to gigabytes.
_MAX_PIXELS = 2**26
_MAX_PAGES = 2**12
# Only these: Pillow passes some other formats to external programs.
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000")
_EIGHT_BITS = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")
# The mode to convert to if all channels of an image are requested.
_STORED = {"1": "L", "LA": "LA", "L": "L", "PA": "RGBA", "RGBA": "RGBA", "RGBa": "RGBA"}
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_WIDTH, _HEIGHT, _BITS, _SAMPLES, _FORMAT = 256, 257, 258, 277, 339  # tags of TIFF
_SIGNED = 2  # a format
EXACT = 2**24  # float32 holds every whole number up to this one


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
        as RGB for 3 channels, grey for 1, and otherwise with the stored channels. Images of more
        than 8 bits per channel may have the stored channels in any case.

    Raises
    ------
    ImageFileError
        If the image is too large or truncated.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        image = Image.open(io.BytesIO(content), formats=_FORMATS)
    except UnidentifiedImageError:
        if content[:4] not in _TIFF:
            raise
        return _open_tiff(content, name)
    _check_pixels(image.width, image.height, name)
    if image.format == "TIFF" and _exceeds_8_bits(image):
        return _open_tiff(content, name)
    # The second image in a JPEG of a phone (MPO) is a preview, not a page.
    n_pages = 1 if image.format in ("JPEG", "MPO") else getattr(image, "n_frames", 1)
    return n_pages, partial(_read, image, content, name)


def _read(image: Image, content: bytes, name: str, number: int, channels: Any) -> np.ndarray:
    """Decode a page of a file opened by Pillow."""
    if number == 0 and image.format in ("JPEG", "MPO", "PNG"):
        # Some versions of cv2 fill missing pixels with grey, and all write to stderr.
        if not _is_complete(content):
            raise ImageFileError(f"{name!r} is corrupt: its end is missing. {REMEDY}")
        if channels in (1, 3):  # same result as Pillow, but faster
            return _decode_with_cv2(content, name, channels)
    if _may_exceed_8_bits(image, content):
        deep = _decode_with_cv2(content, name, channels if channels in (1, 3) else None)
        if deep.dtype == np.uint16:
            return deep
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
    image = cv2.imdecode(
        np.frombuffer(content, np.uint8), flags.get(channels, cv2.IMREAD_UNCHANGED)
    )
    if image is None:
        raise corrupt_file_error(name)
    return _to_rgb_order(image)


def _to_rgb_order(image: np.ndarray) -> np.ndarray:
    """Reorder channels decoded by cv2 to RGB or RGBA."""
    import cv2  # slow to import

    if image.ndim == 3 and image.shape[2] in (3, 4):
        code = cv2.COLOR_BGR2RGB if image.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
        return cv2.cvtColor(image, code)
    return image


def read_picture(image: Image, name: str, channels: Any) -> np.ndarray:
    """Convert a PIL image to an array, rotated according to its EXIF entry.

    Parameters
    ----------
    image : PIL.Image.Image
        The image, at the requested frame.

    name : str
        The name of the file in error messages.

    channels : int or other
        3 for RGB, 1 for grey, anything else for the stored channels.

    Returns
    -------
    image : ndarray of shape (H, W) or (H, W, S), uint8, uint16 or float32
    """
    from PIL import ImageOps

    if image.format != "TIFF":  # Pillow rotates TIFF itself, some versions twice
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        return np.array(image, dtype=np.uint16)
    if image.mode in ("I", "F"):
        return _as_floats(np.asarray(image), name)
    if image.mode not in _EIGHT_BITS:
        raise ImageFileError(
            f"{name!r} has pixels of an unsupported mode ({image.mode!r} in Pillow). Convert it "
            "to grey or RGB, or remove it."
        )
    mode = {1: "L", 3: "RGB"}.get(channels) or _STORED.get(image.mode, "RGB")
    return np.array(image.convert(mode))


def _as_floats(values: np.ndarray, name: str) -> np.ndarray:
    """Convert integers or floats of any width to float32, if they fit."""
    if (
        values.dtype.kind in "iu"
        and values.size
        and np.abs(values.astype(np.float64)).max() > EXACT
    ):
        raise ImageFileError(
            f"{name!r} has integers beyond {EXACT}, which float32 would round. Convert them "
            "to 16 bits, or to floats of a smaller range."
        )
    return values.astype(np.float32)


def _exceeds_8_bits(image: Any) -> bool:
    """Return whether Pillow would truncate the values of a TIFF: more than 8 bits, or signed."""
    bits = image.tag_v2.get(_BITS, (8,))
    if max(bits) == 8 and _SIGNED in image.tag_v2.get(_FORMAT, ()):
        return True
    return max(bits) > 8 and not (image.mode.startswith("I;16") or image.mode in ("I", "F"))


def _open_tiff(content: bytes, name: str) -> tuple[int, Callable[[int, Any], np.ndarray]]:
    """Open a TIFF that Pillow cannot read, or not without loss."""
    places = _find_page_offsets(content)
    return len(places), partial(_read_tiff, content, name, places)


def _find_page_offsets(content: bytes) -> list[int]:
    """Return the offset of the header of each page, by following the chain of pages."""
    order = "<" if content[:2] == b"II" else ">"
    count, entry, pointer, at = ("Q", 20, "Q", 8) if _is_big(content) else ("H", 12, "I", 4)
    places: list[int] = []
    (place,) = struct.unpack_from(order + pointer, content, at)
    while place and place not in places and len(places) < _MAX_PAGES:
        places.append(place)
        (n_entries,) = struct.unpack_from(order + count, content, place)
        place += struct.calcsize(count) + n_entries * entry
        (place,) = struct.unpack_from(order + pointer, content, place)
    return places


def _is_big(content: bytes) -> bool:
    """Return whether a TIFF is a BigTIFF, which may be larger than 4 GiB."""
    return b"+" in content[2:4]


def _read_tiff(
    content: bytes, name: str, places: list[int], number: int, channels: Any
) -> np.ndarray:
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    header = ImageFileDirectory_v2(content[: 16 if _is_big(content) else 8])
    file = io.BytesIO(content)
    file.seek(places[number])
    header.load(file)
    _check_pixels(header[_WIDTH], header[_HEIGHT], name)
    image = None
    if header.get(_SAMPLES, 1) <= 4:
        image = _read_tiff_with_cv2(content, name, number)
    return _read_tiff_with_tifffile(content, name, number) if image is None else image


def _read_tiff_with_cv2(content: bytes, name: str, number: int) -> np.ndarray | None:
    import cv2  # slow to import

    buffer = np.frombuffer(content, np.uint8)
    if number == 0:
        image = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED)
    else:
        image = cv2.imdecodemulti(buffer, cv2.IMREAD_UNCHANGED)[1][number]
    return None if image is None else _to_rgb_order(_to_supported_dtype(image, name))


def _read_tiff_with_tifffile(content: bytes, name: str, number: int) -> np.ndarray:
    try:
        import tifffile
    except ImportError as error:
        raise ImportError(
            f"{name!r} is a TIFF file that requires tifffile. Install it with: "
            "pip install 'sklssl[tiff]'."
        ) from error
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        page = file.pages[number]
        image = page.asarray()
        return _to_supported_dtype(np.moveaxis(image, 0, -1) if page.axes == "SYX" else image, name)


def _to_supported_dtype(image: np.ndarray, name: str) -> np.ndarray:
    """Convert values of any width to uint8, uint16 or float32."""
    return image if image.dtype in (np.uint8, np.uint16) else _as_floats(image, name)


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


def corrupt_file_error(name: str) -> ImageFileError:
    """Return the error for a file that cannot be decoded."""
    return ImageFileError(
        f"{name!r} is corrupt or not an image. {REMEDY} (Formats that are read: JPEG, PNG, TIFF, "
        "BMP, GIF, WebP, PPM, JPEG 2000.)"
    )


def too_many_pixels_error(name: str) -> ImageFileError:
    """Return the error for an image that is too large."""
    return ImageFileError(
        f"{name!r} is too large: at most {_MAX_PIXELS} pixels are allowed. Make it smaller or "
        "remove it."
    )


def _check_pixels(width: int, height: int, name: str) -> None:
    if width * height > _MAX_PIXELS:
        raise too_many_pixels_error(name)
