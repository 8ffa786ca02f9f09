"""Read the pages of TIFF files.

No library reads all of them: Pillow truncates deep and signed values, it and cv2 return only one of
several bands, and cv2 returns zeros for what it cannot decode of 8-bit pages, all without an error.
Each page is therefore read by the first of Pillow, cv2 and tifffile that returns pages with such
tags as they are stored.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from sklssl._data.pixels import (
    check_pixels,
    drop_alpha,
    read_picture,
    to_rgb_order,
    to_supported_dtype,
    turn,
    wrong_channels_error,
)
from sklssl._data.silence import silent_cv2
from sklssl.exceptions import ImageFileError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["TIFF", "open_tiff"]

_BIG_ENDIAN_BIG = b"MM\0+"  # BigTIFFs whose byte order Pillow does not follow
TIFF = (b"II*\0", b"MM\0*", b"II+\0", _BIG_ENDIAN_BIG)  # how such files begin

_MAX_PAGES = 2**16  # a hostile file of the largest size may have millions
_FORMATS = {1: "B", 3: "H", 4: "I", 16: "Q"}  # of the values of tags: unsigned integers
_TAGS = (256, 257, 258, 259, 262, 274, 277, 284, 338, 339)
_GREY, _RGB, _YCBCR = (0, 1), 2, 6  # colour spaces; grey with 0 as white, or as black
_JPEG = 7
# What every build of Pillow decompresses; those without Zstandard or WebP also write to stderr.
_COMMON = (1, 2, 3, 4, 5, 6, _JPEG, 8, 32771, 32773, 32809, 32946, 34925)
_PREMULTIPLIED = (1,)
_ALPHA = (_PREMULTIPLIED, (2,))  # kinds of extra channels
_SIGNED, _FLOAT, _COMPLEX = 2, 3, (5, 6)  # kinds of values


@dataclass(frozen=True)
class _Page:
    """How a page is stored, by the names of the TIFF specification."""

    width: int
    height: int
    bits: int
    compression: int
    colours: int
    n_channels: int
    planar: bool
    extra: tuple[int, ...]
    values: int
    orientation: int

    @property
    def is_deep(self) -> bool:
        """Whether Pillow would truncate the values."""
        return self.bits > 8 or self.values == _SIGNED

    @property
    def has_alpha(self) -> bool:
        """Whether the last channel, after grey or RGB, is alpha."""
        n_colours = 1 if self.colours in _GREY else 3
        return self.n_channels == n_colours + 1 and self.extra in _ALPHA

    @property
    def has_bands(self) -> bool:
        """Whether the channels are neither grey nor RGB, with or without an extra one."""
        return self.colours in _GREY and self.n_channels not in (1, 3) and not self.has_alpha

    @property
    def has_white_zeros(self) -> bool:
        """Whether 0 is white, of unsigned values: others have no largest one that is black."""
        unsigned = self.values not in (_SIGNED, _FLOAT) and self.bits <= 16
        return self.colours == _GREY[0] and self.n_channels == 1 and unsigned

    @property
    def suits_pillow(self) -> bool:
        """Whether Pillow reads all channels, or converts them to colours as documented."""
        if self.is_deep:
            return False
        if self.colours not in (*_GREY, _RGB):  # nothing else converts them
            return True
        n_extra = self.n_channels - (1 if self.colours in _GREY else 3)
        known = n_extra == 0 or (self.has_alpha and not self.planar)
        return known and self.compression in _COMMON

    @property
    def suits_cv2(self) -> bool:
        """Whether the page is deep, with one grey channel, or interleaved RGB or RGBA."""
        if self.bits <= 8:
            return False
        if self.colours in _GREY:
            return self.n_channels == 1
        return self.colours == _RGB and self.n_channels in (3, 4) and not self.planar


def open_tiff(content: bytes, name: str) -> tuple[int, Callable[[int, Any], np.ndarray]]:
    """Open a TIFF file without allocating memory for its pixels.

    The parameters, and what is returned and raised, are those of
    :func:`sklssl._data.pages.open_pages`.
    """
    from PIL import Image, UnidentifiedImageError

    image = None
    if content[:4] != _BIG_ENDIAN_BIG:
        # Pillow knows neither all depths nor all layouts, and a first page that is too large for it
        # may not be the one to read.
        with suppress(UnidentifiedImageError, Image.DecompressionBombError):
            image = Image.open(io.BytesIO(content), formats=("TIFF",))
    places = _find_pages(content, name)
    return len(places), partial(_read, image, content, name, places)


def _read(
    image: Image | None,
    content: bytes,
    name: str,
    places: list[int],
    number: int,
    channels: Any,
) -> np.ndarray:
    page = _read_page(content, places[number])
    check_pixels(page.width, page.height, name, page.n_channels)
    if page.has_bands and channels in (1, 3):
        raise wrong_channels_error(name, page.n_channels, channels)
    if image is not None and page.suits_pillow:
        image.seek(number)
        return read_picture(image, name, channels)
    if page.colours not in (*_GREY, _RGB) or page.values in _COMPLEX:
        what = "complex" if page.values in _COMPLEX else "neither grey, RGB nor bands"
        raise ImageFileError(
            f"{name!r} is a TIFF file that Pillow cannot read and whose values are {what}. Convert "
            "it to an ordinary grey or RGB image, or remove it."
        )
    pixels = _read_with_cv2(content, name, number) if page.suits_cv2 else None
    if pixels is None:
        pixels = turn(_read_with_tifffile(content, name, number), page.orientation)
    elif page.bits < 16:
        pixels >>= 16 - page.bits  # cv2 scales packed values to 16 bits
    if page.has_white_zeros:
        pixels = 2**page.bits - 1 - pixels
    if channels in (1, 3) and page.has_alpha:
        return drop_alpha(pixels, page.bits, premultiplied=page.extra == _PREMULTIPLIED)
    return pixels


def _read_with_cv2(content: bytes, name: str, number: int) -> np.ndarray | None:
    import cv2  # slow to import

    buffer = np.frombuffer(content, np.uint8)
    wanted = (number, number + 1)
    try:
        with silent_cv2:
            _, images = cv2.imdecodemulti(buffer, cv2.IMREAD_UNCHANGED, range=wanted)
    except cv2.error:  # it cannot read another page
        return None
    return to_rgb_order(to_supported_dtype(images[0], name)) if images else None


def _read_with_tifffile(content: bytes, name: str, number: int) -> np.ndarray:
    try:
        import imagecodecs  # noqa: F401  tifffile needs it for most kinds of compression
        import tifffile
    except ImportError as error:
        raise ImportError(
            f"{name!r} is a TIFF file that requires tifffile and imagecodecs. Install them with: "
            "pip install 'sklssl[tiff]'."
        ) from error
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        page = file.pages[number].aspage()
        if page.compression not in tifffile.TIFF.DECOMPRESSORS:
            raise _unknown_compression_error(name, page.compression)
        try:
            image = page.asarray()
        except ImportError as error:  # imagecodecs may be built without some kinds of compression
            raise _unknown_compression_error(name, page.compression) from error
        image = np.moveaxis(image, 0, -1) if page.axes == "SYX" else image
        if page.bitspersample in range(1, 8):  # become 0 to 255, as by Pillow
            image = np.rint(image * (255 / (2**page.bitspersample - 1))).astype(np.uint8)
        return to_supported_dtype(image.astype(image.dtype.newbyteorder("="), copy=False), name)


def _unknown_compression_error(name: str, compression: int) -> ImageFileError:
    return ImageFileError(
        f"{name!r} is a TIFF file with compression {int(compression)}, which the installed "
        "imagecodecs cannot decode. Update imagecodecs, convert the file, for example to PNG, or "
        "remove it."
    )


# Tags ---------------------------------------------------------------------------------------


def _find_pages(content: bytes, name: str) -> list[int]:
    """Return the offset of the tags of each page, by following the chain of pages."""
    order, pointer, count, entry, at = _layout(content)
    places: dict[int, None] = {}  # in order
    (place,) = struct.unpack_from(order + pointer, content, at)
    while place and place not in places:
        if len(places) == _MAX_PAGES:
            raise ImageFileError(
                f"{name!r} has more than {_MAX_PAGES} pages. Divide it into several files, or "
                "remove it."
            )
        places[place] = None
        (n_tags,) = struct.unpack_from(order + count, content, place)
        place += struct.calcsize(count) + n_tags * struct.calcsize(order + entry)
        (place,) = struct.unpack_from(order + pointer, content, place)
    return list(places)


def _is_big(content: bytes) -> bool:
    """Return whether a TIFF is a BigTIFF, which may be larger than 4 GiB."""
    return b"+" in content[2:4]


def _layout(content: bytes) -> tuple[str, str, str, str, int]:
    """Return byte order, formats (pointer, number of tags, tag) and where the first pointer is."""
    order = "<" if content[:2] == b"II" else ">"
    if _is_big(content):
        return order, "Q", "Q", "HHQ8s", 8
    return order, "I", "H", "HHI4s", 4


def _read_page(content: bytes, place: int) -> _Page:
    tags = _read_tags(content, place)
    colours, compression = tags.get(262, (1,))[0], tags.get(259, (1,))[0]
    if colours == _YCBCR and compression == _JPEG:
        colours = _RGB  # as it is decoded
    return _Page(
        width=tags[256][0],
        height=tags[257][0],
        bits=max(8, *tags.get(258, (1,))),  # as they are decoded
        compression=compression,
        colours=colours,
        n_channels=tags.get(277, (1,))[0],
        planar=tags.get(284, (1,))[0] == 2,
        extra=tags.get(338, ()),
        values=tags.get(339, (1,))[0],
        orientation=tags.get(274, (1,))[0],
    )


def _read_tags(content: bytes, place: int) -> dict[int, tuple[int, ...]]:
    """Return the tags of a page that say how it is stored."""
    order, pointer, count, entry, _ = _layout(content)
    (n_tags,) = struct.unpack_from(order + count, content, place)
    place += struct.calcsize(count)
    size = struct.calcsize(order + entry)
    tags = {}
    for at in range(place, place + n_tags * size, size):
        tag, kind, n_values, field = struct.unpack_from(order + entry, content, at)
        if tag not in _TAGS or kind not in _FORMATS:  # others may be as large as the file
            continue
        values = f"{order}{n_values}{_FORMATS[kind]}"
        if struct.calcsize(values) <= len(field):  # else the field is a pointer to them
            tags[tag] = struct.unpack_from(values, field)
        else:
            tags[tag] = struct.unpack_from(values, content, *struct.unpack(order + pointer, field))
    return tags
