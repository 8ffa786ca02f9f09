"""Where networks look: Grad-CAM of each stage, for several models side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from sklssl._data.thumbnails import view_pictures
from sklssl.base import BaseEmbedder
from sklssl.embedding import MultiScaleEmbedder
from sklssl.finetuning import FineTuneClassifier
from sklssl.inspection._grad_cam import Explanation, explain_classifier, explain_pretext
from sklssl.inspection._label_names import name_labels
from sklssl.inspection._plot._axes import draw_picture, grid_of_axes, make_axes, shorten
from sklssl.inspection._plot._inputs import NO_LABEL, NamedImages, check_inputs, choose_places
from sklssl.inspection._pretext_views import check_has_views, name_targets
from sklssl.utils._checks import check_whole
from sklssl.utils._typing import ImagesLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["GradCAMDisplay", "Heat"]

_OWNER = "GradCAMDisplay"
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
        models = _check_models(estimator)
        _check_numbers(n_views, alpha)
        layers = _check_layers(layers, models)
        first = next(iter(models.values()))
        images = check_inputs(_OWNER, X, y, names=names, estimator=first)
        answers = {name: _find_classes(model, images) for name, model in models.items()}
        labels = _name_classes(models, target_names)
        rng = check_random_state(random_state)
        places = choose_places(rows, images, rng, _OWNER)
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
        self.ax_ = make_axes(ax, owner=_OWNER, size=size)
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


def _check_models(estimator: Any) -> dict[str, Any]:
    """Return the embedders and classifiers by name."""
    if isinstance(estimator, dict):
        named = {str(name): model for name, model in estimator.items()}
    else:
        models = list(estimator) if isinstance(estimator, (list, tuple)) else [estimator]
        names = [type(model).__name__ for model in models]
        numbers = [f" {i + 1}" if names.count(name) > 1 else "" for i, name in enumerate(names)]
        named = {f"{n}{i}": model for n, i, model in zip(names, numbers, models, strict=True)}
    if not named:
        raise ValueError(f"The 'estimator' argument of {_OWNER} holds no estimator.")
    return {name: _check_model(model) for name, model in named.items()}


def _check_model(model: Any) -> Any:
    """Return the embedder or classifier, which may be frozen, if it is fitted."""
    if isinstance(model, FrozenEstimator):
        model = model.estimator
    if not isinstance(model, (BaseEmbedder, MultiScaleEmbedder, FineTuneClassifier)):
        raise TypeError(
            f"{_OWNER} explains the pretext task of embedders, and the classes of "
            f"FineTuneClassifier. Got {type(model).__name__}, which is neither. Pass its embedder "
            "(embedder_, or the first step of a pipeline) to explain the task that this was "
            "trained on, or train a FineTuneClassifier."
        )
    check_is_fitted(model)
    model = getattr(model, "estimator_", model)  # of a MultiScaleEmbedder
    if isinstance(model, BaseEmbedder):
        check_has_views(model.pretext_, model, _OWNER)
    return model


def _check_numbers(n_views: int, alpha: float) -> None:
    check_whole("n_views", n_views, _OWNER)
    if not isinstance(alpha, Real) or not 0 <= alpha <= 1:
        raise ValueError(
            f"The 'alpha' argument of {_OWNER} must be a number from 0 to 1. Got {alpha!r}."
        )


def _check_layers(layers: Sequence[str] | None, models: dict[str, Any]) -> list[str] | None:
    """Check that all models have the stages; those of a classifier end below its head."""
    if layers is None:
        return None
    layers = [layers] if isinstance(layers, str) or not np.iterable(layers) else list(layers)
    for name, model in models.items():
        known = list(model.layer_names_)
        known = known[: 1 + known.index(getattr(model, "layer_", known[-1]))]
        if not layers or not set(layers) <= set(known):
            raise ValueError(
                f"The 'layers' argument of {_OWNER} must name stages of all models. Got {layers}; "
                f"{name} has {known}."
            )
    return layers


def _find_classes(model: Any, images: NamedImages) -> np.ndarray | None:
    """Return the class to explain of each image, -1 for the predicted one; None for embedders."""
    if isinstance(model, BaseEmbedder):
        return None
    known = model.classes_.tolist()
    missing = [label for label in images.classes if label not in known]
    if missing:
        raise ValueError(
            f"The 'y' argument of {_OWNER} must hold classes that the classifier knows, {known}, "
            f"or -1 for the predicted one. Got {missing[0]!r}."
        )
    places = np.array([*(known.index(label) for label in images.classes), NO_LABEL])
    return places[images.codes]


def _name_classes(
    models: dict[str, Any], target_names: Sequence[str] | None
) -> dict[str, np.ndarray]:
    """Return the labels of each classifier; the names are those of targets if there is a task."""
    classifiers = {n: m for n, m in models.items() if isinstance(m, FineTuneClassifier)}
    names = target_names if len(classifiers) == len(models) else None
    return {
        name: np.array(name_labels(model.classes_, names, owner=_OWNER), dtype=object)
        for name, model in classifiers.items()
    }


def _explain(
    model: Any, images: NamedImages, places: np.ndarray, seed: int, answers: np.ndarray | None
) -> Explanation:
    if answers is None:
        return explain_pretext(model, images.X, places, seed, _OWNER)
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
        names = name_targets(explanation.answers, target_names, _OWNER)
    else:
        names = name_targets(labels[explanation.answers], None, _OWNER, "class")
    named = np.array(names)
    return Heat(
        view_pictures(in_rows(explanation.views)),
        in_rows(named).tolist() if named.size else [],
        {name: in_rows(explanation.maps[name]) for name in layers or explanation.maps},
    )
