"""Read a folder or zip file of images as people have them, one folder a class or none."""

import os
import reprlib
import warnings
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

from sklssl._data.columns import as_images, full_name, holds_paths
from sklssl._data.decode import none_left, read_bytes, say_left_out
from sklssl.datasets._layout import read_layout
from sklssl.datasets._listing import open_folder
from sklssl.datasets._stack import check_taken, read_images

__all__ = ["list_images", "load_image_folder", "load_images", "make_bunch"]


def load_image_folder(
    path,
    *,
    image_size=None,
    color=True,
    pages="first",
    channels=None,
    unlabelled="auto",
    on_error="raise",
    return_X_y=False,
):
    """Load the images of a folder or zip file, and the classes that its folders stand for.

    The first folder is the class, however deep the file lies below it: ``<class>/<file>``. Images
    in no folder have no label. Folders ``train/``, ``test/``, ``val/`` above the classes become
    `subset`, and one folder that holds all others, as in a zip file of a folder, is stepped into.
    Hidden files and files that do not end like an image (.jpg, .png, .tif, .bmp, .webp, .gif, .jp2,
    .ppm, .pgm, in any case) are passed over.

    Parameters
    ----------
    path : str or path-like
        The folder or zip file. A zip file is read in memory; nothing is unpacked to the disk.

    image_size : int, default=None
        Height and width to which every image is brought, whatever its proportions. None requires
        that all images have the same size.

    color : bool, default=True
        Whether to read images as red, green and blue, also grey ones; else as one grey channel.

    pages : "first", int, "max", "mean" or "channels", default="first"
        What is taken of files with several pages or frames, such as z-stacks: one page, by its
        number from 0; the greatest value or the mean over all; or each page as a grey channel.

    channels : "all" or sequence of int, default=None
        Takes the channels that are stored, or those of these numbers from 0, instead of what
        `color` says; of ``pages="channels"``, the pages.

    unlabelled : "auto" or sequence of str, default="auto"
        Names of folders whose images have no label, so that their target is -1. "auto" takes
        ``unlabelled``, ``unlabeled`` and ``unsorted``, in any case, with a warning that says so.

    on_error : {"raise", "skip"}, default="raise"
        Whether a file that cannot be read raises an error, or is left out with a warning.

    return_X_y : bool, default=False
        Whether to return the images and targets alone.

    Returns
    -------
    bunch : Bunch
        With the keys

        images : ndarray of shape (n, H, W, C), uint8, uint16 or float32
            The images, sorted by file name, of the depth that the files have: uint8 for up to 8
            bits a channel, uint16 for up to 16, float32 for more. C is 3, or 1 if not `color`.
        data : ndarray of shape (n, H*W*C)
            The same images as rows, sharing their memory.
        target : ndarray of shape (n,), int64
            The class of each image, an index into `target_names`; -1 without a label.
        target_names : ndarray of str
            The names of the classes, sorted.
        filenames : ndarray of str of shape (n,)
            Where in the folder or zip file each image was, with forward slashes.
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
        If an image cannot be read or is too large and `on_error` is "raise", or none can be read,
        or a folder cannot.
    ValueError
        If `path` is neither a folder nor a zip file, holds no images, or its folders leave a class
        in doubt; if sizes differ and `image_size` is None, or some images have 8 bits and others
        more.

    Warns
    -----
    UserWarning
        If some images have a label and others have none, unless `unlabelled` names their folders;
        if files are left out, or pages of them.

    See Also
    --------
    list_images : List the files without reading them.
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
    taken = check_taken("load_image_folder", image_size, color, pages, channels)
    if on_error not in ("raise", "skip"):
        raise ValueError(
            "The 'on_error' parameter of load_image_folder must be 'raise' or 'skip'. Got "
            f"{on_error!r}."
        )
    errors = None if on_error == "raise" else {}
    with open_folder(path) as (names, read):
        layout = read_layout(names, path, unlabelled, "load_image_folder")
        images = read_images(layout.names, read, **taken, errors=errors)
    labels = _labels(layout)
    if errors:
        images, labels = _leave_out(errors, images, labels)
    bunch = make_bunch(images, labels["target"], labels["target_names"], labels["subset"])
    bunch.filenames = labels["filenames"]
    bunch.DESCR = _describe(len(images), bunch.target_names, path, "read")
    return (bunch.images, bunch.target) if return_X_y else bunch


def _leave_out(errors, images, labels):
    """Leave out what could not be read, with a warning."""
    n_images, names = len(labels["filenames"]), labels["filenames"]
    first = errors[min(errors)]
    if len(errors) == n_images:
        raise none_left(n_images, first)
    warnings.warn(
        say_left_out([names[i] for i in errors], n_images, first),
        UserWarning,
        stacklevel=3,
    )
    kept = np.setdiff1d(np.arange(n_images), list(errors))
    per_image = ("target", "filenames", "subset")
    return images[kept], labels | {key: labels[key][kept] for key in per_image}


def load_images(paths, *, image_size=None, color=True, pages="first", channels=None):
    """Read image files into one array.

    Embedders read files by themselves; this is for a choice of pages or channels that they do not
    make, and for other uses of the images.

    Parameters
    ----------
    paths : sequence of str or path-like
        The files, such as :func:`list_images` finds them.

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
        If of a file with several pages only the first is taken.

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
    paths = as_images(paths)
    if not holds_paths(paths):
        raise ValueError(
            "The 'paths' parameter of load_images must be a sequence of at least one file name "
            f"(str or path-like). Got {reprlib.repr(paths)}."
        )
    names = list(map(full_name, paths))
    taken = check_taken("load_images", image_size, color, pages, channels)
    return read_images(names, read_bytes, **taken)


