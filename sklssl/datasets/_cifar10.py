"""Load CIFAR-10 from a local copy, or download it."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, overload

import numpy as np
from sklearn.utils import Bunch

from sklssl.datasets._folder import make_bunch
from sklssl.datasets._layout import read_layout
from sklssl.datasets._listing import open_folder
from sklssl.datasets._stack import read_images

__all__ = ["load_cifar10"]

_CLASSES = [
    *("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
]
_TORCHVISION_FOLDER = "cifar-10-batches-py"
_ZIP_PATTERN = "cifar10*.zip"
_DEFAULT_HOME = "~/sklssl_data"
_SUBSETS = {"train": ("train",), "test": ("test",), "all": ("train", "test")}


@overload
def load_cifar10(
    data_home: str | os.PathLike[str] | None = ...,
    *,
    subset: str = ...,
    download: bool = ...,
    return_X_y: Literal[False] = False,
) -> Bunch: ...


@overload
def load_cifar10(
    data_home: str | os.PathLike[str] | None = ...,
    *,
    subset: str = ...,
    download: bool = ...,
    return_X_y: Literal[True],
) -> tuple[np.ndarray, np.ndarray]: ...


def load_cifar10(
    data_home: str | os.PathLike[str] | None = None,
    *,
    subset: str = "train",
    download: bool = False,
    return_X_y: bool = False,
) -> Bunch | tuple[np.ndarray, np.ndarray]:
    """Load the 60,000 colour images of CIFAR-10 [1]_.

    Looks in `data_home` for a complete copy of torchvision (``cifar-10-batches-py/``), then for a
    zip file ``cifar10*.zip`` in the layout read by :func:`load_image_folder`, with ``train/`` and
    ``test/``.

    Parameters
    ----------
    data_home : str or path-like, default=None
        The folder to look in. If None, the environment variable ``SKLSSL_DATA`` is used, or
        ``~/sklssl_data`` if it is not set.

    subset : {"train", "test", "all"}, default="train"
        Which images to load: 50,000, 10,000 or all of them, training images first.

    download : bool, default=False
        Whether torchvision downloads the data into `data_home` if they are not found.

    return_X_y : bool, default=False
        Whether to return the images and targets alone.

    Returns
    -------
    bunch : Bunch
        With the keys

        images : ndarray of shape (n, 32, 32, 3), uint8
            The images, in the official order, in which the classes are mixed. If a zip file has
            no list ``ORDER.txt`` of its files, images are sorted by file name.
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
        If the data are not found and `download` is False.
    ValueError
        If `subset` is unknown, or the zip file contains other classes.

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
    bunch = _from_torchvision(home, _SUBSETS[subset], download and archive is None)
    if bunch is None and archive is not None:
        bunch = _from_zip(archive, _SUBSETS[subset])
    if bunch is None:
        raise FileNotFoundError(
            f"load_cifar10 found neither a complete {_TORCHVISION_FOLDER!r} nor {_ZIP_PATTERN!r} "
            f"in {str(home)!r}. Pass data_home, set the environment variable SKLSSL_DATA to the "
            "folder that contains one of them, or use download=True."
        )
    bunch.DESCR = f"CIFAR-10, {len(bunch.images)} images of 32x32 pixels in 10 classes."
    return (bunch.images, bunch.target) if return_X_y else bunch


def _from_torchvision(home: Path, subsets: Sequence[str], download: bool) -> Bunch | None:
    """Load torchvision's copy, if it is complete or may be downloaded."""
    if not download and not (home / _TORCHVISION_FOLDER).is_dir():
        return None
    from torchvision.datasets import CIFAR10  # slow to import

    try:
        # torchvision compares checksums before it unpickles these files.
        parts = [CIFAR10(home, train=name == "train", download=download) for name in subsets]
    except RuntimeError:
        if download:
            raise
        return None
    return make_bunch(
        np.concatenate([part.data for part in parts]),
        np.concatenate([part.targets for part in parts]),
        parts[0].classes,
        np.repeat(subsets, [len(part.data) for part in parts]),
    )


def _from_zip(path: Path, subsets: Sequence[str]) -> Bunch:
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
                f"{str(path)!r} must contain the classes {_CLASSES} in {' and '.join(subsets)}, "
                f"but contains {found}."
            )
        images = read_images(chosen, read)
    subset, classes = zip(*(parts[name] for name in chosen), strict=True)
    return make_bunch(images, [_CLASSES.index(name) for name in classes], _CLASSES, subset)


def _official_order(names: list[str], read: Callable[[str], bytes]) -> list[str]:
    """Sort file names as in the file ORDER.txt, if it exists and lists all of them."""
    try:
        order = read("ORDER.txt").decode().split()
    except KeyError:
        return names
    return order if sorted(order) == names else names
