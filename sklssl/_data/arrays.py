"""From whatever the user calls images to one array of images."""

import math
import os
import warnings
from numbers import Integral

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data
from torch.utils.data import DataLoader, Dataset

from sklssl._data.columns import as_images, check_names, holds_pictures
from sklssl._data.memmaps import check_length, find_memmap, release
from sklssl._data.pages import EXACT
from sklssl._data.pictures import stack_pictures
from sklssl.utils._checks import naming_data

__all__ = ["check_images", "fold_rows", "full_shape", "resolve_image_shape", "validate_images"]

# The first entry is what any other numeric dtype becomes.
EMBEDDER_DTYPES = (np.float32, np.uint8)
_PIECE = 2**25  # bytes
_FEW_LEVELS = 1024
_LAYOUT = "(n, height, width), (n, height, width, channels) or rows (n, height*width*channels)"


def check_images(X, *, estimator=None, dtype=EMBEDDER_DTYPES, min_samples=1):
    """Check that `X` holds images and return it as an array.

    Parameters
    ----------
    X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C)
        Images or rows. uint8 stays uint8; float values may have any finite range.

    estimator : estimator or str, default=None
        Who asks; named in the errors.

    dtype : tuple of dtypes, default=(float32, uint8)
        What is passed through; any other numeric dtype becomes the first one.

    min_samples : int, default=1
        The smallest number of images that is accepted.

    Returns
    -------
    X : ndarray
        Of the shape that came in; not copied when nothing had to change.

    Raises
    ------
    ValueError
        If `X` is empty, holds NaN or infinity, file names, images of different sizes or
        images without a pixel, or lays out its channels first.
    TypeError
        If `X` is sparse or holds objects that are not numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from sklssl.utils import check_images
    >>> check_images(np.zeros((2, 8, 8), dtype=np.uint8)).dtype
    dtype('uint8')
    """
    who = _name(estimator)
    transpose = "permute" if hasattr(X, "permute") else "transpose"  # of torch, of numpy
    _refuse_datasets(X, who)
    X = as_images(X)
    check_names(X, who)
    if holds_pictures(X):
        X = stack_pictures(X, 3, who=who)
    if _holds_strings(X):
        raise ValueError(
            f"{who} takes arrays of images, but X holds strings. Embedders read files by their "
            "names, in a one-dimensional sequence or one column of a table; elsewhere read them "
            "first by sklssl.datasets.load_images."
        )
    _check_one_size(X, who)
    in_file = find_memmap(X) is not None
    if in_file:
        check_length(X, who)
    with naming_data(who, f"takes images as numbers, in an array {_LAYOUT}, but X is none"):
        _refuse_hidden_values(X, who)
        given = X
        X = check_array(
            X,
            dtype=list(dtype),
            allow_nd=True,
            ensure_all_finite=False,  # would read all of a file into memory
            ensure_min_samples=min_samples,
            estimator=estimator,
            input_name="X",
        )
        _check_finite(X, who)
    _tell_of_rounding(given, X, who)
    if X.ndim > 4:
        raise ValueError(f"{who} takes images as {_LAYOUT}, but X has the shape {X.shape}.")
    if X.ndim > 2 and 0 in X.shape[1:]:
        raise ValueError(
            f"{who} needs images of at least one pixel and one channel, but X has the shape "
            f"{X.shape}, read as {_LAYOUT}."
        )
    if X.ndim == 4 and _is_channels_first(X.shape[1:]):
        raise ValueError(
            f"{who} takes images as (n, height, width, channels), but X has the shape {X.shape}, "
            f"which looks like channels first. Use X.{transpose}(0, 2, 3, 1). If these really are "
            f"images of {X.shape[3]} channels, lay them on their side: X.{transpose}(0, 2, 1, 3)."
        )
    return X


