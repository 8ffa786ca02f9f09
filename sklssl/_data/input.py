"""Validate X, arrays or file names, and return images that can be sliced."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from sklearn.utils.validation import validate_data

from sklssl._data.arrays import parse_image_shape, stand_in_rows, validate_images
from sklssl._data.columns import is_path_sequence, is_picture_sequence, unwrap_images
from sklssl._data.decode import warn_unread_pages
from sklssl._data.files import ImageFiles, first_image
from sklssl._data.pictures import resize_each, stack_pictures
from sklssl.utils._checks import naming_parameter, warn_if_other_range
from sklssl.utils._typing import ImagesLike

__all__ = ["CheckedImages", "decode_files", "select_rows", "validate_input"]

CheckedImages: TypeAlias = np.ndarray | ImageFiles
_Shape: TypeAlias = tuple[int, int, int]
_Size: TypeAlias = tuple[int, int]


def validate_input(
    embedder: Any, X: ImagesLike, *, reset: bool, min_samples: int = 1
) -> CheckedImages:
    """Validate `X` for an embedder and return images (n, H, W, C) that can be sliced.

    Parameters
    ----------
    embedder : BaseEmbedder
        With ``reset=True`` its attributes ``n_features_in_``, ``feature_names_in_`` and
        ``image_shape_`` are set; otherwise `X` is compared with them.

    X : array-like of images or rows, or sequence or column of file names or pictures
        The images. Of files only the first one is read, or with ``on_error="skip"`` the first nine.

    reset : bool
        Whether to set the attributes, as in ``fit``.

    min_samples : int, default=1
        Minimum number of images.

    Returns
    -------
    images : ndarray or ImageFiles of shape (n, H, W, C)

    Warns
    -----
    UserWarning
        If the values of `X` differ clearly from the range that the embedder was fitted on.
    """
    name = type(embedder).__name__
    shape, size = _wanted(embedder, reset)
    resizes = embedder.image_size is not None
    given = unwrap_images(X, stack=not resizes)
    images: CheckedImages
    if is_picture_sequence(given):
        given = stack_pictures(given, 3 if shape is None else shape[2], size, who=name)
    elif resizes and size is not None:
        given = resize_each(given, size, who=name)
    if is_path_sequence(given):
        _check_n_images(embedder, len(given), min_samples)
        images = _open_files(embedder, given, shape, size, reset)
    else:
        images = validate_images(embedder, given, reset=reset, min_samples=min_samples)
    if not reset:
        warn_if_other_range(embedder, images)
    return images


def _open_files(
    embedder: Any, paths: Sequence[str], shape: _Shape | None, size: _Size | None, reset: bool
) -> ImageFiles:
    """Return files as images of the target shape, with the bit depth of the first file."""
    multipage: list[tuple[str, int]] = []
    path, first = first_image(paths, 3 if shape is None else shape[2], embedder.on_error, multipage)
    if multipage:
        warn_unread_pages(*multipage[0])
    with naming_parameter(embedder, "cache_dir"):  # cache_dir may not be a valid folder name
        files = ImageFiles(
            paths,
            shape or first.shape,
            resize=size is not None,
            cache_dir=embedder.cache_dir,
            dtype=first.dtype,
            decoded={path: first},
            multipage=multipage,
        )
    validate_data(embedder, stand_in_rows(files.shape), skip_check_array=True, reset=reset)
    if reset:
        embedder.image_shape_ = files.shape[1:]
    return files


def decode_files(embedder: Any, images: CheckedImages, min_samples: int = 1) -> np.ndarray | None:
    """Decode all files once, so that later slices are as fast as those of an array.

    Returns
    -------
    rows : ndarray of int or None
        Indices of the files that could be read; None if `images` is not ImageFiles.
    """
    if not isinstance(images, ImageFiles):
        return None
    rows = images.store(embedder.on_error)
    _check_n_images(embedder, len(images), min_samples)
    return rows


def select_rows(images: CheckedImages, rows: Any) -> CheckedImages:
    """Return some rows of the images from :func:`validate_input`, without reading files."""
    return images.subset(rows) if isinstance(images, ImageFiles) else images[rows]


def _wanted(embedder: Any, reset: bool) -> tuple[_Shape | None, _Size | None]:
    """Return the shape (H, W, C) of decoded images, and the size that they are resized to.

    Both are None if the first file determines them.
    """
    target = None
    if embedder.image_shape is not None:
        target = parse_image_shape(embedder.image_shape, embedder)
    elif embedder.image_size is not None:
        target = embedder.image_size, embedder.image_size, 3
    shape = target if reset else embedder.image_shape_
    return shape, None if target is None or shape is None else shape[:2]


def _check_n_images(embedder: object, n_images: int, min_samples: int) -> None:
    if n_images < min_samples:
        raise ValueError(
            f"{type(embedder).__name__} needs at least {min_samples} images, but X holds "
            f"{n_images} image files."
        )
