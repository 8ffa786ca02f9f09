"""The map of images: similar images close together."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_random_state

from sklssl.inspection._colors import UNLABELLED, class_colors, largest_classes
from sklssl.inspection._plot._axes import make_axes, shorten_apart, size_in_points
from sklssl.inspection._plot._inputs import (
    NO_LABEL,
    NamedImages,
    check_features_of,
    check_inputs,
    embed_images,
)
from sklssl.inspection._plot._layout import choose_apart, sample_rows
from sklssl.inspection._plot._names import add_legend
from sklssl.inspection._positions import check_reducer, find_positions
from sklssl.utils._typing import ImagesLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ImageMapDisplay"]

_OWNER = "ImageMapDisplay"
_LONGEST = 64  # pixels of the longer side of a picture
_LONGEST_NAME = 24  # characters in the legend
_CHARACTERS = 15  # of the legend in an inch
_FRAME = 2.6  # points
_OTHER_CLASSES = "#7f7f7f"
_MARGIN = 0.02  # around the map, as a share of its side


class ImageMapDisplay:
    """Map of images: those with similar features are close together.

    As many images as fit without overlaps are drawn as pictures, the others as dots. Create it with
    :meth:`from_estimator` or :meth:`from_features`.

    Parameters
    ----------
    positions : ndarray of shape (n, 2)
        The position of each image.

    pictures : list of ndarray of shape (h, w, 3), uint8
        The images.

    labels : ndarray of shape (n,), int
        The class of each image as an index into `class_names`, -1 for none.

    class_names : list of str
        The names of the classes.

    rows : ndarray of shape (n,), int
        The rows of X that the images come from.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where the map is drawn.

    figure_ : matplotlib Figure
        The figure of `ax_`.

    shown_ : ndarray of int
        Which of the images are drawn as pictures.

    dots_ : matplotlib PathCollection
        The other images.

    images_ : list of matplotlib AxesImage
        The pictures.

    legend_ : matplotlib Legend or None
        The names of the classes, if there are any.

    See Also
    --------
    NeighborsDisplay : The nearest neighbours of some images.

    Notes
    -----
    Only the neighbourhoods of a t-SNE map have a meaning: neither the distances between groups
    nor their sizes do. The colours of the ten largest classes differ; images of all others
    are grey.

    References
    ----------
    van der Maaten, Hinton. Visualizing Data using t-SNE. JMLR 9, 2008.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")  # opens no windows
    >>> from sklssl import PatchDictionaryEmbedder
    >>> from sklssl.datasets import load_digit_images
    >>> from sklssl.inspection import ImageMapDisplay
    >>> X, y = load_digit_images(return_X_y=True)
    >>> embedder = PatchDictionaryEmbedder(n_atoms=32, random_state=0).fit(X[:200])
    >>> display = ImageMapDisplay.from_estimator(embedder, X[:200], y[:200], random_state=0)
    >>> display.positions.shape
    (200, 2)
    >>> [text.get_text() for text in display.legend_.texts[:3]]
    ['0', '1', '2']
    """

    def __init__(
        self,
        positions: np.ndarray,
        pictures: list[np.ndarray],
        *,
        labels: np.ndarray,
        class_names: list[str],
        rows: np.ndarray,
    ) -> None:
        self.positions = positions
        self.pictures = pictures
        self.labels = labels
        self.class_names = class_names
        self.rows = rows

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ImagesLike,
        y: npt.ArrayLike | None = None,
        *,
        reducer: Any = None,
        n_images: int = 1000,
        target_names: Sequence[str] | None = None,
        random_state: Any = None,
        ax: Axes | None = None,
        image_size: float = 0.05,
    ) -> Self:
        """Embed images, and draw the map of their features.

        Parameters
        ----------
        estimator : estimator
            A fitted transformer of images: an embedder, a pipeline that starts with one, or an
            estimator around one, such as a ``SemiSupervisedClassifier``.

        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            Images, or any input that the estimator accepts.

        y : array-like of shape (n,), default=None
            The class of each image, -1 for none.

        reducer : transformer, default=None
            A copy of it maps the first 50 principal components of the standardised features to
            two columns. None means t-SNE with a perplexity of 30, or of a third of the images if
            there are fewer than 91.

        n_images : int, default=1000
            More images than this are replaced by a random sample. Only this is embedded.

        target_names : sequence of str, default=None
            The names of the classes 0, 1, ... in `y`. None shows the labels.

        random_state : int, RandomState instance or None, default=None
            Controls the sample and t-SNE.

        ax : matplotlib Axes, default=None
            Where to draw. None makes a new figure.

        image_size : float, default=0.05
            The longer side of a picture as a proportion of the side of the map.

        Returns
        -------
        display : ImageMapDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing: ``pip install "sklssl[viz]"``.
        TypeError
            If `estimator` or `reducer` is not a transformer.
        ValueError
            If `X` holds no images, or another argument is invalid.
        """
        images = check_inputs(_OWNER, X, y, target_names=target_names, estimator=estimator)
        _check_arguments(reducer, image_size)
        rng = check_random_state(random_state)
        images = images.take(sample_rows(len(images), n_images, rng, _OWNER))
        Z = embed_images(estimator, images.X, _OWNER)
        return cls._compute(Z, images, reducer, rng).plot(ax, image_size=image_size)

    @classmethod
    def from_features(
        cls,
        Z: npt.ArrayLike,
        X: ImagesLike,
        y: npt.ArrayLike | None = None,
        *,
        reducer: Any = None,
        n_images: int = 1000,
        target_names: Sequence[str] | None = None,
        image_shape: Sequence[int] | None = None,
        random_state: Any = None,
        ax: Axes | None = None,
        image_size: float = 0.05,
    ) -> Self:
        """Draw the map of images from features that have been computed.

        Parameters
        ----------
        Z : array-like of shape (n, d)
            The features. If there are two, and `reducer` is None, they are the positions.

        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            The images.

        y : array-like of shape (n,), default=None
            The class of each image, -1 for none.

        reducer : transformer, default=None
            As in :meth:`from_estimator`.

        n_images : int, default=1000
            More images than this are replaced by a random sample.

        target_names : sequence of str, default=None
            The names of the classes 0, 1, ... in `y`. None shows the labels.

        image_shape : tuple of int, default=None
            The shape of images stored as rows. None means the smallest square.

        random_state : int, RandomState instance or None, default=None
            Controls the sample and t-SNE.

        ax : matplotlib Axes, default=None
            Where to draw. None makes a new figure.

        image_size : float, default=0.05
            The longer side of a picture as a proportion of the side of the map.

        Returns
        -------
        display : ImageMapDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing: ``pip install "sklssl[viz]"``.
        ValueError
            If `Z` does not hold the features of the images in `X`, or another argument is invalid.
        """
        images = check_inputs(_OWNER, X, y, target_names=target_names, image_shape=image_shape)
        _check_arguments(reducer, image_size)
        Z = check_features_of(Z, images, _OWNER)
        rng = check_random_state(random_state)
        places = sample_rows(len(images), n_images, rng, _OWNER)
        display = cls._compute(Z[places], images.take(places), reducer, rng)
        return display.plot(ax, image_size=image_size)

    @classmethod
    def _compute(
        cls,
        Z: np.ndarray,
        images: NamedImages,
        reducer: Any,
        rng: np.random.RandomState,
    ) -> Self:
        Z = check_features_of(Z, images, _OWNER)
        pictures = images.pictures(np.arange(len(images)), _OWNER, _LONGEST)
        return cls(
            find_positions(Z, reducer, rng, _OWNER)[0],
            pictures,
            labels=images.codes,
            class_names=images.class_names,
            rows=images.rows,
        )

    def plot(self, ax: Axes | None = None, *, image_size: float = 0.05) -> Self:
        """Draw the map.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a new figure.

        image_size : float, default=0.05
            The longer side of a picture as a proportion of the side of the map.

        Returns
        -------
        self : ImageMapDisplay
        """
        _check_image_size(image_size)
        self.ax_ = ax = make_axes(ax, owner=_OWNER, size=(7.0, 7.3))
        self.figure_: Any = ax.figure
        low, high = self.positions.min(axis=0), self.positions.max(axis=0)
        side = float((high - low).max()) or 1.0
        self.shown_ = choose_apart(self.positions, image_size * side)
        half = (0.5 + _MARGIN + image_size / 2) * side  # of the axes: room for whole pictures
        x, y = (low + high) / 2
        ax.set(xlim=(x - half, x + half), ylim=(y - half, y + half), xticks=[], yticks=[])
        ax.set_aspect("equal")
        ax.spines[:].set_color(UNLABELLED)
        legend = self._legend_of_classes()
        colors = np.array([legend.get(code, _OTHER_CLASSES) for code in self.labels.tolist()])
        hidden = np.delete(np.arange(len(self.positions)), self.shown_)
        across, up = self.positions[hidden].T
        self.dots_ = ax.scatter(across, up, c=colors[hidden], s=12, linewidths=0)
        # Slightly smaller than their place, so that frames do not touch.
        width = 0.86 * image_size * side
        point = 2 * half / min(size_in_points(ax))
        self.images_ = [self._draw(i, width, colors[i], point) for i in self.shown_]
        self.legend_ = self._draw_legend(legend)
        return self

    def _draw(self, i: int, side: float, color: str, point: float) -> Any:
        """Draw a picture at its place in a frame of the colour of its class.

        `point` is the size of a point in the units of the positions.
        """
        height, width = (
            side * n / max(self.pictures[i].shape[:2]) for n in self.pictures[i].shape[:2]
        )
        x, y = self.positions[i]
        extent = (x - width / 2, x + width / 2, y - height / 2, y + height / 2)
        limits = self.ax_.axis()
        artist = self.ax_.imshow(self.pictures[i], extent=extent, zorder=2)
        self.ax_.axis(limits)
        from matplotlib.patches import Rectangle

        line = min(_FRAME, min(width, height) / point)  # half of it is behind the picture
        style: dict[str, Any] = {"edgecolor": color, "linewidth": line, "zorder": 1.5}
        self.ax_.add_patch(Rectangle(extent[::2], width, height, fill=False, **style))
        return artist

    def _legend_of_classes(self) -> dict[int | str, str]:
        """Return the colour of each named class, of the others, and of images without a class."""
        known = self.labels[self.labels != NO_LABEL]
        sizes = np.bincount(known, minlength=len(self.class_names))
        colors = class_colors(sizes)
        named: dict[int | str, str] = {code: colors[code] for code in largest_classes(sizes)}
        return {**named, "others": _OTHER_CLASSES, NO_LABEL: UNLABELLED}

    def _draw_legend(self, colors: dict[int | str, str]) -> Any:
        from matplotlib.lines import Line2D

        found = {code if code in colors else "others" for code in self.labels.tolist()}
        if found == {NO_LABEL}:
            return None
        texts = {"others": "other classes", NO_LABEL: "unlabelled"}
        keys = [key for key in colors if key in found]
        marks = [Line2D([], [], color=colors[key], marker="s", linestyle="") for key in keys]
        short = shorten_apart(self.class_names, _LONGEST_NAME)
        names = [texts[k] if k in texts else short[int(k)] for k in keys]
        n_columns = _count_columns(names, self.ax_.get_window_extent().width / self.figure_.dpi)
        place: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, 0)}
        style: dict[str, Any] = {"ncols": n_columns, "handletextpad": 0.2, "columnspacing": 1}
        return add_legend(self.ax_, marks, names, **place, **style)


def _check_arguments(reducer: Any, image_size: float) -> None:
    check_reducer(reducer, _OWNER)
    _check_image_size(image_size)


def _check_image_size(image_size: float) -> None:
    if not isinstance(image_size, Real) or not 0 < image_size <= 1:
        raise ValueError(
            f"The 'image_size' argument of {_OWNER} must be a proportion of the map above 0 and at "
            f"most 1. Got {image_size!r}."
        )


def _count_columns(names: list[str], width: float) -> int:
    """Return how many columns a legend as wide as the axes, in inches, has room for."""
    longest = max(map(len, names))
    return min(len(names), max(1, int(_CHARACTERS * width / (longest + 5))))
