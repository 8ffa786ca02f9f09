"""Load images from a folder or zip file, with one folder per class or without labels."""

import os
import reprlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias, overload

import numpy as np
import numpy.typing as npt
from sklearn.utils import Bunch

from sklssl._data.columns import is_path_sequence, to_path_string, unwrap_images
from sklssl._data.decode import read_bytes, warn_skipped_files
from sklssl.datasets._layout import Layout, read_layout
from sklssl.datasets._listing import open_folder
from sklssl.datasets._stack import check_read_options, read_images

__all__ = ["list_images", "load_image_folder", "load_images", "make_bunch"]

_Path: TypeAlias = str | os.PathLike[str]


@overload
def load_image_folder(
    path: _Path,
    *,
    image_size: int | None = ...,
    color: bool = ...,
    pages: str | int = ...,
    channels: str | Sequence[int] | None = ...,
    unlabelled: str | Sequence[str] = ...,
    on_error: str = ...,
    return_X_y: Literal[False] = False,
) -> Bunch: ...


@overload
def load_image_folder(
    path: _Path,
    *,
    image_size: int | None = ...,
    color: bool = ...,
    pages: str | int = ...,
    channels: str | Sequence[int] | None = ...,
    unlabelled: str | Sequence[str] = ...,
    on_error: str = ...,
    return_X_y: Literal[True],
) -> tuple[np.ndarray, np.ndarray]: ...


def load_image_folder(
    path: _Path,
    *,
    image_size: int | None = None,
    color: bool = True,
    pages: str | int = "first",
    channels: str | Sequence[int] | None = None,
    unlabelled: str | Sequence[str] = "auto",
    on_error: str = "raise",
    return_X_y: bool = False,
) -> Bunch | tuple[np.ndarray, np.ndarray]:
    """Load the images of a folder or zip file, with the folder names as classes.

    The first folder is the class, whatever the depth of the file below it: ``<class>/<file>``.
    Images outside any folder have no label. Folders ``train/``, ``test/``, ``val/`` above the
    classes become `subset`. A single top-level folder, as in a zip file of a folder, is skipped.
    Hidden files and files without an image extension (.bmp, .gif, .jfif, .jp2, .jpe, .jpeg, .jpg,
    .pbm, .pgm, .png, .ppm, .tif, .tiff, .webp, in upper or lower case) are ignored.

    Parameters
    ----------
    path : str or path-like
        The folder or zip file. A zip file is read in memory; nothing is unpacked to disk.

    image_size : int, default=None
        Height and width to which every image is resized, ignoring its aspect ratio. If None, all
        images must have the same size.

    color : bool, default=True
        Whether to convert images to RGB, including grey ones, or to one grey channel.

    pages : "first", int, "max", "mean" or "channels", default="first"
        How files with several pages or frames, such as z-stacks, are read: the first page, the
        page with this number (from 0), the maximum or mean over all pages, or each page as a grey
        channel.

    channels : "all" or sequence of int, default=None
        If given, `color` is ignored, and all stored channels are returned, or those with these
        numbers (from 0). With ``pages="channels"`` the numbers refer to pages.

    unlabelled : "auto" or sequence of str, default="auto"
        Names of folders whose images have no label, so that their target is -1. "auto" stands for
        ``unlabelled``, ``unlabeled`` and ``unsorted``, in upper or lower case, and issues a
        warning if images have no label.

    on_error : {"raise", "skip"}, default="raise"
        Whether a file that cannot be read, or has another bit depth than the first one, raises an
        error, or is skipped with a warning. With "skip", the depth is the one that most of the
        first nine readable files have.

    return_X_y : bool, default=False
        Whether to return the images and targets alone.

    Returns
    -------
    bunch : Bunch
        With the keys

        images : ndarray of shape (n, H, W, C), uint8, uint16 or float32
            The images, sorted by file name, at the bit depth of the files: uint8 for up to 8 bits
            per channel, uint16 for up to 16, float32 for more. C is 3, or 1 if `color` is False.
        data : ndarray of shape (n, H*W*C)
            The same images as rows, sharing their memory.
        target : ndarray of shape (n,), int64
            The class of each image, an index into `target_names`; -1 without a label.
        target_names : ndarray of str
            The names of the classes, sorted.
        filenames : ndarray of str of shape (n,)
            The path of each image within the folder or zip file, with forward slashes.
        subset : ndarray of str of shape (n,)
            "train", "test" and the like, or "" where there are no such folders.
        DESCR : str
            What was read.

    (X, y) : tuple of ndarray
        `images` and `target`, if `return_X_y` is True.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `path`.
    ImageFileError
        If an image cannot be read or is too large and `on_error` is "raise", if no image can be
        read, or if the zip file or a folder cannot be read.
    ValueError
        If `path` is neither a folder nor a zip file, contains no images, or the folders do not
        define the classes uniquely; if sizes differ and `image_size` is None; or if some images
        have 8 bits and others more.

    Warns
    -----
    UserWarning
        If some images have a label and others have none, unless `unlabelled` names their folders;
        if images in formats that cannot be read, such as HEIC or DICOM, are left out; if a folder
        is left out since it is a link to one that is there already; if files are skipped; or if
        only the first of several pages is read.

    See Also
    --------
    list_images : List the image files without reading them.
    sklssl.preprocessing.ImageResizer : Resize images as a step of a pipeline.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from sklssl.datasets import load_image_folder
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name, pixels in [("dark", "0 9 "), ("light", "250 255 ")]:
    ...         file = pathlib.Path(folder, name, "one.pgm")
    ...         file.parent.mkdir()
    ...         _ = file.write_text("P2 2 1 255 " + pixels)
    ...     bunch = load_image_folder(folder, color=False)
    >>> bunch.target_names, bunch.target
    (array(['dark', 'light'], dtype='<U5'), array([0, 1]))
    >>> bunch.data
    array([[  0,   9],
           [250, 255]], dtype=uint8)
    """
    taken = check_read_options("load_image_folder", image_size, color, pages, channels)
    if on_error not in ("raise", "skip"):
        raise ValueError(
            "The 'on_error' parameter of load_image_folder must be 'raise' or 'skip'. Got "
            f"{on_error!r}."
        )
    errors: dict[int, str] | None = None if on_error == "raise" else {}
    with open_folder(path) as (names, read):
        layout = read_layout(names, path, unlabelled, "load_image_folder")
        images = read_images(layout.names, read, **taken, errors=errors)
    labels = _labels(layout)
    if errors:
        images, labels = _leave_out(errors, images, labels)
    bunch = make_bunch(images, labels["target"], labels["target_names"], labels["subset"])
    bunch.filenames = labels["filenames"]
    bunch.DESCR = _description(len(images), bunch.target_names, path, "read")
    return (bunch.images, bunch.target) if return_X_y else bunch


