"""Read a folder or zip file of images, one folder a class."""

import os
import zipfile
import zlib
from contextlib import contextmanager
from numbers import Integral
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

from sklssl.utils._decode import check_bytes, decode_image, read_bytes, resize_image

__all__ = ["load_image_folder", "make_bunch", "open_folder", "read_images", "split_name"]

_EXTENSIONS = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
_LAYOUT = "[train/ or test/]<class>/[images/]<file>"


def load_image_folder(path, *, image_size=None, color=True, return_X_y=False):
    """Load the images of a folder or zip file in which every class has a folder.

    The files lie in ``<class>/<file>``, or in ``train/<class>/<file>`` and
    ``test/<class>/<file>``; between class and file there may be one more folder, ``images/``.
    Hidden files and files that do not end like an image (.jpg, .png, .bmp, .tif, .webp, .ppm,
    .pgm) are passed over. Images without labels can all lie in one class.

    Parameters
    ----------
    path : str or path-like
        The folder or zip file. A zip file is read in memory; nothing is unpacked to the disk.

    image_size : int, default=None
        Height and width to which every image is brought, whatever its proportions. None requires
        that all images have the same size.

    color : bool, default=True
        Whether to read images as red, green and blue, also grey ones; else as one grey channel.

    return_X_y : bool, default=False
        Whether to return the images and targets alone.

    Returns
    -------
    bunch : Bunch
        With the keys

        images : ndarray of shape (n, H, W, C), uint8
            The images, sorted by file name. C is 3, or 1 if not `color`.
        data : ndarray of shape (n, H*W*C), uint8
            The same images as rows, sharing their memory.
        target : ndarray of shape (n,), int64
            The class of each image, an index into `target_names`.
        target_names : ndarray of str
            The names of the class folders, sorted.
        filenames : ndarray of str of shape (n,)
            Where in the folder or zip file each image was, with forward slashes.
        subset : ndarray of str of shape (n,)
            "train" or "test", or "" where there are no such folders.
        DESCR : str
            What was read.

    (X, y) : tuple of ndarray
        `images` and `target`, if `return_X_y` is True.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `path`.
    ValueError
        If `path` is neither a folder nor a zip file, holds no images or not in this layout, if
        an image cannot be read or is too large, or if sizes differ and `image_size` is None.

    See Also
    --------
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
    if image_size is not None and not (isinstance(image_size, Integral) and image_size > 0):
        raise ValueError(
            "The 'image_size' parameter of load_image_folder must be an int of at least 1 or None. "
            f"Got {image_size!r} instead."
        )
    with open_folder(path) as (names, read):
        images = read_images(names, read, image_size=image_size, color=color)
    subset, classes = zip(*map(split_name, names), strict=True)
    target_names, target = np.unique(classes, return_inverse=True)
    bunch = make_bunch(images, target, target_names, subset)
    bunch.filenames = np.array(names)
    bunch.DESCR = (
        f"{len(images)} images of shape {images.shape[1:]} and {len(target_names)} classes, read "
        f"from {Path(path).name}."
    )
    return (bunch.images, bunch.target) if return_X_y else bunch


@contextmanager
def open_folder(path):
    """Give the sorted names of the images in a folder or zip file, and what reads one as bytes."""
    path = Path(path).expanduser()
    if path.is_dir():
        names = _image_names(_walk(path), path)
        yield names, lambda name: read_bytes(path / name, name)
    elif not path.exists():
        raise FileNotFoundError(f"There is no folder or zip file {str(path)!r}.")
    elif not zipfile.is_zipfile(path):
        raise ValueError(f"{str(path)!r} is neither a folder nor a zip file.")
    else:
        with zipfile.ZipFile(path) as archive:
            yield _image_names(archive.namelist(), path), lambda name: _read_entry(archive, name)


def read_images(names, read, *, image_size=None, color=True):
    """Read, decode and, if wanted, resize images into one array (n, H, W, C)."""
    images = None
    for i, name in enumerate(names):
        image = decode_image(read(name), name, color)
        if image_size is not None:
            image = resize_image(image, (image_size, image_size))
        if images is None:
            images = np.empty((len(names), *image.shape), np.uint8)
        if image.shape != images.shape[1:]:
            raise ValueError(
                f"The images differ in size: {names[0]!r} has {images.shape[1]}x{images.shape[2]} "
                f"pixels (height x width), {name!r} {image.shape[0]}x{image.shape[1]}. Give "
                "image_size to bring them all to one size."
            )
        images[i] = image
    return images


def split_name(name):
    """Split the name of an image file into subset ("train", "test" or "") and class."""
    folders = name.split("/")[:-1]
    has_subset = len(folders) > 1 and folders[0] in ("train", "test")
    subset = folders.pop(0) if has_subset else ""
    if len(folders) == 2 and folders[1] == "images":
        folders.pop()
    if len(folders) != 1:
        raise ValueError(
            f"Images must lie in {_LAYOUT}, but there is {name!r}. Images without labels can all "
            "lie in one class folder."
        )
    return subset, folders[0]


def make_bunch(images, target, target_names, subset):
    """Put together what all loaders of this folder give."""
    return Bunch(
        images=images,
        data=images.reshape(len(images), -1),
        target=np.asarray(target, dtype=np.int64),
        target_names=np.array(target_names),
        subset=np.array(subset),
    )


def _walk(root):
    for folder, _, files in os.walk(root, followlinks=True):
        for file in files:
            yield Path(folder, file).relative_to(root).as_posix()


def _image_names(names, path):
    """Choose the images among file names, and refuse what would give wrong classes."""
    names = sorted({name for name in names if _is_image(name)})
    if not names:
        raise ValueError(
            f"{str(path)!r} holds no images ({', '.join(_EXTENSIONS)}); they must lie in {_LAYOUT}."
        )
    with_subset = {bool(split_name(name)[0]): name for name in names}
    if len(with_subset) == 2:
        raise ValueError(
            f"Either all images or none must lie in train/ and test/, but there are "
            f"{with_subset[True]!r} and {with_subset[False]!r}."
        )
    return names


def _is_image(name):
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))
    return name.lower().endswith(_EXTENSIONS) and not hidden


def _read_entry(archive, name):
    # zipfile never gives more bytes than the entry's stated size.
    check_bytes(archive.getinfo(name).file_size, name)
    try:
        return archive.read(name)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise ValueError(f"{name!r} cannot be read from the zip file: {error}") from error
