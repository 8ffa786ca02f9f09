"""CIFAR-10, from wherever it already is."""

import os
from pathlib import Path

import numpy as np

from sklssl.datasets._folder import make_bunch
from sklssl.datasets._layout import read_layout
from sklssl.datasets._listing import open_folder
from sklssl.datasets._stack import read_images

__all__ = ["load_cifar10"]

_CLASSES = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
]
_TORCHVISION_FOLDER = "cifar-10-batches-py"
_ZIP_PATTERN = "cifar10*.zip"
_DEFAULT_HOME = "~/sklssl_data"
_SUBSETS = {"train": ("train",), "test": ("test",), "all": ("train", "test")}


def load_cifar10(data_home=None, *, subset="train", download=False, return_X_y=False):
    """Load the 60,000 colour images of CIFAR-10 [1]_.

    Looks in `data_home` for torchvision's copy (``cifar-10-batches-py/``), then for a zip file
    ``cifar10*.zip`` of the layout that :func:`load_image_folder` reads, with ``train/`` and
    ``test/``.

    Parameters
    ----------
    data_home : str or path-like, default=None
        The folder to look in. None takes the environment variable ``SKLSSL_DATA``, or else
        ``~/sklssl_data``.

    subset : {"train", "test", "all"}, default="train"
        Which images to load: 50,000, 10,000 or all, the training images first.

    download : bool, default=False
        Whether to let torchvision download the data into `data_home` when they are not there.

    return_X_y : bool, default=False
        Whether to return the images and targets alone.

    Returns
    -------
    bunch : Bunch
        With the keys

        images : ndarray of shape (n, 32, 32, 3), uint8
            The images. In the official order, in which the classes are mixed, or, for a zip file
            without the list ``ORDER.txt`` of its files, sorted by file name.
        data : ndarray of shape (n, 3072), uint8
            The same images as rows, sharing their memory.
        target : ndarray of shape (n,), int64
            The class of each image, an index into `target_names`.
        target_names : ndarray of str of shape (10,)
            The names of the classes in the official order.
        subset : ndarray of str of shape (n,)
            "train" or "test".
        DESCR : str
            What was read.

    (X, y) : tuple of ndarray
        `images` and `target`, if `return_X_y` is True.

    Raises
    ------
    FileNotFoundError
        If the data are not there and `download` is False.
    ValueError
        If `subset` is unknown, or the zip file holds other classes.

    References
    ----------
    .. [1] Krizhevsky. Learning Multiple Layers of Features from Tiny Images. Technical report,
       University of Toronto, 2009.

    Examples
    --------
    >>> from sklssl.datasets import load_cifar10
    >>> cifar = load_cifar10(subset="test")  # doctest: +SKIP
    >>> cifar.images.shape  # doctest: +SKIP
    (10000, 32, 32, 3)
    """
    if subset not in _SUBSETS:
        raise ValueError(
            "The 'subset' parameter of load_cifar10 must be one of 'train', 'test', 'all'. Got "
            f"{subset!r} instead."
        )
    home = Path(data_home or os.environ.get("SKLSSL_DATA") or _DEFAULT_HOME).expanduser()
    archive = min(home.glob(_ZIP_PATTERN), default=None)
    if (home / _TORCHVISION_FOLDER).is_dir() or (archive is None and download):
        bunch = _from_torchvision(home, _SUBSETS[subset], download)
    elif archive is not None:
        bunch = _from_zip(archive, _SUBSETS[subset])
    else:
        raise FileNotFoundError(
            f"load_cifar10 found neither {_TORCHVISION_FOLDER!r} nor {_ZIP_PATTERN!r} in "
            f"{str(home)!r}. Give data_home, set the environment variable SKLSSL_DATA to the "
            "folder that holds one of them, or use download=True."
        )
    bunch.DESCR = f"CIFAR-10, {len(bunch.images)} images of 32x32 pixels in 10 classes."
    return (bunch.images, bunch.target) if return_X_y else bunch


def _from_torchvision(home, subsets, download):
    from torchvision.datasets import CIFAR10  # slow to import

    # torchvision compares checksums before it unpickles these files.
    parts = [CIFAR10(home, train=name == "train", download=download) for name in subsets]
    return make_bunch(
        np.concatenate([part.data for part in parts]),
        np.concatenate([part.targets for part in parts]),
        parts[0].classes,
        np.repeat(subsets, [len(part.data) for part in parts]),
    )


def _from_zip(path, subsets):
    with open_folder(path) as (names, read):
        layout = read_layout(names, path, [], "load_cifar10")
        parts = dict(
            zip(layout.names, zip(layout.subsets, layout.classes, strict=True), strict=True)
        )
        order = _official_order(layout.names, read)
        chosen = [name for subset in subsets for name in order if parts[name][0] == subset]
        found = sorted({str(parts[name][1]) for name in chosen})
        if found != _CLASSES:
            raise ValueError(
                f"{str(path)!r} must hold the classes {_CLASSES} in {' and '.join(subsets)}, but "
                f"holds {found}."
            )
        images = read_images(chosen, read)
    subset, classes = zip(*(parts[name] for name in chosen), strict=True)
    return make_bunch(images, [_CLASSES.index(name) for name in classes], _CLASSES, subset)


def _official_order(names, read):
    """Order file names as the file ORDER.txt among them does, if it is there and lists them all."""
    try:
        order = read("ORDER.txt").decode().split()
    except KeyError:
        return names
    return order if sorted(order) == names else names
