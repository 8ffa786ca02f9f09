"""Pictures of Pillow as an array of images."""

import numpy as np

from sklssl._data.decode import different_depths, resize_image, take_channels
from sklssl._data.pages import read_picture

__all__ = ["stack_pictures"]


def stack_pictures(pictures, channels, size=None, *, who):
    """Make an array of pictures, as if they were read from files.

    Parameters
    ----------
    pictures : sequence of PIL.Image.Image
        Of several frames, the present one is taken.

    channels : int
        3 for red, green and blue, 1 for grey, or the number that the pictures have.

    size : tuple of (height, width), default=None
        What they are resized to. None requires that all have one size.

    who : str
        Who asks; named in the errors.

    Returns
    -------
    images : ndarray of shape (n, H, W, C), uint8, uint16 or float32

    Raises
    ------
    ValueError
        If they differ in size or depth, or cannot be read.
    """
    images = []
    for i, picture in enumerate(pictures):
        name = f"picture {i} of X"
        image = take_channels(read_picture(picture, name, channels), channels, name)
        images.append(image if size is None else resize_image(image, size))
        if images[0].shape != images[i].shape:
            (height, width), (h, w) = images[0].shape[:2], images[i].shape[:2]
            raise ValueError(
                f"{who} needs pictures of one size, but the first one in X has {height}x{width} "
                f"pixels (height x width) and {name} {h}x{w}. Set image_size to bring them to one "
                "size, or use PIL's resize."
            )
        if images[0].dtype != images[i].dtype:
            raise ValueError(
                different_depths("the first picture in X", images[0].dtype, name, images[i].dtype)
            )
    return np.stack(images)
