"""What the folders of image files say about them: subset and class."""

import itertools
import unicodedata
import warnings
from typing import NamedTuple

__all__ = ["UNLABELLED", "Layout", "is_image", "read_layout"]

_EXTENSIONS = (".bmp", ".gif", ".jp2", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif")
_EXTENSIONS += (".tiff", ".webp")
_SUBSETS = ("train", "test", "val", "valid", "validation")
# Folders of this name, in any case, hold images that nobody has labelled yet.
UNLABELLED = ("unlabelled", "unlabeled", "unsorted")


class Layout(NamedTuple):
    """What the folders say of each file.

    Parameters
    ----------
    names : list of str
        The names, sorted, with forward slashes.

    subsets : list of str
        "" where there are no folders for training and test.

    classes : list of str or None
        None for an image without a label.
    """

    names: list
    subsets: list
    classes: list


def is_image(name):
    """Tell whether a name ends like an image and is not hidden."""
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))
    return name.lower().endswith(_EXTENSIONS) and not hidden


def read_layout(names, path, unlabelled, owner):
    """Find the subset and the class of each image.

    Parameters
    ----------
    names : iterable of str
        Of all files, relative to the folder or zip file, with forward slashes.

    path : str or path-like
        The folder or zip file; named in the errors.

    unlabelled : "auto" or sequence of str
        Folders whose images have no label; "auto" takes those of `UNLABELLED`, and says so.

    owner : str
        Who asks; named in the errors.

    Returns
    -------
    layout : Layout

    Raises
    ------
    ValueError
        If there are no images, or the folders do not tell the classes without doubt.

    Warns
    -----
    UserWarning
        If images have no label though others have one, unless `unlabelled` says so.
    """
    names = sorted(filter(is_image, names))
    if not names:
        raise ValueError(f"{str(path)!r} holds no images ({', '.join(_EXTENSIONS)}).")
    for name, following in itertools.pairwise(names):
        if name == following:
            raise ValueError(f"{str(path)!r} holds two files of the name {name!r}. Rename one.")
    folders = [_folders(name) for name in names]
    _step_into_the_only_one(folders)
    subsets = _take_subsets(folders, names)
    marks = UNLABELLED if unlabelled == "auto" else _check_names(unlabelled, owner)
    marks = {mark.casefold() for mark in marks}
    classes = [None if not inner or inner[0].casefold() in marks else inner[0] for inner in folders]
    _refuse_nested_classes(folders, classes, names)
    if unlabelled == "auto":
        _say_unlabelled(folders, classes)
    return Layout(names, subsets, classes)


def _folders(name):
    # A Mac and a PC write the same accent in two ways.
    return unicodedata.normalize("NFC", name).split("/")[:-1]


def _step_into_the_only_one(folders):
    """Leave out outer folders that hold everything, as in a zip file of one folder."""
    while all(folders) and any(len(inner) > 1 for inner in folders):
        first = folders[0][0]
        if first in _SUBSETS or any(inner[0] != first for inner in folders):
            return
        for inner in folders:
            del inner[0]


def _take_subsets(folders, names):
    """Take the folders train/, test/ and the like off, if all images lie in them."""
    within = [bool(inner) and inner[0] in _SUBSETS for inner in folders]
    if all(within):
        return [inner.pop(0) for inner in folders]
    deep = [i for i, inner in enumerate(folders) if within[i] and len(inner) > 1]
    if deep and folders[deep[0]][1] != "images":
        raise ValueError(
            f"Either all images or none must lie in folders such as train/ and test/, but there "
            f"are {names[deep[0]]!r} and {names[within.index(False)]!r}."
        )
    return [""] * len(folders)


def _check_names(unlabelled, owner):
    names = [unlabelled] if isinstance(unlabelled, str) else unlabelled
    if not isinstance(names, (list, tuple, set)) or not all(isinstance(n, str) for n in names):
        raise ValueError(
            f"The 'unlabelled' parameter of {owner} must be 'auto' or the names of folders. Got "
            f"{unlabelled!r}."
        )
    return names


def _refuse_nested_classes(folders, classes, names):
    known = set(classes)
    for inner, label, name in zip(folders, classes, names, strict=True):
        other = next((f for f in inner[1:] if f in known and f != label), None)
        if label is not None and other is not None:
            raise ValueError(
                f"{name!r} lies in two folders that are named like classes, {label!r} and "
                f"{other!r}. Move it into one of them, or rename the inner folder."
            )


def _say_unlabelled(folders, classes):
    n_unlabelled = classes.count(None)
    if n_unlabelled in (0, len(classes)):
        return
    places = {
        inner[0] for inner, label in zip(folders, classes, strict=True) if not label and inner
    }
    where = ", ".join(map(repr, sorted(places))) or "no folder of their own"
    warnings.warn(
        f"{n_unlabelled} of {len(classes)} images have no label, target -1: they lie in {where}. "
        "Give the names of such folders as unlabelled=[...]; with unlabelled=[] each folder is a "
        "class.",
        UserWarning,
        stacklevel=4,
    )
