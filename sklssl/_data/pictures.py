"""Convert PIL images to an array of images."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from sklssl._data.columns import is_array_sequence, is_picture_sequence, unwrap_images
from sklssl._data.decode import (
    depth_mismatch_message,
    errors_name_file,
    resize_image,
    select_channels,
)
from sklssl._data.pixels import read_picture

__all__ = ["resize_each", "stack_pictures"]


def resize_each(X: Any, size: tuple[int, int], *, who: str) -> Any:
    """Resize a sequence of PIL images, or of arrays; return any other `X`, such as an array.

    Parameters
    ----------
    X : array-like
        The input of a transformer.

    size : tuple of (height, width)

    who : str
        The name of the caller; used in error messages.

    Returns
    -------
    images : ndarray of shape (n, height, width, C), or `X` itself
    """
    given = unwrap_images(X, stack=False)
    if is_picture_sequence(given):
        return stack_pictures(given, 3, size, who=who)
    if not is_array_sequence(given):
        return X
    pixels = [x if x.ndim == 3 else x[..., np.newaxis] for x in given]
    return np.stack([resize_image(x, size) for x in pixels])


def stack_pictures(
    pictures: Iterable[Any], channels: int, size: tuple[int, int] | None = None, *, who: str
) -> np.ndarray:
    """Convert PIL images to an array, in the same way as image files.

    Parameters
    ----------
    pictures : sequence of PIL.Image.Image
        The images. If one has several frames, the current frame is used.

    channels : int
        3 for RGB, 1 for grey, or the number of channels that the images have.

    size : tuple of (height, width), default=None
        The size to which images are resized. If None, all must have the same size.

    who : str
        The name of the caller; used in error messages.

    Returns
    -------
    images : ndarray of shape (n, H, W, C), uint8, uint16 or float32

    Raises
    ------
    ValueError
        If images differ in size or bit depth, or cannot be read.
    """
    images = []
    for i, picture in enumerate(pictures):
        name = f"image {i} of X"
        with errors_name_file(name):
            image = select_channels(read_picture(picture, name, channels), channels, name)
        images.append(image if size is None else resize_image(image, size))
        if images[0].shape != images[i].shape:
            (height, width), (h, w) = images[0].shape[:2], images[i].shape[:2]
            raise ValueError(
                f"{who} needs images of one size, but the first one in X has {height}x{width} "
                f"pixels (height x width) and {name} {h}x{w}. Set image_size to resize them to "
                "one size, or use PIL's resize."
            )
        if images[0].dtype != images[i].dtype:
            raise ValueError(
                depth_mismatch_message(
                    "the first image in X", images[0].dtype, name, images[i].dtype
                )
            )
    return np.stack(images)
