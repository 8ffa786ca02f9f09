"""What a network sees during training: the views that a pretext task makes of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_random_state

from sklssl._data.thumbnails import view_pictures
from sklssl.inspection._plot._axes import captioned_grid, draw_picture, make_axes
from sklssl.inspection._plot._inputs import check_inputs, choose_places
from sklssl.inspection._pretext_views import (
    ScaleViews,
    draw_views,
    name_targets,
    unwrap_embedder,
)
from sklssl.utils._typing import ImagesLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ViewsDisplay"]

_OWNER = "ViewsDisplay"
_LONGEST = 128  # pixels of the longer side of an image
_IMAGE = "#4477aa"  # colour of the frames of the images themselves


class ViewsDisplay:
    """Some images, each with the views of it on which a network is trained.

    It shows what a pretext task makes of the images: whether objects are still recognisable in
    random crops, and whether a rotation could be told at all. The embedder need not be fitted.
    Create it with :meth:`from_estimator`.

    Parameters
    ----------
    pictures : list of ndarray of shape (h, w, 3), uint8
        The images.

    views : dict of float to list of list of ndarray of shape (h, w, 3), uint8
        For each scale of the training, the views of each image.

    titles : dict of float to list of list of str
        For each scale, the titles of the views of each image: the target, which the network must
        predict, if the task has one for each view, or their number.

    names : list of str
        The names of the images.

    rows : ndarray of shape (n,), int
        The rows of X that the images come from.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where the grid is drawn.

    figure_ : matplotlib Figure
        The figure of `ax_`.

    axes_ : ndarray of matplotlib Axes of shape (n_images * n_scales, 1 + n_views)
        The cells of the grid: a row for each scale of an image.

    images_ : list of matplotlib AxesImage
        The pictures, row by row.

    See Also
    --------
    GradCAMDisplay : Where in these views a trained network looks.

    Notes
    -----
    The views are those of one training step at each scale, drawn from a generator whose seed
    `random_state` determines. A ``fit`` with the same `random_state` draws other ones. The targets
    of a DeepClusterEmbedder are clusters: of an unfitted one those of its first epoch, of a fitted
    one those that it predicts for the images.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")  # opens no windows
    >>> from sklssl import RotNetEmbedder
    >>> from sklssl.datasets import load_digit_images
    >>> from sklssl.inspection import ViewsDisplay
    >>> X, y = load_digit_images(return_X_y=True)
    >>> angles = ["0°", "90°", "180°", "270°"]
    >>> display = ViewsDisplay.from_estimator(RotNetEmbedder(), X, rows=[5, 9], target_names=angles)
    >>> display.titles[1.0]
    [['0°', '90°', '180°', '270°'], ['0°', '90°', '180°', '270°']]
    """

    def __init__(
        self,
        pictures: list[np.ndarray],
        views: dict[float, list[list[np.ndarray]]],
        titles: dict[float, list[list[str]]],
        *,
        names: list[str],
        rows: np.ndarray,
    ) -> None:
        self.pictures = pictures
        self.views = views
        self.titles = titles
        self.names = names
        self.rows = rows

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ImagesLike,
        y: npt.ArrayLike | None = None,
        *,
        rows: int | npt.ArrayLike = 3,
        names: Sequence[str] | None = None,
        target_names: Sequence[str] | None = None,
        random_state: Any = None,
        ax: Axes | None = None,
    ) -> Self:
        """Draw the views that an embedder is trained on.

        Parameters
        ----------
        estimator : embedder
            An embedder, fitted or not. It stays unchanged. Of an unfitted one the task is built as
            in ``fit``, without any training.

        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            The images, in any form that the embedder accepts.

        y : array-like of shape (n,), default=None
            The class of each image, -1 for none. Only used to choose images of different classes.

        rows : int or array-like of int, default=3
            A number of images, drawn at random: one of each class first, then any. Or the rows of
            these images.

        names : sequence of str, default=None
            The name of each image. None means file names, or row numbers if `X` holds no files.

        target_names : sequence of str, default=None
            The names of the targets 0, 1, ... of the task, such as the angles of RotNetEmbedder.
            None shows the numbers.

        random_state : int, RandomState instance or None, default=None
            Controls which images are drawn, and the views.

        ax : matplotlib Axes, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        display : ViewsDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing: ``pip install "sklssl[viz]"``.
        TypeError
            If `estimator` is not an embedder.
        ValueError
            If it has no pretext task, such as PatchDictionaryEmbedder, if `X` holds no images that
            it can be fitted on, or another argument is invalid.
        """
        estimator = unwrap_embedder(estimator, _OWNER)
        embedder = getattr(estimator, "estimator", estimator)
        images = check_inputs(_OWNER, X, y, names=names, estimator=embedder)
        rng = check_random_state(random_state)
        places = choose_places(rows, images, rng, _OWNER)
        seed = int(rng.randint(np.iinfo(np.int32).max))
        scales = draw_views(estimator, images.X, places, seed, _OWNER)
        return cls(
            images.pictures(places, _OWNER, _LONGEST),
            {part.scale: _to_pictures(part) for part in scales},
            {part.scale: _make_titles(part, target_names) for part in scales},
            names=[images.names[place] for place in places],
            rows=images.rows[places],
        ).plot(ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw the grid.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        self : ViewsDisplay
        """
        n_scales = len(self.views)
        n_rows = len(self.pictures) * n_scales
        n_columns = 1 + max(len(line) for lines in self.views.values() for line in lines)
        self.ax_ = make_axes(ax, owner=_OWNER, size=(1.2 * n_columns, 1.25 * n_rows))
        self.figure_: Any = self.ax_.figure
        self.axes_, longest = captioned_grid(self.ax_, n_rows, n_columns)
        for cell in self.axes_.flat:
            cell.set_axis_off()  # there may be more views at one scale than at another
        self.images_ = []
        for i, (picture, name) in enumerate(zip(self.pictures, self.names, strict=True)):
            for j, (scale, views) in enumerate(self.views.items()):
                axes = self.axes_[i * n_scales + j]
                self.images_.append(_draw_cell(axes[0], picture, name, longest, _IMAGE))
                if n_scales > 1:
                    axes[0].set_ylabel(f"scale {scale:g}", fontsize=8)
                for cell, view, title in zip(
                    axes[1:], views[i], self.titles[scale][i], strict=False
                ):
                    self.images_.append(_draw_cell(cell, view, title, longest))
        return self


def _draw_cell(
    ax: Axes, picture: np.ndarray, title: str, longest: int, color: str | None = None
) -> Any:
    ax.set_axis_on()
    return draw_picture(ax, picture, title=title, color=color, longest_title=longest)


def _to_pictures(scale: ScaleViews) -> list[list[np.ndarray]]:
    """Return the views of each image."""
    columns = [view_pictures(view.permute(0, 2, 3, 1).cpu().numpy()) for view in scale.views]
    return [list(line) for line in zip(*columns, strict=True)]


def _make_titles(scale: ScaleViews, target_names: Sequence[str] | None) -> list[list[str]]:
    """Return the titles of the views of each image."""
    columns = name_targets(scale.targets, target_names, _OWNER) or [
        [f"view {i + 1}"] * len(view) for i, view in enumerate(scale.views)
    ]
    return [list(line) for line in zip(*columns, strict=True)]
