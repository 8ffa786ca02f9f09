"""Where networks look: Grad-CAM of each stage, for several models side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_random_state

from sklssl._data.thumbnails import view_pictures
from sklssl.inspection._grad_cam import Explanation, explain_classifier, explain_pretext
from sklssl.inspection._plot._axes import draw_picture, grid_of_axes, make_axes, shorten
from sklssl.inspection._plot._explained_models import (
    OWNER,
    check_layers,
    check_models,
    find_classes,
    name_classes,
)
from sklssl.inspection._plot._inputs import NamedImages, check_inputs, choose_places
from sklssl.inspection._pretext_views import name_targets
from sklssl.utils._checks import check_whole
from sklssl.utils._typing import ImagesLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["GradCAMDisplay", "Heat"]

_COLOURS = "viridis"  # becomes lighter with the evidence, also without colours
_GAP = 0.3  # between models, as a share of the width of a cell


@dataclass(frozen=True)
class Heat:
    """The heat maps of one model.

    Parameters
    ----------
    pictures : list of ndarray of shape (h, w, 3), uint8
        What the network was shown.

    answers : list of str
        What each map explains: the target of the pretext task, if it has one for each view, or a
        class.

    maps : dict of str to ndarray of shape (n, h, w)
        For each stage, the evidence for this answer as a share of the largest value of each
        picture, in [0, 1].
    """

    pictures: list[np.ndarray]
    answers: list[str]
    maps: dict[str, np.ndarray]


class GradCAMDisplay:
    """Heat maps of what networks base their answers on, for each stage and model.

    The answer is the right one of the pretext task of an embedder, such as the angle of a rotated
    image, or a class of a fine-tuned classifier. Create it with :meth:`from_estimator`.

    Parameters
    ----------
    heat : dict of str to Heat
        For each model, by its name: `pictures`, what the network was shown; `answers`, what is
        explained; and `maps`, a dict of arrays (n, h, w) with values in [0, 1], one per stage.

    names : list of str
        The name of each picture.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where the grid is drawn.

    figure_ : matplotlib Figure
        The figure of `ax_`.

    axes_ : dict of str to ndarray of matplotlib Axes of shape (n, n_stages)
        The cells of each model.

    images_ : list of matplotlib AxesImage
        The heat maps.

    See Also
    --------
    ViewsDisplay : All views of the pretext task.

    Notes
    -----
    The map of a stage is the sum of its channels, each weighted by the mean gradient of the score
    with respect to it; negative sums are 0. For a classifier, the score is the logit of the class,
    as in the paper, of the upright image, even if ``predict`` averages over orientations. For a
    pretext task, it is the negative loss, which every task has; if the task is to classify, this is
    the log-probability of the right answer. Each map is divided by its maximum, so that colours can
    be compared within a map, but not between maps. A map without any evidence is 0 everywhere.

    A loss that compares images, as the one of SimCLREmbedder, needs at least two. The map of an
    image then depends on the others that are drawn with it.

    References
    ----------
    Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra. Grad-CAM: Visual Explanations from Deep
    Networks via Gradient-Based Localization. ICCV 2017.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")  # opens no windows
    >>> from sklssl import RotNetEmbedder, ScaleNetEmbedder
    >>> from sklssl.datasets import load_digit_images
    >>> from sklssl.inspection import GradCAMDisplay
    >>> X, y = load_digit_images(return_X_y=True)
    >>> rotnet = RotNetEmbedder(max_epochs=1, random_state=0).fit(X[:200])
    >>> scalenet = ScaleNetEmbedder(max_epochs=1, random_state=0).fit(X[:200])
    >>> display = GradCAMDisplay.from_estimator([rotnet, scalenet], X, rows=[5, 9])
    >>> list(display.heat)
    ['RotNetEmbedder', 'ScaleNetEmbedder']
    >>> display.heat["RotNetEmbedder"].maps["block1"].shape
    (2, 8, 8)
    """

    def __init__(self, heat: dict[str, Heat], *, names: list[str]) -> None:
        self.heat = heat
        self.names = names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ImagesLike,
        y: npt.ArrayLike | None = None,
        *,
        rows: int | npt.ArrayLike = 3,
        n_views: int = 1,
        layers: Sequence[str] | None = None,
        names: Sequence[str] | None = None,
        target_names: Sequence[str] | None = None,
        random_state: Any = None,
        ax: Axes | None = None,
        alpha: float = 0.55,
    ) -> Self:
        """Compute the heat maps of one or several models, and draw them.

        Parameters
        ----------
        estimator : estimator, list of estimator, or dict of str to estimator
            Fitted embedders, whose pretext task is explained, or instances of
            ``FineTuneClassifier``. They stay unchanged.

        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            Images, in any form that the models accept.

        y : array-like of shape (n,), default=None
            The class whose score is explained by classifiers, -1 for the predicted one. None means
            the predicted ones. Pretext tasks have answers of their own.

        rows : int or array-like of int, default=3
            A number of images, drawn at random: one of each class first, then any. Or the rows of
            these images.

        n_views : int, default=1
            The number of views of each image to explain, or all if there are fewer. The first one
            is the upright image for all tasks that rotate images. A classifier has one.

        layers : sequence of str, default=None
            The stages to show; all models must have them. None means all.

        names : sequence of str, default=None
            The name of each image. None means file names, or row numbers if `X` holds no files.

        target_names : sequence of str, default=None
            The names of the targets 0, 1, ... of the pretext tasks or, if all models are
            classifiers, of the classes 0, 1, ... None shows the numbers.

        random_state : int, RandomState instance or None, default=None
            Controls which images are drawn, and the views.

        ax : matplotlib Axes, default=None
            Where to draw. None makes a new figure.

        alpha : float, default=0.55
            The opacity of the heat maps, in [0, 1].

        Returns
        -------
        display : GradCAMDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing: ``pip install "sklssl[viz]"``.
        NotFittedError
            If an estimator is not fitted.
        TypeError
            If an estimator is neither an embedder nor a ``FineTuneClassifier``.
        ValueError
            If an embedder has no pretext task, `y` holds a class that a classifier does not know,
            `target_names` does not match the classes, or another argument is invalid.
        """
        models = check_models(estimator)
        _check_numbers(n_views, alpha)
        layers = check_layers(layers, models)
        first = next(iter(models.values()))
        images = check_inputs(OWNER, X, y, names=names, estimator=first)
        answers = {name: find_classes(model, images) for name, model in models.items()}
        labels = name_classes(models, target_names)
        rng = check_random_state(random_state)
        places = choose_places(rows, images, rng, OWNER)
        seed = int(rng.randint(np.iinfo(np.int32).max))
        some = images.take(places)
        explained = {
            name: _explain(model, some, places, seed, answers[name])
            for name, model in models.items()
        }
        n_views = min(n_views, *(len(explanation.views) for explanation in explained.values()))
        heat = {
            name: _to_heat(explanation, labels.get(name), n_views, layers, target_names)
            for name, explanation in explained.items()
        }
        shown = [name for name in some.names for _ in range(n_views)]
        return cls(heat, names=shown).plot(ax, alpha=alpha)

    def plot(self, ax: Axes | None = None, *, alpha: float = 0.55) -> Self:
        """Draw the grid: a row per picture, and a column per stage of each model.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a new figure.

        alpha : float, default=0.55
            The opacity of the heat maps, in [0, 1].

        Returns
        -------
        self : GradCAMDisplay
        """
        widths = [1.0, *(len(heat.maps) for heat in self.heat.values())]
        n_rows, width = len(self.names), sum(widths) + _GAP * len(self.heat)
        size = 1.15 * width + 0.8, 1.15 * n_rows + 0.6
        self.ax_ = make_axes(ax, owner=OWNER, size=size)
        self.figure_: Any = self.ax_.figure
        column, *blocks = self._divide(widths, width)
        first = next(iter(self.heat.values()))
        for cell, picture, name in zip(
            grid_of_axes(column, n_rows, 1)[:, 0], first.pictures, self.names, strict=True
        ):
            draw_picture(cell, picture)
            cell.set_ylabel(shorten(name), fontsize=8, parse_math=False)
        self.axes_, self.images_ = {}, []
        for block, (name, heat) in zip(blocks, self.heat.items(), strict=True):
            self.axes_[name] = grid_of_axes(block, n_rows, len(heat.maps))
            block.set_title(shorten(name, 40), fontsize=10, pad=18, parse_math=False)
            self.images_ += _draw_heat(self.axes_[name], heat, alpha)
        scale = self.ax_.inset_axes((1 + 0.1 / width, 0.1, 0.1 / width, 0.8))
        bar = self.figure_.colorbar(self.images_[-1], cax=scale, ticks=[0, 1], alpha=alpha)
        bar.ax.set_yticklabels(["none", "most"], fontsize=8)
        bar.set_label("evidence", fontsize=8, labelpad=-12)
        return self

    def _divide(self, widths: list[float], width: float) -> list[Any]:
        """Divide the axes into blocks of `widths` with gaps, out of a total `width`."""
        self.ax_.set_axis_off()
        lefts = np.cumsum([0.0, *(block + _GAP for block in widths[:-1])])
        return [
            self.ax_.inset_axes((left / width, 0, block / width, 1))
            for left, block in zip(lefts, widths, strict=True)
        ]


def _draw_heat(axes: np.ndarray, heat: Heat, alpha: float) -> list[Any]:
    """Draw the maps of a model, with the stages as titles, and the answers beside the first."""
    artists = []
    for (i, j), cell in np.ndenumerate(axes):
        layer = list(heat.maps)[j]
        grey = np.repeat(heat.pictures[i].mean(axis=2, keepdims=True), 3, axis=2)
        draw_picture(cell, grey.astype(np.uint8), title=layer if i == 0 else None)
        artists.append(
            cell.imshow(
                heat.maps[layer][i],
                cmap=_COLOURS,
                vmin=0,
                vmax=1,
                alpha=alpha,
                interpolation="bilinear",
            )
        )
        if j == 0 and heat.answers:
            cell.set_ylabel(shorten(heat.answers[i]), fontsize=8, parse_math=False)
    return artists


def _check_numbers(n_views: int, alpha: float) -> None:
    check_whole("n_views", n_views, OWNER)
    if not isinstance(alpha, Real) or not 0 <= alpha <= 1:
        raise ValueError(
            f"The 'alpha' argument of {OWNER} must be a number from 0 to 1. Got {alpha!r}."
        )


def _explain(
    model: Any, images: NamedImages, places: np.ndarray, seed: int, answers: np.ndarray | None
) -> Explanation:
    if answers is None:
        return explain_pretext(model, images.X, places, seed, OWNER)
    return explain_classifier(model, images.X, answers[places])


def _to_heat(
    explanation: Explanation,
    labels: np.ndarray | None,
    n_views: int,
    layers: list[str] | None,
    target_names: Sequence[str] | None,
) -> Heat:
    """Return what is drawn for a model, image after image, each with its views.

    A classifier has the `labels` of its classes, a pretext task None.
    """

    def in_rows(values: np.ndarray) -> np.ndarray:
        return values[:n_views].swapaxes(0, 1).reshape(-1, *values.shape[2:])

    if labels is None:
        names = name_targets(explanation.answers, target_names, OWNER)
    else:
        names = name_targets(labels[explanation.answers], None, OWNER, "class")
    named = np.array(names)
    return Heat(
        view_pictures(in_rows(explanation.views)),
        in_rows(named).tolist() if named.size else [],
        {name: in_rows(explanation.maps[name]) for name in layers or explanation.maps},
    )
