"""Images as tables, notebooks and lists hold them: names, arrays or pictures, one an image."""

import os
import reprlib
import sys

import numpy as np

__all__ = ["as_images", "check_names", "full_name", "holds_paths", "holds_pictures"]

_PATH = (str, os.PathLike)


def as_images(X):
    """Take images out of what only wraps them; everything else is given as it is.

    - The only column of a table, if it holds no numbers: the column.
    - An array (n, 1) of names, as a table gives it: the names.
    - One picture of Pillow: a list of it.
    - A sequence of arrays or tensors of one shape: one array.
    """
    if hasattr(X, "columns") and len(X.columns) == 1:
        column = X.iloc[:, 0] if hasattr(X, "iloc") else X[X.columns[0]]
        return X if _is_numeric(column) else as_images(column)
    if is_picture(X):
        return [X]
    if isinstance(X, np.ndarray) and X.ndim == 2 and X.shape[1] == 1 and X.dtype.kind in "OU":
        return as_images(X[:, 0])
    if _is_sequence(X) and _is_image(_first(X)) and _are_alike(X):
        hidden = any(isinstance(x, np.ma.MaskedArray) for x in X)  # which np.stack would show
        return (np.ma.stack if hidden else np.stack)([np.asanyarray(x) for x in X])
    return X


def holds_paths(X):
    """Tell whether `X` is a list, tuple, 1-D array, Series or column of file names."""
    # The first one tells, unless X mixes: arrays of millions are not gone through.
    return _is_sequence(X) and isinstance(_first(X), _PATH) and all(isinstance(x, _PATH) for x in X)


def holds_pictures(X):
    """Tell whether `X` is a sequence of pictures of Pillow."""
    return _is_sequence(X) and is_picture(_first(X)) and all(map(is_picture, X))


def full_name(path):
    """Give the name of a file as a plain str, with the home folder in the place of "~"."""
    return os.path.expanduser(str(os.fsdecode(path)))  # no str of numpy


def is_picture(x):
    """Tell whether `x` is a picture of Pillow, without importing it."""
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(x, pillow.Image)


def check_names(X, who):
    """Refuse what was meant as names of files but is none, and say what to give instead.

    Parameters
    ----------
    X : object
        Not what :func:`holds_paths` takes.

    who : str
        Who asks; named in the errors.

    Raises
    ------
    ValueError
        If `X` is one name, a generator, empty, or mixes names with other things.
    """
    if isinstance(X, (str, bytes, os.PathLike)):
        raise ValueError(f"{who} takes images, or a list of file names. {_explain_one(X)}")
    if hasattr(X, "__next__"):
        raise ValueError(
            f"{who} takes images or file names in a sequence, not a generator. Give list(X)."
        )
    if not _is_sequence(X):
        return
    if len(X) == 0:
        raise ValueError(
            f"{who} got an X without images: it is empty. If it is a list of files, look at the "
            "folder and the pattern that made it; sklssl.datasets.list_images(folder) finds image "
            "files whatever their endings look like."
        )
    kinds = [isinstance(x, _PATH) or is_picture(x) for x in X]
    if any(kinds) and not all(kinds):
        at = kinds.index(False)
        other = next(x for i, x in enumerate(X) if i == at)
        raise ValueError(
            f"{who} takes a sequence of file names or pictures, but item {at} of X is "
            f"{reprlib.repr(other)}. Name a file there, or leave the row out."
        )


def _explain_one(X):
    name = full_name(X)
    if os.path.isdir(name):
        return (
            f"{name!r} is a folder: sklssl.datasets.list_images({name!r}).paths lists its images."
        )
    if name.lower().endswith(".zip"):
        return (
            f"{name!r} is a zip file: sklssl.datasets.load_image_folder({name!r}).images reads it."
        )
    return f"X is one name: give [{name!r}]."


def _is_image(x):
    """Tell whether `x` is an array or a tensor of more than a row."""
    return hasattr(x, "__array__") and len(getattr(x, "shape", ())) > 1 and not is_picture(x)


def _are_alike(X):
    """Tell whether `X` holds nothing but arrays or tensors of one shape."""
    return all(map(_is_image, X)) and len({tuple(x.shape) for x in X}) == 1


def _is_numeric(column):
    """Tell whether a column of pandas or polars holds numbers."""
    dtype = column.dtype
    return dtype.is_numeric() if hasattr(dtype, "is_numeric") else dtype.kind in "biufc"


def _is_sequence(X):
    return isinstance(X, (list, tuple)) or len(getattr(X, "shape", ())) == 1


def _first(X):
    return next(iter(X), None)