def resolve_image_shape(shape, image_shape, *, estimator):
    """Find (H, W, C) of images of the array shape `shape`.

    Parameters
    ----------
    shape : tuple of int
        The shape of the whole array: (n, H, W), (n, H, W, C) or (n, features).

    image_shape : tuple of int or None
        (H, W) or (H, W, C) as the user gave it; None folds rows into the smallest square.

    estimator : estimator or str
        Who asks; named in the errors.

    Returns
    -------
    image_shape : tuple of (H, W, C)

    Raises
    ------
    ValueError
        If `image_shape` and `shape` contradict each other.
    """
    given = None if image_shape is None else full_shape(image_shape, estimator)
    if len(shape) == 2:
        if given is None:
            return _smallest_square(shape[1], estimator)
        if math.prod(given) == shape[1]:
            return given
        came = f"rows of {shape[1]} values; {'*'.join(map(str, given))} = {math.prod(given)}"
    else:
        came = (*shape[1:], 1)[:3]
        if given is None or given == came:
            return came
        came = f"images of shape {came}"
    raise ValueError(
        f"The 'image_shape' parameter of {_name(estimator)} is {tuple(image_shape)}, but X holds "
        f"{came}. Give the (height, width, channels) of the images in X, or None."
    )


def fold_rows(X, image_shape):
    """Give checked images or rows the shape (n, H, W, C); short rows are padded with zeros."""
    missing = math.prod(image_shape) - math.prod(X.shape[1:])
    if missing:
        X = np.pad(X, [(0, 0), (0, missing)])
    return X.reshape(len(X), *image_shape)


def validate_images(estimator, X, *, reset, **check_params):
    """Check `X` for `estimator` and return it as (n, H, W, C).

    With ``reset=True`` sets ``n_features_in_``, ``feature_names_in_`` and ``image_shape_``;
    otherwise compares with them.
    """
    X = as_images(X)
    named = hasattr(X, "columns")
    if named and not reset:  # before the values are looked at: wrong columns explain those
        validate_data(estimator, X, skip_check_array=True, reset=reset)
    images = check_images(X, estimator=estimator, **check_params)
    if not reset and not named:
        _check_shape(estimator, images.shape)
    if reset:
        shape = resolve_image_shape(images.shape, estimator.image_shape, estimator=estimator)
    if reset or not named:
        # As rows, else the height would count as the number of features.
        rows = X if named else images.reshape(len(images), -1)
        validate_data(estimator, rows, skip_check_array=True, reset=reset)
    if reset:
        estimator.image_shape_ = shape
    return fold_rows(images, estimator.image_shape_)


def _check_shape(estimator, shape):
    """Refuse an array of this shape if its images are of another one than in fit."""
    came, expected = (*shape[1:], 1)[:3], estimator.image_shape_
    as_fitted = shape[1] == estimator.n_features_in_ if len(shape) == 2 else came == expected
    if as_fitted:
        return
    if shape in (expected, expected[:2]):
        raise ValueError(
            f"X is one image of shape {shape}, but {_name(estimator)} takes an array of several. "
            "Give X[np.newaxis]; of a larger array, images[:1] in the place of images[0]."
        )
    if len(shape) == 2:
        return  # scikit-learn tells of rows
    remedy = "Resize them, for example with sklssl.preprocessing.ImageResizer."
    remedy = getattr(estimator, "_other_size", remedy)
    if came[:2] == expected[:2]:
        alpha = ", for example X[..., :3], without an alpha channel" if came[2] == 4 else ""
        remedy = f"Give them {expected[2]} in the place of {came[2]} channels"
        remedy += f"{alpha if expected[2] == 3 else ''}."
    raise ValueError(
        f"X holds images of shape {came} (height, width, channels), but {_name(estimator)} was "
        f"fitted on images of shape {expected}. {remedy}"
    )


def full_shape(image_shape, estimator):
    """Read the `image_shape` parameter as (H, W, C)."""
    try:
        sides = tuple(image_shape)
    except TypeError:  # such as an array without dimensions
        sides = ()
    if len(sides) not in (2, 3) or not all(isinstance(s, Integral) and s > 0 for s in sides):
        raise ValueError(
            f"The 'image_shape' parameter of {_name(estimator)} must be (height, width) or "
            f"(height, width, channels), all above 0, or None. Got {image_shape!r}."
        )
    if len(sides) == 3 and _is_channels_first(sides):
        raise ValueError(
            f"The 'image_shape' parameter of {_name(estimator)} is {sides}, which looks like "
            "channels first. Give (height, width, channels); of rows that are laid out so, "
            f"X.reshape(-1, {', '.join(map(str, sides))}).transpose(0, 2, 3, 1) makes images."
        )
    return (*map(int, sides), 1)[:3]


