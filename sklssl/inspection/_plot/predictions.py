"""Draw images with wrong or doubtful predictions."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_consistent_length

from sklssl._data.readable import readable_rows
from sklssl._data.rows import take_rows
from sklssl._data.thumbnails import make_thumbnails
from sklssl.inspection._outcomes import (
    check_outcome,
    check_predictor,
    check_rankable,
    predict_images,
    rank_images,
    read_outcome,
)
from sklssl.inspection._plot._axes import (
    caption_room,
    check_matplotlib,
    draw_picture,
    grid_of_axes,
    make_axes,
    shorten_apart,
)
from sklssl.inspection._plot._inputs import check_predicted, find_image_shape
from sklssl.utils._checks import check_whole, naming_data
from sklssl.utils._typing import ImagesLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["PredictionsDisplay"]

_LONGEST = 128  # pixels of a picture
_CELL, _HEADING = (1.35, 1.6), 0.3  # inches
_PERCENT = 7  # characters of a probability
_WRONG = "#cc3311"


class PredictionsDisplay:
    """Images whose predictions are wrong or in doubt, or far from the true number.

    The less certain an image is, the more alike are its two most probable classes. Those that are
    wrong are shown in their own section, the most certain first: often their labels are wrong. Of a
    regressor, the images with the largest errors are shown.

    Create it with :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    images : list of ndarray of shape (h, w, 3), uint8
        The pictures to show.

    rows : list of dict
        A row for each picture, with the keys

        kind : {"wrong", "doubt", "error"}
            Why it is shown; "error" for regressors.
        row : int
            Its row in X.
        name : str
            Its name.
        prediction : object
            The predicted class (its name if there are `target_names`) or number.
        probability : float
            The probability of that class, if there are probabilities.
        second : object
            The best other class, if there are probabilities or decision values of classes.
        second_probability : float
            Its probability.
        label : object
            What `y` holds for it, None if it has no label.

    counts : dict of str to int
        The number of images of each kind, whether shown or not.

    Attributes
    ----------
    images, rows, counts
        What was passed. ``pandas.DataFrame(display.rows)`` is a table.

    ax_ : Axes
        The axes whose place the pictures take.

    axes_ : list of Axes
        One for each picture.

    figure_ : Figure
        The figure.

    artists_ : list of AxesImage
        The pictures.

    See Also
    --------
    sklssl.inspection.predict_table : Predictions for all images as a table.

    Examples
    --------
    >>> from sklssl import PatchDictionaryEmbedder, SemiSupervisedClassifier
    >>> from sklssl.datasets import load_digit_images
    >>> from sklssl.inspection import PredictionsDisplay
    >>> X, y = load_digit_images(return_X_y=True)
    >>> model = SemiSupervisedClassifier(PatchDictionaryEmbedder(16, random_state=0))
    >>> model = model.fit(X[:200], y[:200])
    >>> display = PredictionsDisplay.from_estimator(model, X[200:400], y[200:400], n_images=12)
    >>> display.rows[-1]["kind"]
    'doubt'
    """

    def __init__(
        self, images: list[np.ndarray], rows: list[dict[str, Any]], counts: dict[str, int]
    ) -> None:
        self.images = images
        self.rows = rows
        self.counts = counts

    @classmethod
    def from_estimator(
        cls,
        model: Any,
        X: ImagesLike,
        y: npt.ArrayLike | None = None,
        *,
        names: Sequence[str] | None = None,
        target_names: Sequence[str] | None = None,
        n_images: int = 24,
        ax: Axes | None = None,
    ) -> Self:
        """Predict images, and draw those that are wrong or in doubt.

        Parameters
        ----------
        model : estimator
            A fitted classifier or regressor of images: a fine-tuned or semi-supervised model, or a
            pipeline that begins with an embedder. Of a classifier with neither ``predict_proba``
            nor a decision value of each class only wrong predictions can be shown.

        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            Images as accepted by `model`. If `on_error` of its embedder is "skip", files that
            cannot be read are skipped.

        y : array-like of shape (n,), default=None
            The labels, -1 where there is none, or the numbers of a regressor. Without labels, only
            images in doubt are shown. A regressor needs it.

        names : sequence of str, default=None
            The names of the images. None means file names, or the row.

        target_names : sequence of str, default=None
            The names of the classes, if `model` was fitted on class indices.

        n_images : int, default=24
            How many images to show at most. Half of them are wrong ones, if there are enough.

        ax : Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : PredictionsDisplay

        Raises
        ------
        ImageFileError
            If a file cannot be read.
        ImportError
            If matplotlib is not installed.
        NotFittedError
            If `model` is not fitted.
        TypeError
            If `model` has no ``predict``.
        ValueError
            If an argument does not match the images or the classes, or if there is nothing to rank
            images by.
        """
        owner = "PredictionsDisplay.from_estimator"
        check_matplotlib(owner)
        check_predictor(model, owner)
        check_whole("n_images", n_images, owner)
        X, y, names = check_predicted(owner, X, y, names)
        check_rankable(model, y, target_names, owner)
        readable = readable_rows(X, model)
        rows = np.arange(len(names)) if readable is None else readable
        outcome = predict_images(model, X if readable is None else take_rows(X, rows))
        outcome = check_outcome(outcome, owner)
        table, counts = rank_images(
            outcome, None if y is None else y[rows], target_names, n_images=n_images, owner=owner
        )
        for row in table:
            row["row"] = int(rows[row["row"]])
        return cls._show(X, table, counts, names, find_image_shape(model, X), owner).plot(ax)

    @classmethod
    def from_predictions(
        cls,
        X: ImagesLike,
        predictions: npt.ArrayLike,
        y: npt.ArrayLike | None = None,
        *,
        classes: npt.ArrayLike | None = None,
        names: Sequence[str] | None = None,
        target_names: Sequence[str] | None = None,
        image_shape: Sequence[int] | None = None,
        n_images: int = 24,
        ax: Axes | None = None,
    ) -> Self:
        """Draw the images whose predictions are wrong or in doubt.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            Images.

        predictions : array-like of shape (n, n_classes) or (n,)
            Probabilities or decision values of the classes; or predicted labels, or numbers of
            which at least one is not whole. The last two need `y`.

        y : array-like of shape (n,), default=None
            The labels, -1 where there is none, or numbers.

        classes : array-like of shape (n_classes,), default=None
            The labels of the columns of `predictions`, as ``classes_`` of a classifier. None means
            0, 1, ...

        names : sequence of str, default=None
            The names of the images. None means file names, or the row.

        target_names : sequence of str, default=None
            The names of the classes, if they are class indices.

        image_shape : tuple of int, default=None
            The shape of images stored as rows. None means the smallest square.

        n_images : int, default=24
            How many images to show at most. Half of them are wrong ones, if there are enough.

        ax : Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : PredictionsDisplay

        Raises
        ------
        ImageFileError
            If a file cannot be read.
        ImportError
            If matplotlib is not installed.
        ValueError
            If an argument does not match the images or the classes, or if there is nothing to rank
            images by.
        """
        owner = "PredictionsDisplay.from_predictions"
        check_matplotlib(owner)
        outcome = read_outcome(predictions, classes, owner)
        check_whole("n_images", n_images, owner)
        X, y, names = check_predicted(owner, X, y, names)
        with naming_data(owner, "needs one prediction for each image"):
            check_consistent_length(names, outcome.predictions)
        table, counts = rank_images(outcome, y, target_names, n_images=n_images, owner=owner)
        return cls._show(X, table, counts, names, image_shape, owner).plot(ax)

    @classmethod
    def _show(
        cls,
        X: Any,
        table: list[dict[str, Any]],
        counts: dict[str, int],
        names: list[str],
        image_shape: Sequence[int] | None,
        owner: str,
    ) -> Self:
        """Read the pictures of the chosen rows, and name them."""
        chosen = np.array([row["row"] for row in table], dtype=int)
        images = []
        if table:
            images = make_thumbnails(
                X, chosen, longest=_LONGEST, image_shape=image_shape, owner=owner
            )
        named = [{"kind": "", "row": 0, "name": names[row["row"]]} | row for row in table]
        return cls(images, named, counts)

    def plot(self, ax: Axes | None = None, *, n_columns: int = 6) -> Self:
        """Draw the pictures with their names and predictions.

        Parameters
        ----------
        ax : Axes, default=None
            Where to draw; None makes a figure.

        n_columns : int, default=6
            Number of pictures side by side.

        Returns
        -------
        self : PredictionsDisplay
        """
        owner = "PredictionsDisplay.plot"
        check_matplotlib(owner)
        check_whole("n_columns", n_columns, owner)
        parts = {kind: [row["kind"] == kind for row in self.rows] for kind in self.counts}
        n_lines = [-(-sum(part) // n_columns) for part in parts.values()]
        heights = np.array([_HEADING + _CELL[1] * n for n in n_lines])
        size = (_CELL[0] * n_columns, float(heights.sum()))
        self.ax_ = make_axes(ax, owner=owner, size=size)
        self.figure_: Any = self.ax_.figure
        self.ax_.set_axis_off()
        self.axes_: list[Axes] = []
        self.artists_: list[Any] = []
        n_rows = heights.sum() / _CELL[1]  # of cells as high as the axes
        gap, longest = caption_room(self.ax_, n_rows, n_columns, n_lines=3)
        tops = 1 - np.append(0, heights.cumsum()) / heights.sum()
        heading = _HEADING / heights.sum()
        for kind, n, top, bottom in zip(parts, n_lines, tops[:-1], tops[1:], strict=True):
            section = self.ax_.inset_axes((0, bottom, 1, top - heading - bottom))
            section.set_axis_off()
            section.set_title(self._heading(kind, sum(parts[kind])), loc="left", fontsize=10)
            if n:
                cells = grid_of_axes(section, n, n_columns, gap=gap).ravel()
                self._draw_section(cells, np.flatnonzero(parts[kind]), longest)
        return self

    def _heading(self, kind: str, n_shown: int) -> str:
        n = self.counts[kind]
        if not n:
            return "Wrong: none"
        some = f"{n_shown} of {n}" if n_shown < n else f"all {n}"
        if kind == "error":
            return f"The largest errors ({some})"
        ranked = any("second" in row for row in self.rows)
        if kind == "wrong":
            return f"Wrong{', the most certain first' * ranked} ({some})"
        return f"The least certain{' of the others' * ('wrong' in self.counts)} ({some})"

    def _draw_section(self, cells: np.ndarray, places: np.ndarray, longest: int) -> None:
        short = _short_names(self.rows, max(4, longest - _PERCENT))
        for cell, place in itertools.zip_longest(cells, places):
            if place is None:
                cell.set_axis_off()
                continue
            row = self.rows[place]
            name = os.path.basename(row["name"]) or row["name"]
            color = _WRONG if row["kind"] == "wrong" else None
            style: dict[str, Any] = {"color": color, "longest_title": longest}
            self.artists_.append(draw_picture(cell, self.images[place], title=name, **style))
            cell.set_xlabel(_caption(row, short), fontsize=7.5, parse_math=False, labelpad=2)
            self.axes_.append(cell)


def _short_names(rows: Sequence[dict[str, Any]], longest: int) -> dict[str, str]:
    """Return short names of all classes that occur."""
    values = [row.get(key) for row in rows for key in ("prediction", "second", "label")]
    names = list(dict.fromkeys(map(str, values)))
    return dict(zip(names, shorten_apart(names, longest), strict=True))


def _caption(row: dict[str, Any], short: dict[str, str]) -> str:
    """Return two lines: the prediction, and the label or the second class."""
    first = _describe(row["prediction"], short, row.get("probability"))
    if row["kind"] == "doubt":
        return f"{first}\n{_describe(row['second'], short, row.get('second_probability'))}"
    return f"{first}\nis {_describe(row['label'], short)}"


def _describe(value: Any, short: dict[str, str], probability: float | None = None) -> str:
    shown = f"{value:.4g}" if isinstance(value, float) else short[str(value)]
    return shown if probability is None else f"{shown} ({100 * probability:.0f} %)"
