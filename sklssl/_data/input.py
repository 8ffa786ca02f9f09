"""From X as the user has it, arrays or the names of files, to what can be sliced into images."""

import numpy as np
from sklearn.utils.validation import validate_data

from sklssl._data.arrays import full_shape, validate_images
from sklssl._data.columns import as_images, holds_paths, holds_pictures
from sklssl._data.decode import say_pages
from sklssl._data.files import ImageFiles, first_image
from sklssl._data.pictures import stack_pictures
from sklssl.utils._checks import naming_parameter, warn_if_other_range

__all__ = ["decode_files", "select_rows", "validate_input"]


def validate_input(embedder, X, *, reset, min_samples=1):
    """Check `X` for an embedder; give what slices into images (n, H, W, C).

    Parameters
    ----------
    embedder : BaseEmbedder
        With ``reset=True`` gets ``n_features_in_``, ``feature_names_in_`` and ``image_shape_``;
        otherwise `X` is compared with them.

    X : array-like of images or rows, or sequence or column of file names or pictures
        Files are not read yet.

    reset : bool
        Whether this is the beginning of a fit.

    min_samples : int, default=1
        The smallest number of images that is accepted.

    Returns
    -------
    images : ndarray or ImageFiles of shape (n, H, W, C)

    Warns
    -----
    UserWarning
        If they can hardly be of the range of values that the embedder was fitted on.
    """
    X = as_images(X)
    if holds_pictures(X):
        shape = _wanted_shape(embedder) if reset else embedder.image_shape_
        channels, size = (3, None) if shape is None else (shape[2], shape[:2])
        X = stack_pictures(X, channels, size, who=type(embedder).__name__)
    if holds_paths(X):
        images = _open_files(embedder, X, reset, min_samples)
    else:
        images = validate_images(embedder, X, reset=reset, min_samples=min_samples)
    if not reset:
        warn_if_other_range(embedder, images)
    return images


def _open_files(embedder, paths, reset, min_samples):
    """Give files as images of the shape that is wanted, and of the depth of the first one."""
    _check_number(embedder, len(paths), min_samples)
    shape = _wanted_shape(embedder) if reset else embedder.image_shape_
    told = []
    path, first = first_image(paths, 3 if shape is None else shape[2], embedder.on_error, told)
    if told:
        say_pages(*told[0])
    with naming_parameter(embedder, "cache_dir"):  # whose name may be none that a folder can have
        files = ImageFiles(
            paths,
            shape or first.shape,
            resize=shape is not None,
            cache_dir=embedder.cache_dir,
            dtype=first.dtype,
            known={path: first},
            told=told,
        )
    # A stand-in of the shape that the files will have as rows.
    rows = np.broadcast_to(np.uint8(0), (len(files), int(np.prod(files.shape[1:]))))
    validate_data(embedder, rows, skip_check_array=True, reset=reset)
    if reset:
        embedder.image_shape_ = files.shape[1:]
    return files


def decode_files(embedder, images, min_samples=1):
    """Decode files once, so that later slices cost what those of an array do.

    Returns
    -------
    rows : ndarray of int or None
        Those of the files that could be read; None for what are no files.
    """
    if not isinstance(images, ImageFiles):
        return None
    rows = images.store(embedder.on_error)
    _check_number(embedder, len(images), min_samples)
    return rows


def select_rows(images, rows):
    """Give some rows of what :func:`validate_input` gave; files are not read for it."""
    return images.subset(rows) if isinstance(images, ImageFiles) else images[rows]


def _wanted_shape(embedder):
    """Give the (H, W, C) that files are brought to; None if all must be as the first one."""
    if embedder.image_shape is not None:
        return full_shape(embedder.image_shape, embedder)
    if embedder.image_size is not None:
        return embedder.image_size, embedder.image_size, 3
    return None


def _check_number(embedder, n_images, min_samples):
    if n_images < min_samples:
        raise ValueError(
            f"{type(embedder).__name__} needs at least {min_samples} images, but X holds "
            f"{n_images} image files."
        )
