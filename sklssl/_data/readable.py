"""Find the readable image files of X, for callers that need the rows before embedding."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator

from sklssl._data.arrays import parse_image_shape
from sklssl._data.columns import is_path_sequence, unwrap_images
from sklssl._data.files import ImageFiles, first_image

__all__ = ["readable_rows"]


def readable_rows(X: Any, estimators: Any) -> np.ndarray | None:
    """Return the rows with readable files, if one of the `estimators` skips unreadable files.

    Every file is decoded once for this purpose.

    Parameters
    ----------
    X : array-like
        File names, or any other input.

    estimators : estimator, or list, tuple or dict with estimators in it
        The estimators that will get `X`. Their `on_error`, or that of nested estimators, is used.

    Returns
    -------
    rows : ndarray of int or None
        The rows with readable files, or None to use all rows.

    Raises
    ------
    ImageFileError
        If no file can be read.

    Warns
    -----
    UserWarning
        If files are skipped.
    """
    X = unwrap_images(X)
    reader = next(_skipping(estimators), None) if is_path_sequence(X) else None
    if reader is None:
        return None
    shape = reader.image_shape
    channels = 3 if shape is None else parse_image_shape(shape, reader)[2]
    path, first = first_image(X, channels, "skip")
    smallest = (1, 1, channels)
    return ImageFiles(X, smallest, dtype=first.dtype, decoded={path: first}).store("skip")


def _skipping(item: Any) -> Iterator[Any]:
    """Yield the embedders in `item` with `on_error` "skip"."""
    if isinstance(item, dict):
        item = list(item.values())
    if isinstance(item, FrozenEstimator):  # hides the parameters of its estimator
        item = [item.estimator]
    if isinstance(item, (list, tuple)):
        for part in item:
            yield from _skipping(part)
    elif hasattr(item, "get_params") and not isinstance(item, type):
        params = item.get_params(deep=False)
        if isinstance(params.get("on_error"), str) and params["on_error"] == "skip":
            yield item
        yield from _skipping(params)
