"""Some images and their nearest neighbours in feature space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_random_state

from sklssl.curation import kneighbors
from sklssl.inspection._plot._axes import captioned_grid, draw_picture, make_axes, shorten_apart
from sklssl.inspection._plot._inputs import (
    NO_LABEL,
    NamedImages,
    check_features_of,
    check_inputs,
    choose_places,
    embed_images,
)
from sklssl.utils._checks import check_whole
from sklssl.utils._typing import ImagesLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["NeighborsDisplay"]

_OWNER = "NeighborsDisplay"
_LONGEST = 128  # pixels of the longer side of a picture
_QUERY, _OTHER = "#4477aa", "#cc3311"  # colours of frames


class NeighborsDisplay:
    """Some images, each in a row with its nearest neighbours in feature space.

    The image itself has a blue frame, neighbours of another class have a red one. Create it with
    :meth:`from_estimator` or :meth:`from_features`.

    Parameters
    ----------
    neighbors : ndarray of shape (n_rows, 1 + n_neighbors), int
        The rows of X: each image, and its neighbours, nearest first.

    similarities : ndarray of shape (n_rows, 1 + n_neighbors)
        The cosine similarity of each image and its neighbours.

    pictures : dict of int to ndarray of shape (h, w, 3), uint8
        The picture of each of these rows.

    captions : dict of int to str
        The class of each of these rows, or the name of an image without a class.

    is_other : ndarray of shape (n_rows, 1 + n_neighbors), bool
        Which neighbours are of another class.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where the grid is drawn.

    figure_ : matplotlib Figure
        The figure of `ax_`.

    axes_ : ndarray of matplotlib Axes of shape (n_rows, 1 + n_neighbors)
        The cells of the grid.

    images_ : list of matplotlib AxesImage
        The pictures, row by row.

    See Also
    --------
    ImageMapDisplay : All images at once.
    sklssl.metrics.knn_score : How often neighbours are of the same class.

    Notes
    -----
    Neighbours are found by the cosine similarity of standardised features, as in
    :func:`sklssl.metrics.knn_score`.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")  # opens no windows
    >>> from sklssl import PatchDictionaryEmbedder
    >>> from sklssl.datasets import load_digit_images
    >>> from sklssl.inspection import NeighborsDisplay
    >>> X, y = load_digit_images(return_X_y=True)
    >>> embedder = PatchDictionaryEmbedder(n_atoms=32, random_state=0).fit(X[:200])
    >>> display = NeighborsDisplay.from_estimator(embedder, X[:200], y[:200], rows=[0, 7])
    >>> display.neighbors.shape
    (2, 7)
    >>> y[display.neighbors[1]]
    array([7, 7, 7, 7, 7, 7, 7])
    """

    def __init__(
        self,
        neighbors: np.ndarray,
        similarities: np.ndarray,
        *,
        pictures: dict[int, np.ndarray],
        captions: dict[int, str],
        is_other: np.ndarray,
    ) -> None:
        self.neighbors = neighbors
        self.similarities = similarities
        self.pictures = pictures
        self.captions = captions
        self.is_other = is_other

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ImagesLike,
        y: npt.ArrayLike | None = None,
        *,
        rows: int | npt.ArrayLike = 6,
        n_neighbors: int = 6,
        names: Sequence[str] | None = None,
        target_names: Sequence[str] | None = None,
        random_state: Any = None,
        ax: Axes | None = None,
    ) -> Self:
        """Embed images, and draw some of them with their nearest neighbours.

        Parameters
        ----------
        estimator : estimator
            A fitted transformer of images: an embedder, a pipeline that starts with one, or an
            estimator around one, such as a ``SemiSupervisedClassifier``.

        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            At least two images, or any input that the estimator accepts.

        y : array-like of shape (n,), default=None
            The class of each image, -1 for none.

        rows : int or array-like of int, default=6
            A number of images, drawn at random: one of each class first, then any. Or the rows of
            these images.

        n_neighbors : int, default=6
            The number of neighbours, or all other images if there are fewer.

        names : sequence of str, default=None
            The name of each image, shown if it has no class. None means file names, or row numbers
            if `X` holds no files.

        target_names : sequence of str, default=None
            The names of the classes 0, 1, ... in `y`. None shows the labels.

        random_state : int, RandomState instance or None, default=None
            Controls which images are drawn.

        ax : matplotlib Axes, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        display : NeighborsDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing: ``pip install "sklssl[viz]"``.
        TypeError
            If `estimator` is not a transformer.
        ValueError
            If `X` holds fewer than two images, or another argument is invalid.
        """
        images = check_inputs(
            _OWNER, X, y, names=names, target_names=target_names, estimator=estimator
        )
        queries = _choose(images, rows, n_neighbors, random_state)
        Z = embed_images(estimator, images.X, _OWNER)
        return cls._compute(Z, images, queries, n_neighbors).plot(ax)

    @classmethod
    def from_features(
        cls,
        Z: npt.ArrayLike,
        X: ImagesLike,
        y: npt.ArrayLike | None = None,
        *,
        rows: int | npt.ArrayLike = 6,
        n_neighbors: int = 6,
        names: Sequence[str] | None = None,
        target_names: Sequence[str] | None = None,
        image_shape: Sequence[int] | None = None,
        random_state: Any = None,
        ax: Axes | None = None,
    ) -> Self:
        """Draw images with their nearest neighbours from features that have been computed.

        Parameters
        ----------
        Z : array-like of shape (n, d)
            The features.

        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            The images, at least two.

        y : array-like of shape (n,), default=None
            The class of each image, -1 for none.

        rows : int or array-like of int, default=6
            A number of images, drawn at random: one of each class first, then any. Or the rows of
            these images.

        n_neighbors : int, default=6
            The number of neighbours, or all other images if there are fewer.

        names : sequence of str, default=None
            The name of each image, shown if it has no class. None means file names, or row numbers
            if `X` holds no files.

        target_names : sequence of str, default=None
            The names of the classes 0, 1, ... in `y`. None shows the labels.

        image_shape : tuple of int, default=None
            The shape of images stored as rows. None means the smallest square.

        random_state : int, RandomState instance or None, default=None
            Controls which images are drawn.

        ax : matplotlib Axes, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        display : NeighborsDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing: ``pip install "sklssl[viz]"``.
        ValueError
            If `Z` does not hold the features of the images in `X`, or another argument is invalid.
        """
        images = check_inputs(
            _OWNER, X, y, names=names, target_names=target_names, image_shape=image_shape
        )
        queries = _choose(images, rows, n_neighbors, random_state)
        return cls._compute(Z, images, queries, n_neighbors).plot(ax)

    @classmethod
    def _compute(
        cls, Z: npt.ArrayLike, images: NamedImages, queries: np.ndarray, n_neighbors: int
    ) -> Self:
        Z = check_features_of(Z, images, _OWNER)
        neighbors, similarities = _find_neighbors(Z, queries, min(n_neighbors, len(Z) - 1))
        codes = images.codes[neighbors]
        both_known = (codes != NO_LABEL) & (codes[:, :1] != NO_LABEL)
        shown = np.unique(neighbors)
        rows = images.rows[shown].tolist()
        pictures = images.pictures(shown, _OWNER, _LONGEST)
        return cls(
            images.rows[neighbors],
            similarities,
            pictures=dict(zip(rows, pictures, strict=True)),
            captions=dict(zip(rows, map(images.caption, shown), strict=True)),
            is_other=both_known & (codes != codes[:, :1]),
        )

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw the grid.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        self : NeighborsDisplay
        """
        n_rows, n_columns = self.neighbors.shape
        self.ax_ = make_axes(ax, owner=_OWNER, size=(1.1 * n_columns, 1.25 * n_rows))
        self.figure_: Any = self.ax_.figure
        self.axes_, longest = captioned_grid(self.ax_, n_rows, n_columns)
        self.images_ = []
        captions = list(dict.fromkeys(self.captions.values()))
        short = dict(zip(captions, shorten_apart(captions, longest), strict=True))
        for (i, j), row in np.ndenumerate(self.neighbors):
            cell: Any = self.axes_[i, j]
            color = _QUERY if j == 0 else _OTHER if self.is_other[i, j] else None
            picture, title = self.pictures[int(row)], short[self.captions[int(row)]]
            artist = draw_picture(cell, picture, title=title, color=color, longest_title=longest)
            if self.is_other[i, j]:
                cell.title.set_color(_OTHER)
            self.images_.append(artist)
        return self


def _choose(
    images: NamedImages, rows: int | npt.ArrayLike, n_neighbors: int, random_state: Any
) -> np.ndarray:
    check_whole("n_neighbors", n_neighbors, _OWNER)
    if len(images) < 2:
        raise ValueError(
            f"The 'X' argument of {_OWNER} must hold at least two images: an image and its "
            f"neighbours. Got {len(images)}."
        )
    return choose_places(rows, images, check_random_state(random_state), _OWNER)


def _find_neighbors(
    Z: np.ndarray, queries: np.ndarray, n_neighbors: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return each query with its neighbours, and their cosines."""
    distances, found = kneighbors(Z, n_neighbors + 1, queries=Z[queries], metric="standardized")
    # A query may be among its own neighbours, or not, if other images are the same.
    own = found == queries[:, np.newaxis]
    own[~own.any(axis=1), -1] = True
    shape = len(queries), n_neighbors
    neighbors = np.column_stack([queries, found[~own].reshape(shape)])
    cosines = np.column_stack([np.ones(len(queries)), 1 - distances[~own].reshape(shape)])
    return neighbors, cosines
