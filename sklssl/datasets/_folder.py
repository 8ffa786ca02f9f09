"""Read a folder or zip file of images as people have them, one folder a class or none."""

import os
import reprlib
import warnings
import zipfile
import zlib
from contextlib import contextmanager
from numbers import Integral
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

from sklssl.datasets._layout import is_image, read_layout
from sklssl.exceptions import ImageFileError
from sklssl.utils._columns import as_images, holds_paths
from sklssl.utils._decode import (
    check_bytes,
    decode_image,
    different_depths,
    read_bytes,
    resize_image,
    say_left_out,
    say_pages,
)

__all__ = [
    "list_images",
    "load_image_folder",
    "load_images",
    "make_bunch",
    "open_folder",
    "read_images",
]


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
    taken = _check_taken("load_image_folder", image_size, color, pages, channels)
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
        raise ImageFileError(f"None of the {n_images} image files can be read. The first: {first}")
    warnings.warn(
        f"{say_left_out([names[i] for i in errors], n_images)} The first: {first}",
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
    names = [os.path.expanduser(str(os.fsdecode(path))) for path in paths]
    taken = _check_taken("load_images", image_size, color, pages, channels)
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


def _check_taken(owner, image_size, color, pages, channels):
    """Check what is to be taken of each file; give the arguments of `read_images`."""
    whole = isinstance(image_size, Integral) and not isinstance(image_size, bool)
    if image_size is not None and not (whole and image_size > 0):
        raise ValueError(
            f"The 'image_size' parameter of {owner} must be an int of at least 1 or None. Got "
            f"{image_size!r} instead."
        )
    number = isinstance(pages, Integral) and not isinstance(pages, bool) and pages >= 0
    if not number and pages not in ("first", "max", "mean", "channels"):
        raise ValueError(
            f"The 'pages' parameter of {owner} must be 'first', 'max', 'mean', 'channels' or the "
            f"number of a page, from 0. Got {pages!r}."
        )
    if channels is None:
        channels = "all" if pages == "channels" else 3 if color else 1
    elif channels != "all":
        numbers = isinstance(channels, (list, tuple, range, np.ndarray)) and len(channels) > 0
        if not numbers or not all(isinstance(c, Integral) and c >= 0 for c in channels):
            raise ValueError(
                f"The 'channels' parameter of {owner} must be None, 'all' or the numbers of "
                f"channels, from 0. Got {channels!r}."
            )
        channels = tuple(map(int, channels))
    return {"image_size": image_size, "pages": pages, "channels": channels}


@contextmanager
def open_folder(path):
    """Give the names of the files in a folder or zip file, and what reads one as bytes."""
    path = Path(path).expanduser()
    if path.is_dir():
        yield list(_walk(path)), lambda name: read_bytes(path / name, name)
    elif not path.exists():
        raise FileNotFoundError(f"There is no folder or zip file {str(path)!r}.")
    elif not zipfile.is_zipfile(path):
        raise ValueError(f"{str(path)!r} is neither a folder nor a zip file.")
    else:
        with zipfile.ZipFile(path) as archive:
            entries = list(map(_entry_name, archive.namelist()))
            index = dict(zip(entries, archive.infolist(), strict=True))
            yield entries, lambda name: _read_entry(archive, index[name], name)


def read_images(names, read, *, image_size=None, channels=3, pages="first", errors=None):
    """Read, decode and, if wanted, resize images into one array (n, H, W, C).

    What cannot be read raises an ImageFileError or, if there is a dict `errors`, is noted there by
    its position; in the array these images have any values.
    """
    images = first = None
    told = []
    for i, name in enumerate(names):
        try:
            image = decode_image(read(name), name, channels, pages, told)
        except ImageFileError as error:
            if errors is None:
                raise
            errors[i] = str(error)
            continue
        if image_size is not None:
            image = resize_image(image, (image_size, image_size))
        if images is None:
            images, first = np.empty((len(names), *image.shape), image.dtype), name
        _check_alike(image, name, images, first)
        images[i] = image
    if told:
        say_pages(*told[0])
    return images


def _check_alike(image, name, images, first):
    """Refuse an image of another size or depth than the first one."""
    if image.shape != images.shape[1:]:
        raise ValueError(
            f"The images differ in size: {first!r} has {images.shape[1]}x{images.shape[2]} "
            f"pixels (height x width), {name!r} {image.shape[0]}x{image.shape[1]}. Give "
            "image_size to bring them all to one size."
        )
    if image.dtype != images.dtype:
        raise ValueError(different_depths(repr(first), images.dtype, repr(name), image.dtype))


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


def _walk(root):
    """Yield the names of all files below `root`, each folder once, however it is linked."""
    seen = set()
    for folder, inner, files in os.walk(root, followlinks=True, onerror=_refuse_folder):
        seen.add(os.path.realpath(folder))
        inner[:] = sorted(f for f in inner if os.path.realpath(os.path.join(folder, f)) not in seen)
        for file in files:
            yield Path(folder, file).relative_to(root).as_posix()


def _refuse_folder(error):
    raise ImageFileError(
        f"The folder {error.filename!r} cannot be read: {error.strerror}. Make it readable or "
        "leave it out."
    ) from error


def _entry_name(name):
    """Give the name of an entry with forward slashes, and refuse one that leads elsewhere."""
    name = name.replace("\\", "/")
    if is_image(name.replace("..", "")) and (".." in name.split("/") or name.startswith("/")):
        raise ValueError(
            f"The zip file holds {name!r}, a name that leads out of it. Do not use it."
        )
    return name


def _read_entry(archive, entry, name):
    # zipfile never gives more bytes than the entry's stated size.
    check_bytes(entry.file_size, name)
    try:
        return archive.read(entry)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise ImageFileError(f"{name!r} cannot be read from the zip file: {error}") from error
