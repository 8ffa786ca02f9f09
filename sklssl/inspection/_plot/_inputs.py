"""What displays of images are given: images, labels, names, and which images to show."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.pipeline import Pipeline
from sklearn.utils import check_consistent_length, column_or_1d

from sklssl._data.arrays import parse_image_shape
from sklssl._data.columns import check_file_names, is_path_sequence, unwrap_images
from sklssl._data.matrix import check_feature_matrix
from sklssl._data.readable import readable_rows
from sklssl._data.rows import take_rows
from sklssl._data.steps import find_reader
from sklssl._data.thumbnails import make_thumbnails
from sklssl.inspection._plot._axes import check_matplotlib
from sklssl.utils._arguments import check_complete
from sklssl.utils._checks import naming_data
from sklssl.utils._markers import is_unlabelled, missing_rows, show_label
from sklssl.utils._whole import is_whole

__all__ = [
    "NO_LABEL",
    "NamedImages",
    "check_features_of",
    "check_inputs",
    "check_predicted",
    "choose_places",
    "embed_images",
    "find_image_shape",
]

NO_LABEL = -1


@dataclass(frozen=True)
class NamedImages:
    """Images with their classes and names.

    Parameters
    ----------
    X : array-like of images or rows, or sequence of file names or pictures
    codes : ndarray of shape (n,), int
        Indices into `classes` and `class_names`, -1 for none.
    classes : list
        The labels.
    class_names : list of str
    names : list of str
    rows : ndarray of shape (n,), int
        Their rows among the `n_given` images that the display was given.
    n_given : int
    image_shape : tuple of int or None
        The shape of images stored as rows.
    """

    X: Any
    codes: np.ndarray
    classes: list[Any]
    class_names: list[str]
    names: list[str]
    rows: np.ndarray
    n_given: int
    image_shape: Sequence[int] | None

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, places: np.ndarray) -> Self:
        """Return some of the images."""
        return replace(
            self,
            X=take_rows(self.X, places),
            codes=self.codes[places],
            names=[self.names[place] for place in places],
            rows=self.rows[places],
        )

    def caption(self, place: int) -> str:
        """Return the class of an image, or its name if it has none."""
        code = self.codes[place]
        return self.names[place] if code == NO_LABEL else self.class_names[code]

    def pictures(self, places: np.ndarray, owner: str, longest: int | None = None) -> list[Any]:
        """Return some images as RGB pictures."""
        return make_thumbnails(
            self.X, places, longest=longest, image_shape=self.image_shape, owner=owner
        )


def check_inputs(
    owner: str,
    X: Any,
    y: npt.ArrayLike | None,
    *,
    names: Sequence[str] | None = None,
    target_names: Sequence[str] | None = None,
    image_shape: Sequence[int] | None = None,
    estimator: Any = None,
) -> NamedImages:
    """Check what a display is given, and that matplotlib is there.

    With an `estimator` that skips unreadable files, these are left out.

    Raises
    ------
    ImportError
        If matplotlib is missing.
    ValueError
        If `X` holds no images, or `y` or `names` do not match it.
    """
    check_matplotlib(owner)
    X = unwrap_images(X)
    check_file_names(X, owner)
    n_images = _count_images(X, owner)
    codes, classes = _encode(y, n_images, owner)
    if target_names is not None:  # all of them, so that each always has the same colour
        classes, codes = _all_classes(codes, classes, len(target_names), owner)
    class_names = list(map(str, classes if target_names is None else target_names))
    names = _default_names(X, n_images) if names is None else [str(name) for name in names]
    _check_length("names", len(names), n_images, owner)
    if estimator is not None:
        image_shape = find_image_shape(estimator, X)
    rows, classes = np.arange(n_images), classes.tolist()
    images = NamedImages(X, codes, classes, class_names, names, rows, n_images, image_shape)
    readable = None if estimator is None else readable_rows(X, estimator)
    return images if readable is None else images.take(readable)


def check_predicted(
    owner: str, X: Any, y: Any, names: Sequence[str] | None
) -> tuple[Any, np.ndarray | None, list[str]]:
    """Return images, their labels or numbers as an array, and a name for each image."""
    check_file_names(X, owner)
    X = unwrap_images(X)
    with naming_data(owner, "needs images, and one label or number in y for each"):
        n_images = X.shape[0] if hasattr(X, "shape") else len(X)
        if y is not None:
            y = column_or_1d(check_complete(y, "y", owner))
            check_consistent_length(X, y)
    if names is None and is_path_sequence(X):
        names = [os.fsdecode(path) for path in X]  # with their folders
    names = _default_names(X, n_images) if names is None else list(map(str, names))
    _check_length("names", len(names), n_images, owner)
    return X, y, names


def embed_images(estimator: Any, X: Any, owner: str) -> np.ndarray:
    """Return the features of `X` as an array with a row per image."""
    if isinstance(estimator, Pipeline) and not hasattr(estimator, "transform"):
        estimator = estimator[:-1]  # ends with a classifier
    if not hasattr(estimator, "transform"):
        raise TypeError(
            f"The 'estimator' argument of {owner}.from_estimator must be a fitted transformer of "
            f"images, such as an embedder. Got {estimator!r}. If you have features, use "
            f"{owner}.from_features."
        )
    return np.asarray(estimator.transform(X))


def check_features_of(Z: npt.ArrayLike, images: NamedImages, owner: str) -> np.ndarray:
    """Return features with a row for each image as a float array."""
    Z = check_feature_matrix(owner, Z, min_samples=1)
    if len(Z) != len(images):
        raise ValueError(
            f"The 'Z' argument of {owner} must hold the features of the images in X. Got {len(Z)} "
            f"rows for {len(images)} images."
        )
    return Z


def choose_places(
    rows: int | npt.ArrayLike, images: NamedImages, rng: np.random.RandomState, owner: str
) -> np.ndarray:
    """Return which images to show: those of given rows, or a number of them, one per class first.

    Parameters
    ----------
    rows : int or array-like of int
        At most this number of images, or their rows in what the display was given.

    images : NamedImages

    rng : RandomState

    owner : str
        The caller; used in error messages.

    Returns
    -------
    places : ndarray of int
        Indices into `images`.
    """
    if is_whole(rows):
        order = rng.permutation(len(images))
        classes, firsts = np.unique(images.codes[order], return_index=True)
        firsts = np.sort(firsts[classes != NO_LABEL])
        chosen = np.append(order[firsts], np.delete(order, firsts))[: int(rows)]
        return chosen[np.argsort(images.codes[chosen], kind="stable")]
    return _find_places(rows, images, owner)


def _find_places(rows: npt.ArrayLike, images: NamedImages, owner: str) -> np.ndarray:
    """Return the places of rows that were given one by one."""
    chosen = np.asarray(rows)
    is_valid = chosen.ndim == 1 and chosen.size and chosen.dtype.kind in "iu"
    if not is_valid or chosen.min() < 0 or chosen.max() >= images.n_given:
        raise ValueError(
            f"The 'rows' argument of {owner} must be a number of images above 0, or a list of row "
            f"numbers from 0 to {images.n_given - 1}. Got {rows!r}."
        )
    places = np.full(images.n_given, -1)
    places[images.rows] = np.arange(len(images))
    skipped = chosen[places[chosen] < 0]
    if len(skipped):
        raise ValueError(
            f"The 'rows' argument of {owner} must hold rows of images that can be read, but the "
            f"file of row {skipped[0]} was skipped. Leave this row out, or replace the file."
        )
    return places[chosen]


def _default_names(X: Any, n_images: int) -> list[str]:
    if is_path_sequence(X):
        return [os.path.basename(os.fsdecode(path)) for path in X]
    return [f"row {row}" for row in range(n_images)]  # a number alone could be a class


def _count_images(X: Any, owner: str) -> int:
    n_images = X.shape[0] if getattr(X, "shape", ()) else len(X) if hasattr(X, "__len__") else 0
    if n_images == 0:
        raise ValueError(
            f"The 'X' argument of {owner} must hold at least one image, as an array or a list of "
            f"file names or pictures. Got {type(X).__name__}."
        )
    return int(n_images)


def _encode(y: npt.ArrayLike | None, n_images: int, owner: str) -> tuple[np.ndarray, np.ndarray]:
    """Return labels as indices of classes, -1 for none, and these classes."""
    if y is None:
        return np.full(n_images, NO_LABEL), np.array([], dtype=int)
    try:
        labels: np.ndarray = column_or_1d(check_complete(y, "y", owner))
    except ValueError as error:
        raise ValueError(
            f"The 'y' argument of {owner} must hold the class of each image. {error}"
        ) from error
    _check_length("y", len(labels), n_images, owner)
    missing = missing_rows(labels)
    if len(missing):
        raise ValueError(
            f"The 'y' argument of {owner} must hold a class, or -1 for none, for each image. Got "
            f"{show_label(labels[missing[0]])} in {len(missing)} of {n_images} rows, first in row "
            f"{missing[0]}."
        )
    labelled = ~is_unlabelled(labels)
    if labels.dtype.kind == "f":
        labels = _whole(labels, owner)
    codes = np.full(n_images, NO_LABEL)
    try:
        classes, codes[labelled] = np.unique(labels[labelled], return_inverse=True)
    except TypeError as error:
        raise ValueError(
            f"The 'y' argument of {owner} must hold labels of one type, such as strings. {error}."
        ) from error
    return codes, classes


def _whole(labels: np.ndarray, owner: str) -> np.ndarray:
    """Return classes that are stored as floats as integers."""
    other = labels != np.floor(labels)
    if other.any():
        raise ValueError(
            f"The 'y' argument of {owner} must hold classes, but has numbers such as "
            f"{labels[other.argmax()]:g}. Divide them into classes, or use "
            "sklssl.inspection.write_image_map, which draws numbers on a scale."
        )
    return labels.astype(int)


def _all_classes(
    codes: np.ndarray, classes: np.ndarray, n_names: int, owner: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return all classes that have a name, and labels as indices of these."""
    if classes.size and (
        classes.dtype.kind not in "iu" or classes.min() < 0 or classes.max() >= n_names
    ):
        raise ValueError(
            f"The 'target_names' argument of {owner} names the classes 0 to {n_names - 1}, but y "
            f"holds {classes[-1]!r}. Pass a name for each class, or labels that are names."
        )
    return np.arange(n_names), np.append(classes, NO_LABEL)[codes]


def _check_length(name: str, n_values: int, n_images: int, owner: str) -> None:
    if n_values != n_images:
        raise ValueError(
            f"The '{name}' argument of {owner} must hold one value for each image. Got {n_values} "
            f"values for {n_images} images."
        )


def find_image_shape(estimator: Any, X: Any) -> Sequence[int] | None:
    """Return the shape of the images in rows `X` of an estimator, which may contain the embedder.

    None if `X` holds no rows, or if a step before the embedder changes how many values they have.
    """
    reader = find_reader(estimator)
    shape = getattr(reader, "image_shape_", getattr(reader, "image_shape", None))
    sides = X.shape[1:] if hasattr(X, "shape") else np.shape(X[0])
    if shape is None or len(sides) != 1 or math.prod(parse_image_shape(shape, reader)) != sides[0]:
        return None
    return tuple(shape)
