"""The pages of an image file, by whichever library reads them without loss."""

import io
import struct
from functools import partial

import numpy as np

from sklssl.exceptions import ImageFileError

__all__ = ["EXACT", "REMEDY", "damaged", "open_pages", "read_picture", "too_many_pixels"]

REMEDY = "Repair it or leave it out."

# A file of a few kilobytes may claim to unfold into gigabytes.
_MAX_PIXELS = 2**26
_MAX_PAGES = 2**12
# No others: some of what Pillow opens it hands on to other programs.
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000")
_EIGHT_BITS = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")
# What the channels are called that such an image has, if all of them are wanted.
_STORED = {"1": "L", "LA": "LA", "L": "L", "PA": "RGBA", "RGBA": "RGBA", "RGBa": "RGBA"}
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_WIDTH, _HEIGHT, _BITS, _SAMPLES = 256, 257, 258, 277  # tags of TIFF
EXACT = 2**24  # float32 holds every whole number up to this one


def open_pages(content, name):
    """Look into an image file; no memory is spent yet on what its header claims.

    Parameters
    ----------
    content : bytes
        The whole file.

    name : str
        What errors call it.

    Returns
    -------
    n_pages : int
        Pages or frames.

    read : callable
        ``read(number, channels)`` decodes a page: (H, W) or (H, W, S) of uint8, uint16 or float32,
        with red, green and blue for 3 channels, grey for 1, and otherwise what is stored; an image
        of more than 8 bits a channel may have what is stored in any case.

    Raises
    ------
    ImageFileError
        If the image is too large, or cut off.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        image = Image.open(io.BytesIO(content), formats=_FORMATS)
    except UnidentifiedImageError:
        if content[:4] not in _TIFF:
            raise
        return _open_tiff(content, name)
    _check_pixels(image.width, image.height, name)
    if image.format == "TIFF" and _is_deep(image):
        return _open_tiff(content, name)
    # The second image of a phone's JPEG (MPO) is a preview or for the screen, no page.
    n_pages = 1 if image.format in ("JPEG", "MPO") else getattr(image, "n_frames", 1)
    return n_pages, partial(_read, image, content, name)


def _read(image, content, name, number, channels):
    """Decode a page of what Pillow has opened."""
    if number == 0 and image.format in ("JPEG", "MPO", "PNG"):
        # Some versions of cv2 fill what is missing with grey, and all write to stderr.
        if not _is_complete(content):
            raise ImageFileError(f"{name!r} is damaged: its end is missing. {REMEDY}")
        if channels in (1, 3):  # cv2 does what Pillow does, in less time
            return _decode_with_cv2(content, name, channels)
    if _may_be_deep(image, content):
        deep = _decode_with_cv2(content, name, channels if channels in (1, 3) else None)
        if deep.dtype == np.uint16:
            return deep
    image.seek(number)
    return read_picture(image, name, channels)


def _may_be_deep(image, content):
    """Tell whether an image may have more than 8 bits a channel that Pillow would cut or scale."""
    if image.format == "PNG":
        return content[24] == 16
    return image.format in ("PPM", "JPEG2000") and image.mode != "1"


def _decode_with_cv2(content, name, channels):
    """Decode the first page; None for `channels` gives those that are stored."""
    import cv2  # slow to import

    flags = {
        1: cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH,
        3: cv2.IMREAD_COLOR_BGR | cv2.IMREAD_ANYDEPTH,
    }
    image = cv2.imdecode(
        np.frombuffer(content, np.uint8), flags.get(channels, cv2.IMREAD_UNCHANGED)
    )
    if image is None:
        raise damaged(name)
    return _in_order(image)


def _in_order(image):
    """Give what cv2 has decoded as red, green, blue and alpha."""
    import cv2  # slow to import

    if image.ndim == 3 and image.shape[2] in (3, 4):
        code = cv2.COLOR_BGR2RGB if image.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
        return cv2.cvtColor(image, code)
    return image


def read_picture(image, name, channels):
    """Give an image of Pillow as an array, turned as its EXIF entry says.

    Parameters
    ----------
    image : PIL.Image.Image
        At the frame that is wanted.

    name : str
        What errors call it.

    channels : int or other
        3 gives red, green and blue, 1 grey, all else what is stored.

    Returns
    -------
    image : ndarray of shape (H, W) or (H, W, S), uint8, uint16 or float32
    """
    from PIL import ImageOps

    if image.format != "TIFF":  # which Pillow rotates by itself, some versions then once more
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        return np.array(image, dtype=np.uint16)
    if image.mode in ("I", "F"):
        return _as_floats(np.asarray(image), name)
    if image.mode not in _EIGHT_BITS:
        raise ImageFileError(
            f"{name!r} has pixels that are not read (Pillow calls them {image.mode!r}). Convert it "
            "to grey or RGB, or leave it out."
        )
    mode = {1: "L", 3: "RGB"}.get(channels) or _STORED.get(image.mode, "RGB")
    return np.array(image.convert(mode))


def _as_floats(values, name):
    """Give whole numbers or floats of any width as float32, if it holds them."""
    if (
        values.dtype.kind in "iu"
        and values.size
        and np.abs(values.astype(np.float64)).max() > EXACT
    ):
        raise ImageFileError(
            f"{name!r} has whole numbers beyond {EXACT}, which float32 would round. Convert them "
            "to 16 bits, or to floats of a smaller range."
        )
    return values.astype(np.float32)


def _is_deep(image):
    """Tell whether a TIFF has more than 8 bits a channel that Pillow would cut."""
    bits = image.tag_v2.get(_BITS, (8,))
    return max(bits) > 8 and not (image.mode.startswith("I;16") or image.mode in ("I", "F"))


def _open_tiff(content, name):
    """Open a TIFF that Pillow does not read, or not without loss."""
    places = _find_pages(content)
    return len(places), partial(_read_tiff, content, name, places)


def _find_pages(content):
    """Give the place of the header of each page, by the chain that they make."""
    order = "<" if content[:2] == b"II" else ">"
    count, entry, pointer, at = ("Q", 20, "Q", 8) if _is_big(content) else ("H", 12, "I", 4)
    places = []
    (place,) = struct.unpack_from(order + pointer, content, at)
    while place and place not in places and len(places) < _MAX_PAGES:
        places.append(place)
        (n_entries,) = struct.unpack_from(order + count, content, place)
        place += struct.calcsize(count) + n_entries * entry
        (place,) = struct.unpack_from(order + pointer, content, place)
    return places


def _is_big(content):
    """Tell whether a TIFF is of the kind that may be larger than 4 GiB."""
    return b"+" in content[2:4]


def _read_tiff(content, name, places, number, channels):
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


def _read_tiff_with_cv2(content, name, number):
    import cv2  # slow to import

    buffer = np.frombuffer(content, np.uint8)
    if number == 0:
        image = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED)
    else:
        image = cv2.imdecodemulti(buffer, cv2.IMREAD_UNCHANGED)[1][number]
    return None if image is None else _in_order(_narrow(image, name))


def _read_tiff_with_tifffile(content, name, number):
    try:
        import tifffile
    except ImportError as error:
        raise ImportError(
            f"{name!r} is a TIFF file that needs tifffile. Install it: pip install 'sklssl[tiff]'."
        ) from error
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        page = file.pages[number]
        image = page.asarray()
        return _narrow(np.moveaxis(image, 0, -1) if page.axes == "SYX" else image, name)


def _narrow(image, name):
    """Give values of any width as uint8, uint16 or float32."""
    return image if image.dtype in (np.uint8, np.uint16) else _as_floats(image, name)


def _is_complete(content):
    """Look for the marker that ends a JPEG or PNG; other data may follow it."""
    if not content.startswith(b"\xff\xd8"):
        return content.rfind(b"IEND\xaeB\x60\x82") >= 0
    # The header of a JPEG may hold a small preview with an end of its own: step over the header's
    # segments to the first scan, which no end marker can be within.
    at = 2
    while content[at : at + 1] == b"\xff" and content[at + 1 : at + 2] != b"\xda":
        if content[at + 1 : at + 2] == b"\xff":
            at += 1
        else:
            at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return content.rfind(b"\xff\xd9", at) >= 0


def damaged(name):
    """Say that a file cannot be decoded."""
    return ImageFileError(f"{name!r} is no image or is damaged. {REMEDY}")


def too_many_pixels(name):
    """Say that an image is too large."""
    return ImageFileError(
        f"{name!r} is too large: at most {_MAX_PIXELS} pixels are read. Make it smaller or remove "
        "it."
    )


def _check_pixels(width, height, name):
    if width * height > _MAX_PIXELS:
        raise too_many_pixels(name)
