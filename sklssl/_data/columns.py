"""Images in tables and lists: one file name, array or PIL image per image."""

import os
import reprlib
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np

__all__ = [
    "check_file_names",
    "is_array_sequence",
    "is_image_sequence",
    "is_path_sequence",
    "is_picture",
    "is_picture_sequence",
    "relative_names",
    "to_path_string",
    "unwrap_images",
]

_PATH = (str, os.PathLike)


def unwrap_images(X: Any, *, stack: bool = True) -> Any:
    """Extract images from tables, lists and PIL images; return anything else unchanged.

    - A table with a single column that is not numeric becomes that column.
    - An array (n, 1) of file names becomes a one-dimensional array.
    - A single PIL image becomes a list of one image.
    - A sequence of arrays or tensors of the same shape and kind becomes one array with `stack`, and
      otherwise a list of arrays; so do sequences of arrays of one kind and different sizes.
    """
    if hasattr(X, "columns") and len(X.columns) == 1:
        column = X.iloc[:, 0] if hasattr(X, "iloc") else X[X.columns[0]]
        return X if _is_numeric(column) else unwrap_images(column, stack=stack)
    if is_picture(X):
        return [X]
    if isinstance(X, np.ndarray) and X.ndim == 2 and X.shape[1] == 1 and X.dtype.kind in "OU":
        return unwrap_images(X[:, 0], stack=stack)
    if _is_sequence(X) and _is_image(_first(X)) and all(map(_is_image, X)):
        if stack and len({(tuple(x.shape), _kind(x)) for x in X}) == 1:
            hidden = any(isinstance(x, np.ma.MaskedArray) for x in X)  # np.stack drops the mask
            return (np.ma.stack if hidden else np.stack)([np.asanyarray(x) for x in X])
        return [np.asanyarray(x) for x in X]
    return X


def is_path_sequence(X: Any) -> bool:
    """Return whether `X` is a list, tuple, 1-D array, Series or column of file names."""
    if isinstance(X, np.ndarray) and X.dtype.kind == "U":  # may have millions
        return X.ndim == 1 and len(X) > 0
    return _is_sequence(X) and isinstance(_first(X), _PATH) and all(isinstance(x, _PATH) for x in X)


def is_picture_sequence(X: Any) -> bool:
    """Return whether `X` is a sequence of PIL images."""
    return _is_sequence(X) and is_picture(_first(X)) and all(map(is_picture, X))


def is_array_sequence(X: Any) -> bool:
    """Return whether `X` is a list of images as arrays of one kind, which may differ in size."""
    return (
        isinstance(X, list)
        and all(isinstance(x, np.ndarray) and x.ndim in (2, 3) for x in X)
        and len({(_kind(x), x.shape[2:]) for x in X}) == 1
        and not any(isinstance(x, np.ma.MaskedArray) or 0 in x.shape for x in X)
        and X[0].dtype.kind in "biuf"
    )


def is_image_sequence(X: Any) -> bool:
    """Return whether `X` is a sequence of images that may differ in size: pictures or arrays."""
    return is_picture_sequence(X) or is_array_sequence(X)


def to_path_string(path: str | bytes | os.PathLike[str]) -> str:
    """Return a file name as a plain str, with "~" expanded."""
    return os.path.expanduser(str(os.fsdecode(path)))  # not a NumPy str


def relative_names(paths: Iterable[Any]) -> list[str]:
    """Return file names relative to the folder that contains all of them."""
    full = [os.path.abspath(to_path_string(path)) for path in paths]
    try:
        folder = os.path.commonpath([os.path.dirname(path) for path in full])
    except ValueError:  # on several drives
        return full
    return [os.path.relpath(path, folder).replace(os.sep, "/") for path in full]


def is_picture(x: object) -> bool:
    """Return whether `x` is a PIL image, without importing Pillow."""
    # The module has no class yet while another thread imports it.
    image = getattr(sys.modules.get("PIL.Image"), "Image", None)
    return image is not None and isinstance(x, image)


def check_file_names(X: Any, who: str, name: str = "X") -> None:
    """Raise an error if `X` was meant as file names but is not a sequence of them.

    Parameters
    ----------
    X : object
        Input for which :func:`is_path_sequence` is False.

    who : str
        The name of the caller; used in error messages.

    name : str, default="X"
        The name of the parameter; used in error messages.

    Raises
    ------
    ValueError
        If `X` is a single name, a generator, empty, or a mix of names, PIL images and other
        objects, or if its names are bytes.
    """
    if isinstance(X, (str, bytes, os.PathLike)):
        raise ValueError(f"{who} expects images, or a list of file names. {_explain_one(X, name)}")
    if hasattr(X, "__next__"):
        raise ValueError(
            f"{who} expects a sequence of images or file names, not a generator. Pass list({name})."
        )
    if not _is_sequence(X):
        return
    if len(X) == 0:
        raise ValueError(
            f"{who} got an empty {name}. If it is a list of files, check the folder and the "
            "pattern used to create it; sklssl.datasets.list_images(folder) finds image files with "
            "extensions in upper or lower case."
        )
    kinds = list(map(_item_kind, X))
    if set(kinds) in ({"other"}, {"name"}, {"picture"}):
        return
    wanted = next((kind for kind in kinds if kind in ("name", "picture")), "name")
    at, item = next((i, x) for i, x in enumerate(X) if kinds[i] != wanted)
    remedy = {
        "bytes": "Convert names that are bytes to str with os.fsdecode",
        "other": "Replace it with a file name, or remove the row",
    }.get(kinds[at], "Pass either names or images: PIL.Image.open(name) opens a file")
    raise ValueError(
        f"{who} expects a sequence of file names or PIL images, but item {at} of {name} is "
        f"{reprlib.repr(item)}. {remedy}."
    )


def _item_kind(item: object) -> str:
    if isinstance(item, _PATH):
        return "name"
    if is_picture(item):
        return "picture"
    return "bytes" if isinstance(item, bytes) else "other"


def _explain_one(X: str | bytes | os.PathLike[str], name: str) -> str:
    path = to_path_string(X)
    if os.path.isdir(path):
        return (
            f"{path!r} is a folder: sklssl.datasets.list_images({path!r}).paths lists its images."
        )
    if path.lower().endswith(".zip"):
        return f"{path!r} is a zip file: load it with sklssl.datasets.load_image_folder({path!r})."
    return f"{name} is one name: pass [{path!r}]."


def _is_image(x: object) -> bool:
    """Return whether `x` is an array or tensor with at least two dimensions."""
    return hasattr(x, "__array__") and len(getattr(x, "shape", ())) > 1 and not is_picture(x)


def _kind(x: Any) -> str:
    """Return the dtype of an array or tensor; all floats are of one kind."""
    dtype = str(x.dtype).removeprefix("torch.")
    return "float" if "float" in dtype else dtype


def _is_numeric(column: Any) -> bool:
    """Return whether a column of pandas or polars is numeric."""
    dtype = column.dtype
    return dtype.is_numeric() if hasattr(dtype, "is_numeric") else dtype.kind in "biufc"


def _is_sequence(X: object) -> bool:
    return isinstance(X, (list, tuple)) or len(getattr(X, "shape", ())) == 1


def _first(X: Iterable[Any]) -> Any:
    return next(iter(X), None)
