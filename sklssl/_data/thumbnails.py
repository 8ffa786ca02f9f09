"""Convert images of any kind to small RGB pictures that can be drawn."""

from collections.abc import Iterable, Sequence

import numpy as np

from sklssl._data.arrays import check_images, fold_rows, resolve_image_shape
from sklssl._data.columns import (
    is_array_sequence,
    is_path_sequence,
    is_picture_sequence,
    unwrap_images,
)
from sklssl._data.decode import read_image_file, resize_image
from sklssl._data.pixels import read_picture
from sklssl._data.rows import take_rows
from sklssl.exceptions import ImageFileError
from sklssl.utils._typing import ImagesLike

__all__ = ["make_thumbnails", "view_pictures"]

# The darkest and brightest values of an image are cut off, since a few hot pixels would make the
# rest black; so would a few overexposed images.
_SHOWN_PERCENTILES = 0.1, 99.9
_ORDINARY_IMAGES = 0.1, 0.9


def make_thumbnails(
    X: ImagesLike,
    rows: np.ndarray,
    *,
    longest: int | None = None,
    image_shape: Sequence[int] | None = None,
    owner: object = None,
) -> list[np.ndarray]:
    """Return some images of `X` as uint8 RGB pictures of their own height and width.

    Grey images get three equal channels, two channels become magenta and green, of more than three
    the first three are shown. Values other than uint8 are scaled from their range, without the
    darkest and brightest thousandth of an image, and without images far from most others. The
    scale is the same for all images, and for red, green and blue; other channels have their own.

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
        images = (_read_file(path) for path in take_rows(given, rows))
    elif is_picture_sequence(given):
        images = (
            read_picture(picture, f"image {row} of X", 3)
            for picture, row in zip(take_rows(given, rows), rows, strict=True)
        )
    elif is_array_sequence(given):
        images = take_rows(given, rows)
    else:
        chosen = check_images(take_rows(given, rows), estimator=owner)
        images = fold_rows(chosen, resolve_image_shape(chosen.shape, image_shape, estimator=owner))
    return [_to_rgb(image) for image in _to_bytes([_shrink(image, longest) for image in images])]


def view_pictures(views: np.ndarray) -> list[np.ndarray]:
    """Return views (n, h, w, c), usually in [0, 1], as RGB pictures of the same brightness."""
    if views.min() >= 0 and views.max() <= 1:
        views = np.rint(255 * views).astype(np.uint8)
    return make_thumbnails(views, np.arange(len(views)))


def _read_file(path: str) -> np.ndarray:
    """Read a file as colours, as embedders do, or with its bands if it has others."""
    try:
        return read_image_file(path, 3)
    except ImageFileError:
        return read_image_file(path, "all")


def _to_rgb(image: np.ndarray) -> np.ndarray:
    """Return an image (h, w, c) with three channels."""
    n_channels = image.shape[2]
    if n_channels == 1:
        return np.repeat(image, 3, axis=2)
    if n_channels == 2:
        return image[..., [0, 1, 0]]  # magenta and green: red and green look alike to many
    return image[..., :3]


def _shrink(image: np.ndarray, longest: int | None) -> np.ndarray:
    image = image if image.ndim == 3 else image[..., np.newaxis]
    height, width = image.shape[:2]
    if longest is None or max(height, width) <= longest:
        return image
    factor = longest / max(height, width)
    return resize_image(image, (max(1, round(factor * height)), max(1, round(factor * width))))


def _to_bytes(images: list[np.ndarray]) -> list[np.ndarray]:
    """Convert images of other dtypes to uint8; those with as many channels share a scale."""
    deep = [image for image in images if image.dtype != np.uint8]
    scales = {
        n_channels: _find_scale([image for image in deep if image.shape[2] == n_channels])
        for n_channels in {image.shape[2] for image in deep}
    }
    return [
        image if image.dtype == np.uint8 else _scale(image, *scales[image.shape[2]])
        for image in images
    ]


def _find_scale(images: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the values that are shown as black and white, a pair for all or for each channel."""
    axis = (0, 1, 2) if images[0].shape[2] == 3 else (0, 1)
    ends = [np.percentile(image.astype(np.float64), _SHOWN_PERCENTILES, axis) for image in images]
    lows, highs = np.stack(ends, axis=1)
    # Images that are no more than as far from most others as these are wide.
    low = np.quantile(lows, _ORDINARY_IMAGES[0], axis=0, method="higher")
    high = np.quantile(highs, _ORDINARY_IMAGES[1], axis=0, method="lower")
    reach = np.where(high > low, high - low, np.inf)
    return np.maximum(lows.min(axis=0), low - reach), np.minimum(highs.max(axis=0), high + reach)


def _scale(image: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    varies = high > low
    low, span = np.where(varies, low, 0.0), np.where(varies, high - low, 1.0)  # else a share of 1
    return np.rint(255 * np.clip((image - low) / span, 0, 1)).astype(np.uint8)
