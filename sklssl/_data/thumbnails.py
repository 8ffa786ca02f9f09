"""Convert images of any kind to small RGB pictures that can be drawn."""

from collections.abc import Iterable, Sequence

import numpy as np

from sklssl._data.arrays import check_images, fold_rows, resolve_image_shape
from sklssl._data.columns import is_path_sequence, is_picture_sequence, unwrap_images
from sklssl._data.decode import read_image_file, resize_image
from sklssl._data.pixels import read_picture
from sklssl._data.rows import take_rows
from sklssl.utils._typing import ImagesLike

__all__ = ["make_thumbnails"]

# The darkest and brightest values are cut off, since a few hot pixels would make the rest black.
_SHOWN_PERCENTILES = 0.1, 99.9


def make_thumbnails(
    X: ImagesLike,
    rows: np.ndarray,
    *,
    longest: int | None = None,
    image_shape: Sequence[int] | None = None,
    owner: object = None,
) -> list[np.ndarray]:
    """Return some images of `X` as uint8 RGB pictures of their own height and width.

    Grey images get three equal channels, two channels become red and green, of more than three
    the first three are shown. Values other than uint8 and [0, 1] are scaled from their range over
    all of the returned images, without the darkest and brightest thousandth.

    Parameters
    ----------
    X : array-like of images or rows, or sequence or column of file names or pictures
        Only the chosen rows are read.

    rows : ndarray of int
        Which images.

    longest : int, default=None
        Larger images are shrunk until neither side is longer. None keeps all sizes.

    image_shape : tuple of int, default=None
        The shape of images stored as rows; None means the smallest square.

    owner : estimator or str
        The caller; used in error messages.

    Returns
    -------
    pictures : list of ndarray of shape (h, w, 3), uint8

    Raises
    ------
    ImageFileError
        If a file cannot be read.
    ValueError
        If `X` does not hold images.
    """
    given = unwrap_images(X)
    images: Iterable[np.ndarray]
    if is_path_sequence(given):
        images = (read_image_file(path, "all") for path in take_rows(given, rows))
    elif is_picture_sequence(given):
        images = (
            read_picture(picture, f"image {row} of X", 3)
            for picture, row in zip(take_rows(given, rows), rows, strict=True)
        )
    else:
        chosen = check_images(take_rows(given, rows), estimator=owner)
        images = fold_rows(chosen, resolve_image_shape(chosen.shape, image_shape, estimator=owner))
    return _to_bytes([_shrink(_to_rgb(image), longest) for image in images])


def _to_rgb(image: np.ndarray) -> np.ndarray:
    """Return an image (h, w) or (h, w, c) with three channels."""
    image = image if image.ndim == 3 else image[..., np.newaxis]
    n_channels = image.shape[2]
    if n_channels == 1:
        return np.repeat(image, 3, axis=2)
    if n_channels == 2:
        return np.pad(image, [(0, 0), (0, 0), (0, 1)])
    return image[..., :3]


def _shrink(image: np.ndarray, longest: int | None) -> np.ndarray:
    height, width = image.shape[:2]
    if longest is None or max(height, width) <= longest:
        return image
    factor = longest / max(height, width)
    return resize_image(image, (max(1, round(factor * height)), max(1, round(factor * width))))


def _to_bytes(images: list[np.ndarray]) -> list[np.ndarray]:
    """Convert images of other dtypes to uint8, with one scale for all of them."""
    deep = [image.ravel() for image in images if image.dtype != np.uint8]
    if not deep:
        return images
    values = np.concatenate(deep).astype(np.float64)
    low, high = 0.0, 1.0
    if values.min() < 0 or values.max() > 1:
        low, high = np.percentile(values, _SHOWN_PERCENTILES)
    factor = 255 / float(high - low) if high > low else 0.0
    return [
        image
        if image.dtype == np.uint8
        else np.rint(np.clip((image - low) * factor, 0, 255)).astype(np.uint8)
        for image in images
    ]
