"""Draw a comparison of embedders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from sklssl.inspection._candidates import PIXELS, UNTRAINED
from sklssl.inspection._compare import compare_embedders
from sklssl.inspection._comparison import Comparison
from sklssl.inspection._plot._axes import check_matplotlib, limit_to_shares, make_axes
from sklssl.inspection._plot._names import add_legend, colors_in_order, set_tick_names
from sklssl.utils._typing import ImagesLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ComparisonDisplay"]

_KINDS = ("scores", "labels", "time")
# For the curve by numbers of labels; other kinds use those of compare_embedders.
_CURVE = (1, 2, 5, 10, 20, 50)
_GREYS = {PIXELS: "#777777", UNTRAINED: "#aaaaaa"}


class ComparisonDisplay:
    """The scores of several embedders, with raw pixels as the reference.

    Create it with :meth:`from_comparison`, or with :meth:`from_estimators`, which also compares the
    embedders. All that is drawn is the mean and the standard deviation over the draws of labels.

    Parameters
    ----------
    comparison : Comparison
        The result of :func:`sklssl.inspection.compare_embedders`.

    Attributes
    ----------
    comparison : Comparison
        What was passed.

    ax_ : Axes
        The axes.

    figure_ : Figure
        The figure.

    artists_ : dict
        The dots with their error bars, by number of labels ("scores") or name ("time"), or the
        lines by name ("labels").

    Raises
    ------
    TypeError
        If `comparison` is not a Comparison.

    See Also
    --------
    sklssl.inspection.compare_embedders : The function that compares embedders.

    Examples
    --------
    >>> from sklssl import PatchDictionaryEmbedder
    >>> from sklssl.datasets import load_digit_images
    >>> from sklssl.inspection import ComparisonDisplay
    >>> X, y = load_digit_images(return_X_y=True)
    >>> display = ComparisonDisplay.from_estimators(
    ...     {"patches": PatchDictionaryEmbedder(16)},
    ...     X[:600],
    ...     y[:600],
    ...     kind="labels",
    ...     n_labels=(1, 5, 20),
    ...     random_state=0,
    ... )
    >>> sorted(display.artists_)
    ['patches', 'raw pixels', 'untrained network']

    The same comparison, with the time to fit:

    >>> display = display.plot(kind="time")
    """

    def __init__(self, comparison: Comparison) -> None:
        if not isinstance(comparison, Comparison):
            raise TypeError(
                "The 'comparison' parameter of ComparisonDisplay must be the result of "
                f"compare_embedders. Got {comparison!r}."
            )
        self.comparison = comparison

    @classmethod
    def from_estimators(
        cls,
        embedders: Any,
        X: ImagesLike,
        y: npt.ArrayLike,
        *,
        kind: str = "scores",
        ax: Axes | None = None,
        **parameters: Any,
    ) -> Self:
        """Compare embedders on images, and draw the comparison.

        Parameters
        ----------
        embedders : estimator, list of estimator or of (str, estimator), dict, or None
            The embedders to compare, which are cloned and fitted. None means the default ones of
            ``compare_embedders``.

        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            Images.

        y : array-like of shape (n,)
            The class of each image, -1 where it is unknown.

        kind : {"scores", "labels", "time"}, default="scores"
            What to draw; see :meth:`plot`.

        ax : Axes, default=None
            Where to draw; None makes a figure.

        **parameters : object
            Other parameters of :func:`sklssl.inspection.compare_embedders`, such as `n_labels` and
            `random_state`. For "labels", the default of `n_labels` is (1, 2, 5, 10, 20, 50).

        Returns
        -------
        display : ComparisonDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError, ValueError
            If `kind` is unknown, or as by ``compare_embedders``.
        """
        check_matplotlib("ComparisonDisplay.from_estimators")
        _check_kind(kind)
        if kind == "labels":
            parameters = {"n_labels": _CURVE, **parameters}
        return cls(compare_embedders(X, y, embedders, **parameters)).plot(ax, kind=kind)

    @classmethod
    def from_comparison(
        cls, comparison: Comparison, *, kind: str = "scores", ax: Axes | None = None
    ) -> Self:
        """Draw the result of ``compare_embedders``.

        Parameters
        ----------
        comparison : Comparison
            The result of :func:`sklssl.inspection.compare_embedders`.

        kind : {"scores", "labels", "time"}, default="scores"
            What to draw; see :meth:`plot`.

        ax : Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : ComparisonDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError
            If `comparison` is not a Comparison.
        ValueError
            If `kind` is unknown, or "labels" with a single number of labels.
        """
        return cls(comparison).plot(ax, kind=kind)

    def plot(self, ax: Axes | None = None, *, kind: str = "scores") -> Self:
        """Draw the comparison.

        Parameters
        ----------
        ax : Axes, default=None
            Where to draw; None makes a figure.

        kind : {"scores", "labels", "time"}, default="scores"
            "scores" has a line for each embedder, best first, with a dot for each number of labels;
            raw pixels are dashed lines. "labels" has the score against the number of labels per
            class on a logarithmic axis, with the spread as a band: how many labels does an
            embedder save? "time" has the score with the most labels against the seconds to fit.

        Returns
        -------
        self : ComparisonDisplay

        Raises
        ------
        ValueError
            If `kind` is unknown, or "labels" with a single number of labels.
        """
        _check_kind(kind)
        if kind == "labels" and len(self.comparison.n_labels) < 2:
            raise ValueError(
                "The 'kind' parameter of ComparisonDisplay.plot is 'labels', which needs at least "
                f"two numbers of labels. The comparison has {self.comparison.n_labels}: set "
                f"n_labels={_CURVE} or others in compare_embedders."
            )
        height = 1.6 + 0.5 * len(self.comparison.rows) if kind == "scores" else 4.2
        self.ax_ = make_axes(ax, owner="ComparisonDisplay.plot", size=(7.2, height))
        self.figure_: Any = self.ax_.figure
        self.artists_: dict[Any, Any] = {}
        draw = {"scores": self._draw_scores, "labels": self._draw_labels, "time": self._draw_time}
        draw[kind]()
        if self.comparison.score_name == "accuracy":
            self._draw_percentages("x" if kind == "scores" else "y")
        self.ax_.spines[["top", "right"]].set_visible(False)
        return self

    def _draw_percentages(self, axis: str) -> None:
        """Show accuracies in percent; the unit is in the label, since ticks may be narrow."""
        limit_to_shares(self.ax_, [0.0, 1.0], axis)
        getattr(self.ax_, f"{axis}axis").set_major_formatter(_format_percent)
        label = getattr(self.ax_, f"get_{axis}label")()
        self.ax_.set(**{f"{axis}label": label.replace("accuracy", "accuracy (%)", 1)})

    def _statistics(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the means and the spreads of an embedder, by number of labels."""
        scores = self.comparison.scores[name]
        return scores.mean(axis=1), scores.std(axis=1)

    def _colors(self) -> dict[str, str]:
        """Return the colours of all embedders; those of the baselines are greys."""
        names = self.comparison.names
        return {**colors_in_order(name for name in names if name not in _GREYS), **_GREYS}

    def _draw_scores(self) -> None:
        names = list(self.comparison.scores)
        means, spreads = zip(*map(self._statistics, names), strict=True)
        colors = _shades(self.comparison.n_labels)
        for i, (n, color) in enumerate(colors.items()):
            lines = np.arange(len(names)) + 0.12 * (i - (len(colors) - 1) / 2)
            self.artists_[n] = self.ax_.errorbar(
                [mean[i] for mean in means],
                lines,
                xerr=[spread[i] for spread in spreads],
                color=color,
                fmt="o",
                markersize=5,
                capsize=2,
                elinewidth=1.2,
            )
            if PIXELS in names:
                pixels = means[names.index(PIXELS)][i]
                self.ax_.axvline(pixels, color=color, linestyle="--", linewidth=1, zorder=0)
        set_tick_names(self.ax_.yaxis, names)
        self.ax_.set(xlabel=self.comparison.score_name, ylim=(len(names) - 0.5, -0.5))
        self.ax_.grid(axis="y", alpha=0.3)
        self.ax_.set_axisbelow(True)
        title = "labels per class\n(dashed: raw pixels)" if PIXELS in names else "labels per class"
        artists = list(self.artists_.values())
        add_legend(self.ax_, artists, list(map(str, colors)), title=title, beside=True)

    def _draw_labels(self) -> None:
        n_labels = self.comparison.n_labels
        colors = self._colors()
        for name in self.comparison.scores:
            means, spreads = self._statistics(name)
            style: dict[str, Any] = {
                "color": colors[name],
                "linestyle": "--" if name in _GREYS else "-",
            }
            (self.artists_[name],) = self.ax_.plot(n_labels, means, marker="o", ms=4, **style)
            band: dict[str, Any] = {"color": colors[name], "alpha": 0.12, "linewidth": 0}
            self.ax_.fill_between(n_labels, means - spreads, means + spreads, **band)
        self.ax_.set_xscale("log")
        self.ax_.set_xticks(n_labels, labels=map(str, n_labels))
        self.ax_.minorticks_off()
        self.ax_.set(xlabel="labels per class", ylabel=self.comparison.score_name)
        add_legend(self.ax_, list(self.artists_.values()), list(self.artists_), beside=True)

    def _draw_time(self) -> None:
        from matplotlib.ticker import LogLocator  # an optional package

        colors = self._colors()
        for row in self.comparison.rows:
            name = row["name"]
            means, spreads = self._statistics(name)
            if name == PIXELS:  # nothing is fitted
                style: dict[str, Any] = {"color": colors[name], "linestyle": "--", "zorder": 0}
                self.artists_[name] = self.ax_.axhline(means[-1], **style)
                continue
            style = {"color": colors[name], "fmt": "o", "capsize": 2}
            self.artists_[name] = self.ax_.errorbar(
                max(row["fit_time"], 1e-3), means[-1], spreads[-1], **style
            )
        n_most = self.comparison.n_labels[-1]
        labels = f"{n_most} label{'s' * (n_most > 1)} per class"
        self.ax_.set_xscale("log")
        self.ax_.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        self.ax_.xaxis.set_major_formatter(_format_seconds)
        self.ax_.minorticks_off()
        self.ax_.set(xlabel="seconds to fit", ylabel=f"{self.comparison.score_name}, {labels}")
        add_legend(self.ax_, list(self.artists_.values()), list(self.artists_), beside=True)


def _shades(numbers: Sequence[int]) -> dict[int, Any]:
    """Return a shade for each number, so that they are not taken for embedders."""
    from matplotlib import colormaps  # an optional package

    return dict(
        zip(numbers, colormaps["viridis"](np.linspace(0.1, 0.75, len(numbers))), strict=True)
    )


def _check_kind(kind: object) -> None:
    if kind not in _KINDS:
        raise ValueError(
            f"The 'kind' parameter of ComparisonDisplay must be one of {list(_KINDS)}. Got "
            f"{kind!r}."
        )


def _format_percent(score: float, position: float) -> str:
    return f"{100 * score:.4g}"


def _format_seconds(seconds: float, position: float) -> str:
    return f"{seconds:g}"