def _leave_out(
    errors: dict[int, str], images: np.ndarray, labels: dict[str, np.ndarray]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Remove the images that could not be read, with a warning."""
    left, names = sorted(errors), labels["filenames"]
    warn_skipped_files(names[left], len(names), errors[left[0]])
    kept = np.setdiff1d(np.arange(len(names)), left)
    per_image = ("target", "filenames", "subset")
    return images[kept], labels | {key: labels[key][kept] for key in per_image}


def load_images(
    paths: Sequence[_Path],
    *,
    image_size: int | None = None,
    color: bool = True,
    pages: str | int = "first",
    channels: str | Sequence[int] | None = None,
) -> np.ndarray:
    """Read image files into one array.

    Embedders can read files themselves. Use this function to select pages or channels, which
    embedders cannot do, or if the images are needed for other purposes.

    Parameters
    ----------
    paths : sequence of str or path-like
        The files, for example from :func:`list_images`.

    image_size, color, pages, channels
        As in :func:`load_image_folder`.

    Returns
    -------
    images : ndarray of shape (n, H, W, C), uint8, uint16 or float32
        In the order of `paths`.

    Raises
    ------
    ImageFileError
        If a file cannot be read.
    ValueError
        If a parameter cannot be used; if sizes differ and `image_size` is None, or some images
        have 8 bits and others more.

    Warns
    -----
    UserWarning
        If only the first page of a file with several pages is read.

    Examples
    --------
    >>> import os, tempfile
    >>> from PIL import Image
    >>> from sklssl.datasets import load_images
    >>> slices = [Image.new("I;16", (8, 6), value) for value in (100, 4000, 900)]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "stack.tif")
    ...     slices[0].save(path, save_all=True, append_images=slices[1:])
    ...     brightest = load_images([path], color=False, pages="max")
    ...     stack = load_images([path], pages="channels")
    >>> brightest.shape, int(brightest.max()), brightest.dtype
    ((1, 6, 8, 1), 4000, dtype('uint16'))
    >>> stack[0, 0, 0]
    array([ 100, 4000,  900], dtype=uint16)
    """
    paths = unwrap_images(paths)
    if not is_path_sequence(paths):
        raise ValueError(
            "The 'paths' parameter of load_images must be a sequence with at least one file name "
            f"(str or path-like). Got {reprlib.repr(paths)}."
        )
    names = list(map(to_path_string, paths))
    taken = check_read_options("load_images", image_size, color, pages, channels)
    return read_images(names, read_bytes, **taken)


@overload
def list_images(
    path: _Path, *, unlabelled: str | Sequence[str] = ..., return_X_y: Literal[False] = False
) -> Bunch: ...


@overload
def list_images(
    path: _Path, *, unlabelled: str | Sequence[str] = ..., return_X_y: Literal[True]
) -> tuple[np.ndarray, np.ndarray]: ...


def list_images(
    path: _Path, *, unlabelled: str | Sequence[str] = "auto", return_X_y: bool = False
) -> Bunch | tuple[np.ndarray, np.ndarray]:
    """List the images of a folder, with the folder names as classes.

    The files are not read: every embedder accepts their names as `X`, and decodes them once. Images
    and classes are found as in :func:`load_image_folder`.

    Parameters
    ----------
    path : str or path-like
        The folder.

    unlabelled : "auto" or sequence of str, default="auto"
        Names of folders whose images have no label, so that their target is -1. "auto" stands for
        ``unlabelled``, ``unlabeled`` and ``unsorted``, in upper or lower case, and issues a
        warning if images have no label.

    return_X_y : bool, default=False
        Whether to return only the paths and the targets.

    Returns
    -------
    bunch : Bunch
        With the keys

        paths : ndarray of str of shape (n,)
            The paths of the files, sorted.
        target : ndarray of shape (n,), int64
            The class of each image, an index into `target_names`; -1 without a label.
        target_names : ndarray of str
            The names of the classes, sorted.
        filenames : ndarray of str of shape (n,)
            The paths relative to the folder, with forward slashes.
        subset : ndarray of str of shape (n,)
            "train", "test" and the like, or "" where there are no such folders.
        DESCR : str
            What was found.

    (X, y) : tuple of ndarray
        `paths` and `target`, if `return_X_y` is True.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `path`.
    ImageFileError
        If a folder cannot be read.
    ValueError
        If `path` is not a folder, contains no images, or its folders do not define the classes.

    Warns
    -----
    UserWarning
        If some images have a label and others have none, unless `unlabelled` names their folders;
        if images in formats that cannot be read are left out; or if a folder is left out since it
        is a link to one that is there already.

    See Also
    --------
    load_image_folder : Load the images themselves, also from a zip file.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from sklssl.datasets import list_images
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ["cat/1.JPG", "dog/1.jpg", "dog/2.jpg", "dog/notes.txt"]:
    ...         file = pathlib.Path(folder, name)
    ...         file.parent.mkdir(exist_ok=True)
    ...         _ = file.write_bytes(b"")
    ...     bunch = list_images(folder)
    >>> bunch.filenames, bunch.target
    (array(['cat/1.JPG', 'dog/1.jpg', 'dog/2.jpg'], dtype='<U9'), array([0, 1, 1]))
    """
    root = Path(path).expanduser()
    if root.is_file():
        raise ValueError(
            f"{str(path)!r} is a file, but list_images expects a folder. If it is a zip file, "
            "extract it or load it with load_image_folder."
        )
    with open_folder(path) as (names, _):
        layout = read_layout(names, path, unlabelled, "list_images")
    paths = np.array([os.path.join(root, name) for name in layout.names])
    bunch = Bunch(paths=paths, **_labels(layout))
    bunch.DESCR = _description(len(paths), bunch.target_names, path, "listed")
    return (bunch.paths, bunch.target) if return_X_y else bunch


def make_bunch(
    images: np.ndarray, target: npt.ArrayLike, target_names: npt.ArrayLike, subset: npt.ArrayLike
) -> Bunch:
    """Return a Bunch with the keys that all loaders of images have in common."""
    return Bunch(
        images=images,
        data=images.reshape(len(images), -1),
        target=np.asarray(target, dtype=np.int64),
        target_names=np.array(target_names),
        subset=np.array(subset),
    )


def _labels(layout: Layout) -> dict[str, np.ndarray]:
    """Return the content of a layout as the keys of a Bunch."""
    target_names = sorted({label for label in layout.classes if label is not None})
    index = {label: i for i, label in enumerate(target_names)} | {None: -1}
    return {
        "target": np.array([index[label] for label in layout.classes], dtype=np.int64),
        "target_names": np.array(target_names, dtype=str),
        "filenames": np.array(layout.names),
        "subset": np.array(layout.subsets),
    }


def _description(n_images: int, target_names: Sequence[str], path: _Path, how: str) -> str:
    of = f"of {len(target_names)} classes" if len(target_names) else "without labels"
    return f"{n_images} images {of}, {how} from {Path(path).name}."