def _is_channels_first(sides):
    """Tell whether the three sides of an image rather are (C, H, W) than (H, W, C)."""
    first, middle, last = sides
    # Of so few pixels a side nobody has images.
    if min(middle, last) < (5 if first in (1, 3) else 8):
        return False
    return first != middle == last or first < min(middle, last)


def _smallest_square(n_features, estimator):
    side = math.isqrt(n_features - 1) + 1
    # Below 8x8 nobody means images; a user's own rows deserve a word.
    if side * side != n_features and side > 8:
        warnings.warn(
            f"{_name(estimator)}: rows of {n_features} values are no square grey image and are "
            f"padded with zeros to {side}x{side}. Give image_shape=(height, width, channels).",
            UserWarning,
            stacklevel=2,
        )
    return side, side, 1


def _name(estimator):
    if isinstance(estimator, str):
        return estimator
    return "check_images" if estimator is None else type(estimator).__name__


def _holds_strings(X):
    if isinstance(X, (list, tuple)):
        return any(isinstance(x, (str, bytes, os.PathLike)) for x in X)
    if hasattr(X, "columns"):
        X = np.asarray(X[:1])
    if not isinstance(X, np.ndarray) or X.size == 0:
        return False
    return isinstance(np.asarray(X).flat[0], (str, bytes))  # a masked one may have no such item


def _check_finite(X, who):
    """Refuse NaN and infinity, holding little of an array that lies in a file at a time."""
    n_rows = max(1, _PIECE // max(1, X[:1].nbytes))
    for start in range(0, len(X) if X.dtype.kind == "f" else 0, n_rows):
        piece = X[start : start + n_rows]
        # The sum is found much faster; it may also overflow.
        if not np.isfinite(piece.sum()) and not np.isfinite(piece).all():
            row = int(np.argmin(np.isfinite(piece).reshape(len(piece), -1).all(axis=1)))
            what = f"infinity, or a value too large for {X.dtype}"
            raise ValueError(
                f"{who}: X contains {'NaN' if np.isnan(piece[row]).any() else what}, first in "
                f"image {start + row}, counted from 0. Leave such images out, or fill their pixels."
            )
        release(X)


def _tell_of_rounding(given, images, who):
    """Warn if the float32 `images` keep too little of the values that were `given`."""
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
            "float32, and levels are lost. Take off their minimum, or scale them to 16 bits.",
            UserWarning,
            stacklevel=3,
        )


def _refuse_datasets(X, who):
    if isinstance(X, (Dataset, DataLoader)):
        raise TypeError(
            f"{who} takes an array of images, but X is a {type(X).__name__} of torch. Take its "
            "images out, for example by np.stack([np.asarray(item[0]) for item in dataset])."
        )


def _refuse_hidden_values(X, who):
    """Refuse masked values: what lies below the mask would be taken for pixels."""
    if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
        raise ValueError(
            f"{who} needs all pixels, but X is a masked array that hides some. Fill them, for "
            "example by X.filled(0)."
        )


def _check_one_size(X, who):
    """Refuse a sequence of arrays that differ in shape."""
    nested = getattr(X, "ndim", None) == 1 and getattr(X, "dtype", None) == np.dtype(object)
    if not isinstance(X, (list, tuple)) and not nested:
        return
    shapes = list(dict.fromkeys(x.shape for x in X if isinstance(x, np.ndarray)))
    if len(shapes) < 2:
        return
    first, second = ((*shape, 1)[:3] for shape in shapes[:2])
    remedy = "Resize them to one size first, for example with cv2.resize"
    if first[:2] == second[:2]:
        remedy = "Give them the same channels, for example without an alpha channel: x[..., :3]"
    raise ValueError(
        f"{who} needs images of one size, but X holds images of shape {shapes[0]} and of "
        f"shape {shapes[1]}. {remedy}."
    )
