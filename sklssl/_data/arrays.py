"""Validate images and convert them to one array."""

import math
import os
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data
from torch.utils.data import DataLoader, Dataset

from sklssl._data.columns import check_file_names, is_picture_sequence, unwrap_images
from sklssl._data.memmaps import check_length, find_memmap, release
from sklssl._data.pictures import stack_pictures
from sklssl._data.pixels import EXACT
from sklssl.utils._arguments import check_complete
from sklssl.utils._checks import naming_data
from sklssl.utils._typing import ImagesLike
from sklssl.utils._whole import is_whole

__all__ = [
    "check_images",
    "fold_rows",
    "parse_image_shape",
    "resolve_image_shape",
    "stand_in_rows",
    "validate_images",
]

# Other numeric dtypes are converted to the first entry.
EMBEDDER_DTYPES = (np.float32, np.uint8)
_PIECE = 2**25  # bytes
_FEW_LEVELS = 1024
_LAYOUT = "(n, height, width), (n, height, width, channels) or rows (n, height*width*channels)"


def check_images(
    X: ImagesLike,
    *,
    estimator: object = None,
    dtype: Sequence[npt.DTypeLike] = EMBEDDER_DTYPES,
    min_samples: int = 1,
) -> np.ndarray:
    """Check that `X` holds images and return it as an array.

    Parameters
    ----------
    X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C)
        Images or rows. uint8 stays uint8; float values may have any finite range.

    estimator : estimator or str, default=None
        The caller; used in error messages.

    dtype : tuple of dtypes, default=(float32, uint8)
        Dtypes that are kept; other numeric dtypes are converted to the first one.

    min_samples : int, default=1
        Minimum number of images.

    Returns
    -------
    X : ndarray
        The images, with unchanged shape. Not copied unless the dtype is converted.

    Raises
    ------
    ValueError
        If `X` is empty, contains NaN or infinity, file names, images of different sizes or images
        without pixels, or has its channels first.
    TypeError
        If `X` is sparse or contains objects that are not numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from sklssl.utils import check_images
    >>> check_images(np.zeros((2, 8, 8), dtype=np.uint8)).dtype
    dtype('uint8')
    """
    who = _name(estimator)
    channels_last = "permute" if hasattr(X, "permute") else "transpose"  # torch and NumPy
    given = _check_kind(X, who)
    with naming_data(
        who, f"expects an array of images {_LAYOUT}, but X cannot be converted to one"
    ):
        given = check_complete(given, "X", who)
        if getattr(getattr(given, "dtype", None), "kind", "") in ("m", "M"):
            raise TypeError("X holds dates or times")
        images: np.ndarray = check_array(
            given,
            dtype=list(dtype),
            allow_nd=True,
            ensure_all_finite=False,  # would read a whole file into memory
            ensure_min_samples=min_samples,
            estimator=estimator,
            input_name="X",
        )
        _check_finite(images, who)
    _warn_if_rounded(given, images, who)
    _check_axes(images.shape, who, channels_last)
    return images


def _check_kind(X: Any, who: str) -> Any:
    """Return `X` as something that may be an array of images: neither files nor a data set."""
    _check_not_torch_dataset(X, who)
    given = unwrap_images(X)
    check_file_names(given, who)
    if is_picture_sequence(given):
        given = stack_pictures(given, 3, who=who)
    if _holds_strings(given):
        raise ValueError(
            f"{who} expects arrays of images, but X contains strings. Embedders accept file names "
            "as a one-dimensional sequence or one column of a table; elsewhere, load the images "
            "with sklssl.datasets.load_images."
        )
    _check_one_size(given, who)
    if find_memmap(given) is not None:
        check_length(given, who)
    return given


def _check_axes(shape: tuple[int, ...], who: str, channels_last: str) -> None:
    """Check the shape of images or rows; the method `channels_last` would move the channels."""
    if len(shape) > 4:
        raise ValueError(f"{who} expects images as {_LAYOUT}, but X has shape {shape}.")
    if len(shape) > 2 and 0 in shape[1:]:
        raise ValueError(
            f"{who} needs images with at least one pixel and one channel, but X has shape "
            f"{shape}, interpreted as {_LAYOUT}."
        )
    if len(shape) == 4 and _is_channels_first(shape[1:]):
        raise ValueError(
            f"{who} expects images as (n, height, width, channels), but X has shape {shape}, "
            f"which looks like channels first. Use X.{channels_last}(0, 2, 3, 1). If the images "
            f"really have {shape[3]} channels, swap height and width: "
            f"X.{channels_last}(0, 2, 1, 3)."
        )


