"""Decode image files, and bring images to another size."""

import errno
import io
import os
import stat
from contextlib import contextmanager

import numpy as np

from sklssl.exceptions import ImageFileError

__all__ = [
    "blame_file",
    "check_bytes",
    "decode_image",
    "different_depths",
    "read_bytes",
    "read_image_file",
    "resize_image",
    "say_left_out",
]

# Far above any camera's pictures, far below what fills a computer's memory: a file of a few
# kilobytes may claim to unfold into gigabytes.
_MAX_FILE_BYTES = 2**28
_MAX_PIXELS = 2**26
# No others: some of what Pillow opens it hands on to other programs.
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000")
_EIGHT_BITS = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")
# These say that the computer is short of something, not that a file is bad.
_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_REMEDY = "Repair it or leave it out."


def read_image_file(path, color):
    """Read and decode one image file.

    Parameters
    ----------
    path : str or path-like
        A regular file.

    color : bool
        Whether to give red, green and blue, else grey; see :func:`decode_image`.

    Returns
    -------
    image : ndarray of shape (H, W, 3) or (H, W, 1), uint8

    Raises
    ------
    ImageFileError
        If there is no such file, or it cannot be read or decoded.
    """
    return decode_image(read_bytes(path), os.fspath(path), color)


def read_bytes(path, name=None):
    """Read a file of any kind that can hold an image; `name` is what errors call it."""
    name = os.fspath(path) if name is None else name
    with blame_file(name):
        status = os.stat(path)
        if stat.S_ISREG(status.st_mode):  # opening a named pipe would wait for its other end
            check_bytes(status.st_size, name)
            with open(path, "rb") as file:
                return file.read()
    kind = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
    raise ImageFileError(f"{name!r} is {kind}, not an image. Leave it out.")


@contextmanager
def blame_file(name):
    """Turn what the system says about a file into an ImageFileError, if the file is to blame."""
    try:
        yield
    except ImageFileError:
        raise
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) in _SHORTAGES:
            raise
        reason = getattr(error, "strerror", None) or error
        raise ImageFileError(f"{name!r} cannot be read: {reason}. {_REMEDY}") from error


def check_bytes(size, name):
    """Refuse a file that is larger than any image."""
    if size > _MAX_FILE_BYTES:
        raise ImageFileError(
            f"{name!r} is too large: {size} bytes, where at most {_MAX_FILE_BYTES} are read. "
            "Make it smaller or leave it out."
        )


def decode_image(content, name, color):
    """Decode one image file: JPEG, PNG, WebP, TIFF, BMP, GIF, PPM/PGM/PBM or JPEG 2000.

    What is in the file comes out as follows.

    - Grey, also 1 bit a pixel: all three colours are the grey value; 1 bit becomes 0 and 255.
    - Palette: the colours of the palette.
    - Alpha: dropped. What a transparent pixel shows is the colour that is stored below it.
    - 16 bits a channel: the high byte, so 65535 becomes 255; PPM rounds instead. Images that use
      only some of the 16 bits come out dark.
    - CMYK and YCbCr: converted to RGB without a colour profile, a CMYK JPEG as Adobe writes it
      (inverted), which is how practically all are.
    - Colour to grey: 0.299 red + 0.587 green + 0.114 blue.
    - EXIF rotation: applied.
    - Several pages or frames: the first one.
    - Floats, 32 bits or Lab: refused, for there is no one way to bring them to 8 bits.

    Parameters
    ----------
    content : bytes
        The whole file.

    name : str
        What errors call it.

    color : bool
        Whether to give red, green and blue, else grey.

    Returns
    -------
    image : ndarray of shape (H, W, 3) or (H, W, 1), uint8
        Contiguous and writable.

    Raises
    ------
    ImageFileError
        If `content` is no image, is damaged, incomplete, too large or of a kind refused above.
        Damage that only changes the values of pixels is not noticed.
    """
    from PIL import Image

    try:
        # Opening reads the header: no memory is spent on what it claims.
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise _too_many_pixels(name)
            if image.format in ("JPEG", "MPO", "PNG"):
                return _decode_quickly(content, name, color)
            return _decode_with_pillow(image, name, color)
    except (ImageFileError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels(name) from error
    except Exception as error:  # Pillow raises whatever a damaged file makes it trip over
        raise _damaged(name) from error


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


def _decode_quickly(content, name, color):
    """Decode JPEG or PNG; cv2 does what Pillow does, in less time."""
    import cv2  # slow to import

    # Some versions of cv2 fill what is missing with grey, and all write to stderr.
    if not _is_complete(content):
        raise ImageFileError(f"{name!r} is damaged: its end is missing. {_REMEDY}")
    flag = cv2.IMREAD_COLOR if color else cv2.IMREAD_GRAYSCALE
    image = cv2.imdecode(np.frombuffer(content, np.uint8), flag)
    if image is None:
        raise _damaged(name)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB) if color else image[..., np.newaxis]


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


def _decode_with_pillow(image, name, color):
    from PIL import ImageOps

    # Pillow opens 16-bit PGM as 32 bits.
    is_16_bits = image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM")
    if not is_16_bits and image.mode not in _EIGHT_BITS:
        raise ImageFileError(
            f"{name!r} has pixels that are not read (Pillow calls them {image.mode!r}). Convert it "
            "to 8 or 16 bits a channel or leave it out."
        )
    if image.format != "TIFF":  # which Pillow rotates by itself, some versions then once more
        image = ImageOps.exif_transpose(image)
    if not is_16_bits:
        image = np.array(image.convert("RGB" if color else "L"))
        return image if color else image[..., np.newaxis]
    image = (np.asarray(image) >> 8).astype(np.uint8)[..., np.newaxis]
    return np.repeat(image, 3, axis=2) if color else image


def _damaged(name):
    return ImageFileError(f"{name!r} is no image or is damaged. {_REMEDY}")


def _too_many_pixels(name):
    return ImageFileError(
        f"{name!r} is too large: at most {_MAX_PIXELS} pixels are read. Make it smaller or remove "
        "it."
    )


def say_left_out(names, n_images):
    """Say which files of how many are left out."""
    shown = ", ".join(repr(str(name)) for name in names[:3])
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    verb = "is" if len(names) == 1 else "are"
    return (
        f"{len(names)} of {n_images} image files cannot be read and {verb} left out: {shown}{more}."
    )


def different_depths(name, dtype, other, other_dtype):
    """Say that two images are not of one depth."""
    return (
        f"The images differ in depth: {name!r} has {_depth(dtype)}, {other!r} has "
        f"{_depth(other_dtype)}. Convert them to one depth, so that their values mean the same."
    )


def _depth(dtype):
    return "floats" if np.dtype(dtype).kind == "f" else f"{8 * np.dtype(dtype).itemsize} bits"