def list_images(path, *, unlabelled="auto", return_X_y=False):
    """List the images of a folder, and the classes that its folders stand for.

    The files are not read: every embedder takes their names as `X`, and decodes them once. What is
    an image, and what its class is, is told as by :func:`load_image_folder`.

    Parameters
    ----------
    path : str or path-like
        The folder.

    unlabelled : "auto" or sequence of str, default="auto"
        Names of folders whose images have no label, so that their target is -1. "auto" takes
        ``unlabelled``, ``unlabeled`` and ``unsorted``, in any case, with a warning that says so.

    return_X_y : bool, default=False
        Whether to return the names of the files and the targets alone.

    Returns
    -------
    bunch : Bunch
        With the keys

        paths : ndarray of str of shape (n,)
            The files, to be opened; sorted.
        target : ndarray of shape (n,), int64
            The class of each image, an index into `target_names`; -1 without a label.
        target_names : ndarray of str
            The names of the classes, sorted.
        filenames : ndarray of str of shape (n,)
            The files within the folder, with forward slashes.
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
        If a folder may not be read.
    ValueError
        If `path` is no folder, holds no images, or its folders leave a class in doubt.

    Warns
    -----
    UserWarning
        If some images have a label and others have none, unless `unlabelled` names their folders.

    See Also
    --------
    load_image_folder : Read the images, too; also from a zip file.

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
            f"{str(path)!r} is a file, and list_images takes a folder. Unpack it, or read it with "
            "load_image_folder, if it is a zip file."
        )
    with open_folder(path) as (names, _):
        layout = read_layout(names, path, unlabelled, "list_images")
    paths = np.array([os.path.join(root, name) for name in layout.names])
    bunch = Bunch(paths=paths, **_labels(layout))
    bunch.DESCR = _describe(len(paths), bunch.target_names, path, "listed")
    return (bunch.paths, bunch.target) if return_X_y else bunch


def make_bunch(images, target, target_names, subset):
    """Put together what all loaders of this folder give."""
    return Bunch(
        images=images,
        data=images.reshape(len(images), -1),
        target=np.asarray(target, dtype=np.int64),
        target_names=np.array(target_names),
        subset=np.array(subset),
    )


def _labels(layout):
    """Give what a layout says as the keys of a bunch."""
    target_names = sorted({label for label in layout.classes if label is not None})
    index = {label: i for i, label in enumerate(target_names)} | {None: -1}
    return {
        "target": np.array([index[label] for label in layout.classes], dtype=np.int64),
        "target_names": np.array(target_names, dtype=str),
        "filenames": np.array(layout.names),
        "subset": np.array(layout.subsets),
    }


def _describe(n_images, target_names, path, how):
    of = f"of {len(target_names)} classes" if len(target_names) else "without labels"
    return f"{n_images} images {of}, {how} from {Path(path).name}."
