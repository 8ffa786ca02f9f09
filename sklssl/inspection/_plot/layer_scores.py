"""Draw the scores of the layers of a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy.typing as npt
from sklearn.base import is_regressor

from sklssl.inspection._layer_scores import layer_scores
from sklssl.inspection._plot._axes import check_matplotlib, limit_to_shares, make_axes
from sklssl.inspection._plot._names import add_legend, colors_in_order, set_tick_names
from sklssl.utils._typing import ImagesLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import ErrorbarContainer

__all__ = ["LayerScoresDisplay"]

_KEYS = {"layer", "pool_size", "mean_score", "std_score"}
_DODGE = 0.08  # between the lines, so that their error bars do not cover each other
_FEW, _SHORT = 6, 10  # with more or longer names, they are turned


class LayerScoresDisplay:
    """The score of a probe by layer, with a line for each pool size.

    The error bars are the standard deviation over the folds. A ring marks the best score.

    Create it with :meth:`from_estimator`, or from the rows of
    :func:`sklssl.inspection.layer_scores`.

    Parameters
    ----------
    rows : list of dict
        The rows of ``layer_scores``.

    score_name : str, default="score"
        The name of the score.

    Attributes
    ----------
    rows : list of dict
        What was passed.

    score_name : str
        What was passed.

    best : dict
        The row with the best score. Since it is the best of many, it is slightly optimistic.

    ax_ : Axes
        The axes.

    figure_ : Figure
        The figure.

    lines_ : dict of int to ErrorbarContainer
        The line of each pool size.

    ring_ : Line2D
        The ring around the best score.

    Raises
    ------
    ValueError
        If `rows` are not those of ``layer_scores``.

    See Also
    --------
    sklssl.inspection.layer_scores : The function that scores the layers.

    Examples
    --------
    >>> from sklssl import RotNetEmbedder
    >>> from sklssl.datasets import load_digit_images
    >>> from sklssl.inspection import LayerScoresDisplay
    >>> X, y = load_digit_images(return_X_y=True)
    >>> embedder = RotNetEmbedder("convnet", max_epochs=1, random_state=0).fit(X[:200])
    >>> display = LayerScoresDisplay.from_estimator(
    ...     embedder, X[:200], y[:200], pool_sizes=(1, 2), cv=3
    ... )
    >>> list(display.lines_)
    [1, 2]
    """

    def __init__(self, rows: list[dict[str, Any]], *, score_name: str = "score") -> None:
        self.rows = _check_rows(rows)
        self.score_name = score_name
        self.best = max(self.rows, key=lambda row: row["mean_score"])

    @classmethod
    def from_estimator(
        cls,
        embedder: Any,
        X: ImagesLike,
        y: npt.ArrayLike,
        *,
        probe: Any = None,
        cv: Any = 5,
        pool_sizes: Sequence[int] | None = None,
        scoring: str | Callable[..., float] | None = None,
        n_jobs: int | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Score the layers with :func:`sklssl.inspection.layer_scores`, and draw the scores.

        Parameters
        ----------
        embedder : fitted embedder, or FrozenEstimator of one
            The embedder whose layers are scored.

        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            Images of the shape and range seen in ``fit``.

        y : array-like of shape (n,) or (n, n_outputs)
            The target of the probe: classes, or numbers for a regressor.

        probe : estimator, default=None
            Fitted on each training fold. None means a logistic regression on standardised features.

        cv : int, cross-validation generator or iterable, default=5
            The folds.

        pool_sizes : sequence of int, default=None
            Feature maps are averaged over this many cells per side. None means (1, 2, 3, 4).

        scoring : str or callable, default=None
            The score to compute. None uses ``probe.score``: accuracy, or R^2.

        n_jobs : int, default=None
            Number of folds to fit in parallel.

        ax : Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : LayerScoresDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        NotFittedError, TypeError, ValueError
            As by ``layer_scores``.
        """
        check_matplotlib("LayerScoresDisplay.from_estimator")
        rows = layer_scores(
            embedder,
            X,
            y,
            probe=probe,
            cv=cv,
            pool_sizes=pool_sizes,
            scoring=scoring,
            n_jobs=n_jobs,
        )
        default = "R²" if probe is not None and is_regressor(probe) else "accuracy"
        name = default if scoring is None else scoring
        return cls(rows, score_name=getattr(name, "__name__", str(name))).plot(ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw the scores.

        Parameters
        ----------
        ax : Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        self : LayerScoresDisplay
        """
        layers = list(dict.fromkeys(str(row["layer"]) for row in self.rows))
        size = (max(6.4, 2.5 + 0.4 * len(layers)), 4.2)
        self.ax_ = make_axes(ax, owner="LayerScoresDisplay.plot", size=size)
        self.figure_: Any = self.ax_.figure
        colors = colors_in_order(sorted({row["pool_size"] for row in self.rows}))
        self.lines_ = {}
        for i, (pool_size, color) in enumerate(colors.items()):
            shift = _DODGE * (i - (len(colors) - 1) / 2)
            self.lines_[pool_size] = self._draw_line(layers, pool_size, shift, color)
        turned = len(layers) > _FEW or max(map(len, layers)) > _SHORT
        style = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if turned else {}
        set_tick_names(self.ax_.xaxis, layers, **style)
        self.ax_.set(xlabel="layer", ylabel=self.score_name)
        if self.score_name == "accuracy":
            limit_to_shares(self.ax_, [row["mean_score"] for row in self.rows])
        self.ax_.spines[["top", "right"]].set_visible(False)
        self._draw_legend()
        return self

    def _draw_line(
        self, layers: list[str], pool_size: int, shift: float, color: str
    ) -> ErrorbarContainer:
        """Draw the line of a pool size, and a ring if the best score is on it."""
        rows = [row for row in self.rows if row["pool_size"] == pool_size]
        x = [layers.index(str(row["layer"])) + shift for row in rows]
        means, spreads = zip(*((row["mean_score"], row["std_score"]) for row in rows), strict=True)
        if self.best in rows:
            best = x[rows.index(self.best)], self.best["mean_score"]
            ring: dict[str, Any] = {"fillstyle": "none", "color": self.ax_.xaxis.label.get_color()}
            (self.ring_,) = self.ax_.plot(*best, "o", markersize=12, **ring)
        return self.ax_.errorbar(
            x, means, spreads, color=color, marker="o", markersize=4, capsize=2, elinewidth=1
        )

    def _draw_legend(self) -> None:
        best = f"best: {self.best['mean_score']:.3f} ± {self.best['std_score']:.3f}"
        names = [*(f"pool_size={size}" for size in self.lines_), best]
        handles = [*self.lines_.values(), self.ring_]
        add_legend(self.ax_, handles, names, beside=True)


def _check_rows(rows: Any) -> list[dict[str, Any]]:
    rows = list(rows)
    if not rows or not all(isinstance(row, dict) and row.keys() >= _KEYS for row in rows):
        raise ValueError(
            "The 'rows' parameter of LayerScoresDisplay must be the rows that layer_scores "
            f"returns, with the keys {', '.join(sorted(_KEYS))}. Got {rows[:1]}."
        )
    return rows