def resolve_image_shape(
    shape: tuple[int, ...], image_shape: Any, *, estimator: object
) -> tuple[int, int, int]:
    """Return the shape (H, W, C) of images in an array of shape `shape`.

    Parameters
    ----------
    shape : tuple of int
        The shape of the whole array: (n, H, W), (n, H, W, C) or (n, features).

    image_shape : tuple of int or None
        (H, W) or (H, W, C) as passed by the user; None reshapes rows to the smallest square.

    estimator : estimator or str
        The caller; used in error messages.

    Returns
    -------
    image_shape : tuple of (H, W, C)

    Raises
    ------
    ValueError
        If `image_shape` and `shape` contradict each other.
    """
    given = None if image_shape is None else parse_image_shape(image_shape, estimator)
    if len(shape) == 2:
        if given is None:
            return _smallest_square(shape[1], estimator)
        if math.prod(given) == shape[1]:
            return given
        what = f"rows of {shape[1]} values; {'*'.join(map(str, given))} = {math.prod(given)}"
    else:
        height, width, channels = (*shape[1:], 1)[:3]
        came = height, width, channels
        if given is None or given == came:
            return came
        what = f"images of shape {came}"
    raise ValueError(
        f"The 'image_shape' parameter of {_name(estimator)} is {tuple(image_shape)}, but X "
        f"holds {what}. Pass the (height, width, channels) of the images in X, or None."
    )


def fold_rows(X: np.ndarray, image_shape: tuple[int, ...]) -> np.ndarray:
    """Reshape checked images or rows to (n, H, W, C); short rows are padded with zeros."""
    missing = math.prod(image_shape) - math.prod(X.shape[1:])
    if missing:
        X = np.pad(X, [(0, 0), (0, missing)])
    return X.reshape(len(X), *image_shape)


def validate_images(
    estimator: Any, X: ImagesLike, *, reset: bool, **check_params: Any
) -> np.ndarray:
    """Check `X` for `estimator` and return it as (n, H, W, C).

    With ``reset=True`` sets ``n_features_in_``, ``feature_names_in_`` and ``image_shape_``;
    otherwise compares with them.
    """
    X = unwrap_images(X)
    named = hasattr(X, "columns")
    if named and not reset:  # first, since wrong columns explain wrong values
        validate_data(estimator, X, skip_check_array=True, reset=reset)
    images = check_images(X, estimator=estimator, **check_params)
    if not reset and not named:
        _check_fitted_shape(estimator, images.shape)
    if reset:
        shape = resolve_image_shape(images.shape, estimator.image_shape, estimator=estimator)
    if reset or not named:
        rows = X if named else stand_in_rows(images.shape)
        validate_data(estimator, rows, skip_check_array=True, reset=reset)
    if reset:
        estimator.image_shape_ = shape
    return fold_rows(images, estimator.image_shape_)


def stand_in_rows(shape: tuple[int, ...]) -> np.ndarray:
    """Return an array without memory that has the shape of images (n, ...) as rows.

    scikit-learn would take the height of images for their number of features.
    """
    return np.broadcast_to(np.uint8(0), (shape[0], math.prod(shape[1:])))


def _check_fitted_shape(estimator: Any, shape: tuple[int, ...]) -> None:
    """Raise an error if images in an array of this shape differ in shape from those in fit."""
    came, expected = (*shape[1:], 1)[:3], estimator.image_shape_
    as_fitted = shape[1] == estimator.n_features_in_ if len(shape) == 2 else came == expected
    if as_fitted:
        return
    if shape in (expected, expected[:2]):
        raise ValueError(
            f"X is one image of shape {shape}, but {_name(estimator)} expects an array of several. "
            "Pass X[np.newaxis], or images[:1] instead of images[0]."
        )
    if len(shape) == 2:
        return  # rows are checked by scikit-learn
    remedy = "Resize them, for example with sklssl.preprocessing.ImageResizer."
    remedy = getattr(estimator, "_other_size", remedy)
    if came[:2] == expected[:2]:
        alpha = ", for example X[..., :3], without an alpha channel" if came[2] == 4 else ""
        remedy = f"Convert them from {came[2]} to {expected[2]} channels"
        remedy += f"{alpha if expected[2] == 3 else ''}."
    raise ValueError(
        f"X holds images of shape {came} (height, width, channels), but {_name(estimator)} was "
        f"fitted on images of shape {expected}. {remedy}"
    )


def parse_image_shape(image_shape: Iterable[int], estimator: object) -> tuple[int, int, int]:
    """Return the `image_shape` parameter as (H, W, C)."""
    try:
        sides = tuple(image_shape)
    except TypeError:  # such as an array without dimensions
        sides = ()
    if len(sides) not in (2, 3) or not all(map(is_whole, sides)):
        raise ValueError(
            f"The 'image_shape' parameter of {_name(estimator)} must be (height, width) or "
            f"(height, width, channels), all positive, or None. Got {image_shape!r}."
        )
    if len(sides) == 3 and _is_channels_first(sides):
        raise ValueError(
            f"The 'image_shape' parameter of {_name(estimator)} is {sides}, which looks like "
            "channels first. Pass (height, width, channels); convert rows of this layout with "
            f"X.reshape(-1, {', '.join(map(str, sides))}).transpose(0, 2, 3, 1)."
        )
    height, width, channels = (*map(int, sides), 1)[:3]
    return height, width, channels


