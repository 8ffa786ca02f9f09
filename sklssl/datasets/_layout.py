"""Find the subset and class of image files from the folders that contain them."""

import itertools
import os
import unicodedata
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

__all__ = ["UNLABELLED", "Layout", "is_image", "read_layout"]

_EXTENSIONS = (
    *(".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm"),
    *(".tif", ".tiff", ".webp"),
)
# Images that are not read, which nobody expects to be left out.
_OTHER_IMAGES = (
    *(".arw", ".avif", ".cr2", ".cr3", ".crw", ".czi", ".dcm", ".dng", ".exr", ".heic", ".heif"),
    *(".jxl", ".lif", ".lsm", ".mrxs", ".nd2", ".ndpi", ".nef", ".nii", ".nrw", ".oib", ".oif"),
    *(".oir", ".orf", ".pef", ".psd", ".raf", ".rw2", ".scn", ".sr2", ".srw", ".svs", ".tga"),
    *(".vsi", ".x3f"),
)
# What systems put among the files of a user, besides hidden folders.
_SYSTEM = ("__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN", "lost+found")
# Folders above the classes, in upper or lower case.
_SUBSETS = ("train", "training", "test", "testing", "val", "valid", "validation")
# Folders with these names, in upper or lower case, contain images without a label.
UNLABELLED = ("unlabelled", "unlabeled", "unsorted")


class Layout(NamedTuple):
    """Subset and class of each image file.

    Parameters
    ----------
    names : list of str
        The file names, sorted, with forward slashes.

    subsets : list of str
        "" where there are no folders for training and test.

    classes : list of str or None
        None for an image without a label.
    """

    names: list
    subsets: list
    classes: list


def is_image(name: str) -> bool:
    """Return whether a file name has an image extension and is not hidden."""
    return name.lower().endswith(_EXTENSIONS) and not _is_hidden(name)


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part in _SYSTEM for part in name.split("/"))


def read_layout(
    names: Iterable[str], path: str | os.PathLike[str], unlabelled: str | Sequence[str], owner: str
) -> Layout:
    """Find the subset and the class of each image.

    Parameters
    ----------
    names : iterable of str
        The names of all files, relative to the folder or zip file, with forward slashes.

    path : str or path-like
        The folder or zip file; used in error messages.

    unlabelled : "auto" or sequence of str
        Folders whose images have no label; "auto" stands for `UNLABELLED`, with a warning.

    owner : str
        The name of the caller; used in error messages.

    Returns
    -------
    layout : Layout

    Raises
    ------
    ValueError
        If there are no images, or the folders do not define the classes uniquely.

    Warns
    -----
    UserWarning
        If some images have a label and others have none, unless `unlabelled` names folders.
    """
    every = list(names)
    names = sorted(filter(is_image, every))
    left_out = _count_other_images(every)
    if not names:
        raise ValueError(f"{str(path)!r} contains no images ({', '.join(_EXTENSIONS)}).{left_out}")
    if left_out:
        warnings.warn(f"{str(path)!r}:{left_out}", UserWarning, stacklevel=3)
    for name, following in itertools.pairwise(names):
        if name == following:
            raise ValueError(f"{str(path)!r} contains two files named {name!r}. Rename one.")
    folders = [_folders(name) for name in names]
    _strip_common_folder(folders)
    subsets = _pop_subsets(folders, names)
    unlabelled_names: Iterable[str] = UNLABELLED
    if unlabelled != "auto":
        unlabelled_names = _check_names(unlabelled, {f[0] for f in folders if f}, owner)
    classes = [
        None if not inner or inner[0].casefold() in unlabelled_names else inner[0]
        for inner in folders
    ]
    _check_nested_classes(folders, classes, names)
    if unlabelled == "auto":
        _warn_unlabelled(folders, classes)
    return Layout(names, subsets, classes)


def _count_other_images(names: Iterable[str]) -> str:
    """Return a sentence about images that cannot be read; nothing if there are none."""
    kinds = Counter(os.path.splitext(name)[1].lower() for name in names if not _is_hidden(name))
    found = [f"{kinds[kind]} {kind}" for kind in _OTHER_IMAGES if kinds[kind]]
    if not found:
        return ""
    return f" Files that cannot be read are left out: {', '.join(found)}. Convert them to PNG."


def _folders(name: str) -> list[str]:
    # macOS and Windows encode the same accented letter differently.
    return unicodedata.normalize("NFC", name).split("/")[:-1]


def _strip_common_folder(folders: list[list[str]]) -> None:
    """Remove outer folders that contain all files, as in a zip file of one folder."""
    while all(folders) and any(len(inner) > 1 for inner in folders):
        first = folders[0][0]
        if _is_subset(first) or any(inner[0] != first for inner in folders):
            return
        for inner in folders:
            del inner[0]


def _is_subset(folder: str) -> bool:
    return folder.casefold() in _SUBSETS


def _pop_subsets(folders: list[list[str]], names: list[str]) -> list[str]:
    """Remove and return the folders train/, test/ etc. if they contain all images."""
    within = [bool(inner) and _is_subset(inner[0]) for inner in folders]
    if all(within):
        return [inner.pop(0).casefold() for inner in folders]
    deep = [i for i, inner in enumerate(folders) if within[i] and len(inner) > 1]
    if deep and folders[deep[0]][1] != "images":
        raise ValueError(
            f"Either all images or none must be in folders such as train/ and test/, but found "
            f"{names[deep[0]]!r} and {names[within.index(False)]!r}. Such folders are "
            f"{', '.join(_SUBSETS)}, in upper or lower case."
        )
    return [""] * len(folders)


def _check_names(unlabelled: str | Sequence[str], found: set[str], owner: str) -> Iterable[str]:
    """Return the names of folders in the form in which they are compared."""
    names = [unlabelled] if isinstance(unlabelled, str) else unlabelled
    if not isinstance(names, (list, tuple, set)) or not all(isinstance(n, str) for n in names):
        raise ValueError(
            f"The 'unlabelled' parameter of {owner} must be 'auto' or the names of folders. Got "
            f"{unlabelled!r}."
        )
    plain = [unicodedata.normalize("NFC", name).strip("/\\").casefold() for name in names]
    known = {name.casefold() for name in found}
    unknown = [given for given, name in zip(names, plain, strict=True) if name not in known]
    if unknown:
        raise ValueError(
            f"The 'unlabelled' parameter of {owner} names {unknown[0]!r}, but there is no such "
            f"folder with images. The folders are {sorted(found)[:10]}."
        )
    return plain


def _check_nested_classes(
    folders: list[list[str]], classes: list[str | None], names: list[str]
) -> None:
    known = set(classes)
    for inner, label, name in zip(folders, classes, names, strict=True):
        other = next((f for f in inner[1:] if f in known and f != label), None)
        if label is not None and other is not None:
            raise ValueError(
                f"{name!r} is in two folders that are named like classes, {label!r} and "
                f"{other!r}. Move it to one of them, or rename the inner folder."
            )


def _warn_unlabelled(folders: list[list[str]], classes: list[str | None]) -> None:
    n_unlabelled = classes.count(None)
    if n_unlabelled in (0, len(classes)):
        return
    places = {
        inner[0] for inner, label in zip(folders, classes, strict=True) if not label and inner
    }
    where = ", ".join(map(repr, sorted(places))) or "no folder of their own"
    warnings.warn(
        f"{n_unlabelled} of {len(classes)} images have no label (target -1): they are in {where}. "
        "Pass the names of such folders as unlabelled=[...]; with unlabelled=[] every folder is "
        "a class.",
        UserWarning,
        stacklevel=4,
    )
