"""Convert the pixels that libraries decode to arrays that no other part needs to convert."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sklssl.exceptions import ImageFileError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "EXACT",
    "REMEDY",
    "check_pixels",
    "corrupt_file_error",
    "drop_alpha",
    "has_alpha",
    "read_picture",
    "to_rgb_order",
    "to_supported_dtype",
    "too_many_pixels_error",
    "turn",
    "wrong_channels_error",
]

REMEDY = "Repair it or remove it."
EXACT = 2**24  # float32 holds every whole number up to this one

# A file of a few kilobytes may expand to gigabytes.
_MAX_PIXELS = 2**26
_MAX_VALUES = 2**28  # in all channels
_EIGHT_BITS = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")
_ALPHA = ("LA", "PA", "RGBA", "RGBa")
_COLOUR_KEY = ("1", "L", "P", "RGB")  # one colour, or entries of the palette, may be transparent
# The mode to convert to if all channels of an image are requested.
_STORED = {"1": "L", "LA": "LA", "L": "L", "PA": "RGBA", "RGBA": "RGBA", "RGBa": "RGBA"}


def read_picture(image: Image, name: str, channels: Any) -> np.ndarray:
    """Convert a PIL image to an array, rotated according to its EXIF entry.

    Parameters
    ----------
    image : PIL.Image.Image
        The image, at the requested frame.

    name : str
        The name of the file in error messages.

    channels : int or other
        3 for RGB, 1 for grey, anything else for the stored channels. Of an image with alpha, 3 and
        1 return the colours as they are stored.

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
    if channels in (1, 3) and has_alpha(image):
        return drop_alpha(np.array(image.convert("LA" if image.mode == "LA" else "RGBA")))
    mode = {1: "L", 3: "RGB"}.get(channels) or _STORED.get(image.mode, "RGB")
    return np.array(image.convert(mode))


def has_alpha(image: Image) -> bool:
    """Return whether a PIL image has alpha, or transparent colours; no pixel is decoded."""
    keyed = image.mode in _COLOUR_KEY and "transparency" in image.info
    return keyed or image.mode in _ALPHA


def drop_alpha(
    image: np.ndarray, bits: int | None = None, *, premultiplied: bool = False
) -> np.ndarray:
    """Return the colours of an image whose last channel is alpha, over grey if that varies.

    Over mid-grey, neither black nor white drawings on a transparent ground vanish. Alpha that is
    the same everywhere tells nothing, and some programs write 0 for opaque images.

    Parameters
    ----------
    image : ndarray of shape (H, W, S + 1)

    bits : int, default=None
        The bits of a value; None means those of the dtype.

    premultiplied : bool, default=False
        Whether the colours have been multiplied by alpha.

    Returns
    -------
    image : ndarray of shape (H, W, S)
        Of the same dtype. Alpha of floats, whose range is not known, is ignored.
    """
    colours, alpha = image[..., :-1], image[..., -1:]
    if image.dtype.kind == "f" or alpha.min() == alpha.max():
        return colours
    most = 2 ** (bits or 8 * image.dtype.itemsize) - 1
    grey = np.float32((most + 1) // 2)
    share = alpha / np.float32(most)
    blended = grey * (1 - share) + colours * (np.float32(1) if premultiplied else share)
    return np.rint(blended).clip(0, most).astype(image.dtype)


def to_rgb_order(image: np.ndarray) -> np.ndarray:
    """Reorder channels decoded by cv2 to RGB or RGBA."""
    import cv2  # slow to import

    if image.ndim == 3 and image.shape[2] in (3, 4):
        code = cv2.COLOR_BGR2RGB if image.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
        return cv2.cvtColor(image, code)
    return image


def turn(image: np.ndarray, orientation: int) -> np.ndarray:
    """Turn an image as its EXIF or TIFF orientation says, if the library did not do so."""
    if orientation >= 5:
        image = image.swapaxes(0, 1)
    return image[
        :: -1 if orientation in (3, 4, 7, 8) else 1, :: -1 if orientation in (2, 3, 6, 7) else 1
    ]


def to_supported_dtype(image: np.ndarray, name: str) -> np.ndarray:
    """Convert values of any width to uint8, uint16 or float32."""
    return image if image.dtype in (np.uint8, np.uint16) else _as_floats(image, name)


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


def wrong_channels_error(name: str, stored: int, channels: Any) -> ImageFileError:
    """Return the error for an image with another number of channels than requested."""
    return ImageFileError(
        f"{name!r} has {stored} channels, but {channels} were requested. Set the channels in "
        "the image_shape of an embedder to the number in the files, or select some with "
        "channels=[...] in sklssl.datasets.load_images or load_image_folder."
    )


def check_pixels(width: int, height: int, name: str, channels: int = 1) -> None:
    """Raise an error if an image is too large, before memory is allocated for it."""
    if width * height > _MAX_PIXELS or width * height * channels > _MAX_VALUES:
        raise too_many_pixels_error(name)