def _is_channels_first(sides: Iterable[int]) -> bool:
    """Return whether the shape of an image looks like (C, H, W) instead of (H, W, C)."""
    first, middle, last = sides
    # Real images are not that small.
    if min(middle, last) < (5 if first in (1, 3) else 8):
        return False
    return first != middle == last or first < min(middle, last)


def _smallest_square(n_features: int, estimator: object) -> tuple[int, int, int]:
    side = math.isqrt(n_features - 1) + 1
    # No warning below 8x8, where rows are hardly meant as images.
    if side * side != n_features and side > 8:
        warnings.warn(
            f"{_name(estimator)}: rows of {n_features} values do not form a square grey image and "
            f"are padded with zeros to {side}x{side}. Set image_shape=(height, width, channels).",
            UserWarning,
            stacklevel=2,
        )
    return side, side, 1


def _name(estimator: object) -> str:
    if isinstance(estimator, str):
        return estimator
    return "check_images" if estimator is None else type(estimator).__name__


def _holds_strings(X: Any) -> bool:
    if isinstance(X, (list, tuple)):
        return any(isinstance(x, (str, bytes, os.PathLike)) for x in X)
    if hasattr(X, "columns"):
        X = np.asarray(X[:1])
    if not isinstance(X, np.ndarray) or X.size == 0:
        return False
    return isinstance(np.asarray(X).flat[0], (str, bytes))  # a masked array may have no such item


def _check_finite(X: np.ndarray, who: str) -> None:
    """Raise an error for NaN or infinity, reading memory-mapped arrays piece by piece."""
    n_rows = max(1, _PIECE // max(1, X[:1].nbytes))
    for start in range(0, len(X) if X.dtype.kind == "f" else 0, n_rows):
        piece = X[start : start + n_rows]
        # The sum is much faster to compute; it may also overflow.
        if not np.isfinite(piece.sum()) and not np.isfinite(piece).all():
            row = int(np.argmin(np.isfinite(piece).reshape(len(piece), -1).all(axis=1)))
            what = f"infinity, or a value too large for {X.dtype}"
            raise ValueError(
                f"{who}: X contains {'NaN' if np.isnan(piece[row]).any() else what}, first in "
                f"image {start + row}, counted from 0. Remove such images, or replace these values."
            )
        release(X)


def _warn_if_rounded(given: Any, images: np.ndarray, who: str) -> None:
    """Warn if the conversion of `given` to float32 `images` loses too many levels."""
    changed = isinstance(given, np.ndarray) and given.dtype != images.dtype == np.float32
    if not changed or not given.size or given.dtype.kind not in "iuf" or given.itemsize <= 2:
        return
    least, greatest = float(given.min()), float(given.max())
    farthest = max(abs(least), abs(greatest))
    rounded = farthest > EXACT
    if given.dtype.kind == "f":
        rounded = 0 < greatest - least < farthest * _FEW_LEVELS / EXACT
    if rounded:
        warnings.warn(
            f"{who} rounds the {given.dtype} values in X, from {least:g} to {greatest:g}, to "
            "float32, so that levels are lost. Subtract their minimum, or scale them to 16 bits.",
            UserWarning,
            stacklevel=3,
        )


def _check_not_torch_dataset(X: object, who: str) -> None:
    if isinstance(X, (Dataset, DataLoader)):
        raise TypeError(
            f"{who} expects an array of images, but X is a {type(X).__name__} of torch. Extract "
            "its images, for example with np.stack([np.asarray(item[0]) for item in dataset])."
        )


def _check_one_size(X: Any, who: str) -> None:
    """Raise an error if a sequence of arrays has different shapes or kinds of numbers."""
    nested = getattr(X, "ndim", None) == 1 and getattr(X, "dtype", None) == np.dtype(object)
    if not isinstance(X, (list, tuple)) and not nested:
        return
    arrays = [x for x in X if isinstance(x, np.ndarray)]
    missing = [i for i, x in enumerate(X) if x is None]
    if arrays and missing:
        raise ValueError(
            f"{who} expects an array of images {_LAYOUT}, but X cannot be converted to one: item "
            f"{missing[0]} is None. Remove or replace it."
        )
    shapes = list(dict.fromkeys(x.shape for x in arrays))
    if len(shapes) < 2:
        kinds = list(dict.fromkeys(str(x.dtype) for x in arrays))
        if len(kinds) > 1 and not all(np.issubdtype(kind, np.floating) for kind in kinds):
            raise ValueError(
                f"{who}: X contains images of {kinds[0]} and of {kinds[1]}, whose ranges may "
                "differ. Convert them to the same dtype and range."
            )
        return
    first, second = ((*shape, 1)[:3] for shape in shapes[:2])
    remedy = "Resize them to one size first, for example with sklssl.preprocessing.ImageResizer"
    if first[:2] == second[:2]:
        remedy = "Convert them to the same channels, for example without alpha channel: x[..., :3]"
    raise ValueError(
        f"{who} needs images of one size, but X contains images of shape {shapes[0]} and of "
        f"shape {shapes[1]}. {remedy}."
    )
