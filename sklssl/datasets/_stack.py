"""Read image files into one array."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

import numpy as np

from sklssl._data.decode import (
    N_DECIDING,
    Channels,
    decode_image,
    depth_mismatch_message,
    first_of_usual_depth,
    no_readable_file_error,
    resize_image,
    warn_unread_pages,
)
from sklssl.exceptions import ImageFileError
from sklssl.utils._whole import is_whole

__all__ = ["check_read_options", "read_images"]


def check_read_options(
    owner: str,
    image_size: int | None,
    color: bool,
    pages: str | int,
    channels: str | Sequence[int] | None,
) -> dict[str, Any]:
    """Check the options for reading files and return them as arguments of `read_images`."""
    if image_size is not None and not is_whole(image_size):
        raise ValueError(
            f"The 'image_size' parameter of {owner} must be an int of at least 1 or None. Got "
            f"{image_size!r} instead."
        )
    if not isinstance(color, bool | np.bool_):
        raise ValueError(
            f"The 'color' parameter of {owner} must be True (RGB) or False (grey). Got {color!r}."
        )
    if not is_whole(pages, 0) and pages not in ("first", "max", "mean", "channels"):
        raise ValueError(
            f"The 'pages' parameter of {owner} must be 'first', 'max', 'mean', 'channels' or the "
            f"number of a page, from 0. Got {pages!r}."
        )
    chosen: Channels = "all"
    if channels is None:
        chosen = "all" if pages == "channels" else 3 if color else 1
    elif not isinstance(channels, str) or channels != "all":
        numbers = isinstance(channels, (list, tuple, range, np.ndarray)) and len(channels) > 0
        if not numbers or not all(is_whole(c, 0) for c in channels):
            raise ValueError(
                f"The 'channels' parameter of {owner} must be None, 'all' or the numbers of "
                f"channels, from 0. Got {channels!r}."
            )
        chosen = tuple(map(int, channels))
    return {"image_size": image_size, "pages": pages, "channels": chosen}


def read_images(
    names: Sequence[str],
    read: Callable[[str], bytes],
    *,
    image_size: int | None = None,
    channels: Channels = 3,
    pages: str | int = "first",
    errors: dict[int, str] | None = None,
) -> np.ndarray:
    """Read, decode and optionally resize images into one array (n, H, W, C).

    A file that cannot be read, or has another bit depth than the first one, raises an
    ImageFileError. If `errors` is a dict, the message is stored there under the position of the
    file instead, the image has arbitrary values, and the depth is the usual one of the first files.
    """
    multipage: list[tuple[str, int]] = []

    def decode(name: str) -> np.ndarray:
        image = decode_image(read(name), name, channels, pages, multipage)
        return image if image_size is None else resize_image(image, (image_size, image_size))

    readable = _readable(names, decode, errors)
    found = list(islice(readable, 1 if errors is None else N_DECIDING))
    if not found:
        raise no_readable_file_error(len(names), (errors or {}).get(0))
    first, image = first_of_usual_depth(found)
    images = np.empty((len(names), *image.shape), image.dtype)
    for i, image in chain(found, readable):
        if image.dtype == images.dtype:
            _check_same_shape(image, names[i], images, names[first])
            images[i] = image
            continue
        text = depth_mismatch_message(repr(names[first]), images.dtype, repr(names[i]), image.dtype)
        if errors is None:
            raise ImageFileError(text)
        errors[i] = text
    if multipage:
        warn_unread_pages(*multipage[0])
    return images


def _readable(
    names: Sequence[str], decode: Callable[[str], np.ndarray], errors: dict[int, str] | None
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the position and image of each file that can be read."""
    for i, name in enumerate(names):
        try:
            yield i, decode(name)
        except ImageFileError as error:
            if errors is None:
                raise
            errors[i] = str(error)


def _check_same_shape(image: np.ndarray, name: str, images: np.ndarray, first: str) -> None:
    """Raise an error if an image has another shape than the first one."""
    if image.shape[2] != images.shape[3]:
        raise ValueError(
            f"The images differ in channels: {first!r} has {images.shape[3]}, {name!r} has "
            f"{image.shape[2]}. Select the channels to read with 'channels' or 'color'."
        )
    if image.shape != images.shape[1:]:
        raise ValueError(
            f"The images differ in size: {first!r} has {images.shape[1]}x{images.shape[2]} "
            f"pixels (height x width), {name!r} {image.shape[0]}x{image.shape[1]}. Set "
            "image_size to resize all images to one size."
        )
