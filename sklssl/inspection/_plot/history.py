"""Draw what was recorded during training."""

from __future__ import annotations

import itertools
from numbers import Real
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklssl.inspection._plot._axes import check_matplotlib, limit_to_shares, make_axes, shorten
from sklssl.inspection._plot._names import add_legend, colors_in_order

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

__all__ = ["HistoryDisplay"]

_NOT_TERMS = {"epoch", "phase", "scale", "duration"}
_RATE = "learning rate"
_STYLES = ("-", "--", ":", "-.")
_FEW_BANDS, _MOST_BANDS = 4, 10  # with labels, which would overlap if there were more
_FEW_EPOCHS = 40  # with a mark for each
_GAP = 0.1  # between panels, as a fraction of a panel
_LONGEST_TITLE = 70  # characters


class HistoryDisplay:
    """Curves of what was recorded in each epoch of training.

    One panel shows the terms of the loss, one accuracies and other scores, such as those recorded
    by :class:`sklssl.callbacks.ProbeMonitor`, and one the learning rate. Other numbers that a
    callback has added to the rows get a panel each. If there are several image scales or fits, they
    are labelled bands.

    Create it with :meth:`from_estimator`, or from saved rows.

    Parameters
    ----------
    histories : dict of str to list of dict
        The rows of ``history_``, by the name of the training run.

    Attributes
    ----------
    histories : dict of str to list of dict
        What was passed.

    ax_ : Axes
        The axes whose place the panels take.

    axes_ : dict of str to Axes
        The panels, from top to bottom: "loss", "accuracy" (or "score"), others by name, and
        "learning rate".

    figure_ : Figure
        The figure.

    lines_ : dict of (str, str) to Line2D
        The curves, by the name of the run and of the recorded value.

    bands_ : list of Rectangle
        The bands of all panels, one by one.

    Raises
    ------
    ValueError
        If there are no runs, or one of them has no epochs or no numbers to draw.

    See Also
    --------
    sklssl.callbacks.ProbeMonitor : Record the accuracy of a probe during training.

    Notes
    -----
    The loss and the accuracy of a pretext task do not show how good features are, and those of
    different tasks cannot be compared.

    Examples
    --------
    >>> from sklssl import RotNetEmbedder
    >>> from sklssl.datasets import load_digit_images
    >>> from sklssl.inspection import HistoryDisplay
    >>> X, y = load_digit_images(return_X_y=True)
    >>> embedder = RotNetEmbedder(max_epochs=3, random_state=0).fit(X[:200])
    >>> display = HistoryDisplay.from_estimator(embedder)
    >>> list(display.axes_)
    ['loss', 'accuracy', 'learning rate']
    """

    def __init__(self, histories: dict[str, list[dict[str, Any]]]) -> None:
        self.histories = _check_histories(histories)

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Axes | None = None) -> Self:
        """Draw the ``history_`` of one or several estimators.

        Parameters
        ----------
        estimator : fitted estimator, or dict of str to fitted estimator
            An embedder or fine-tuned estimator; or several by name, to compare their training.

        ax : Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : HistoryDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        NotFittedError
            If an estimator is not fitted.
        TypeError
            If an estimator keeps no history.
        ValueError
            If there are no estimators, or one was trained for no epochs.
        """
        check_matplotlib("HistoryDisplay.from_estimator")
        several = isinstance(estimator, dict)
        named = estimator if several else {type(estimator).__name__: estimator}
        return cls({name: _read_history(e) for name, e in named.items()}).plot(ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw the panels.

        Parameters
        ----------
        ax : Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        self : HistoryDisplay
        """
        panels = _group_terms(self.histories)
        size = (6.4, 1.2 + 1.5 * len(panels))
        self.ax_ = make_axes(ax, owner="HistoryDisplay.plot", size=size)
        self.figure_: Any = self.ax_.figure
        self.axes_ = dict(zip(panels, _stack_axes(self.ax_, len(panels)), strict=True))
        self.lines_: dict[tuple[str, str], Line2D] = {}
        for panel, names in panels.items():
            self._draw_panel(self.axes_[panel], names)
            if panel == "accuracy":
                rows = itertools.chain(*self.histories.values())
                values = [row[name] for row in rows for name in names if name in row]
                limit_to_shares(self.axes_[panel], values)
            self.axes_[panel].set_ylabel(panel.replace("_", " "), parse_math=False)
        self.figure_.align_ylabels(list(self.axes_.values()))
        if _RATE in panels:
            _scale_rates(self.axes_[_RATE], self.histories)
        self._draw_bands()
        self._draw_heading()
        return self

    def _draw_panel(self, ax: Axes, names: list[str]) -> None:
        """Draw the curves of a panel: colours are runs if there are several, else terms."""
        several = len(self.histories) > 1
        by_term, by_run = colors_in_order(map(_base, names)), colors_in_order(self.histories)
        styles = dict(zip(names, itertools.cycle(_STYLES)))
        for (run, rows), name in itertools.product(self.histories.items(), names):
            points = _curve(rows, name)
            if not points:
                continue
            (self.lines_[run, name],) = ax.plot(
                *zip(*points, strict=True),
                color=by_run[run] if several else by_term[_base(name)],
                linestyle=styles[name] if several else "--" if _is_validation(name) else "-",
                marker="o" if len(points) < _FEW_EPOCHS else None,
                markersize=3,
                drawstyle="steps-mid" if name == "learning_rate" else "default",
            )
        epochs: Any = ax.xaxis.get_major_locator()
        epochs.set_params(integer=True, min_n_ticks=1)
        if len(names) > 1:
            shown = [self._find_line(term=name) for name in names]
            legend = add_legend(ax, shown, names, beside=True)
            for line in legend.get_lines() if several else ():
                line.set_color(ax.xaxis.label.get_color())

    def _find_line(self, run: str | None = None, term: str | None = None) -> Line2D:
        """Return the first curve of a run, or of a recorded value."""
        return next(line for (r, name), line in self.lines_.items() if run == r or term == name)

    def _draw_bands(self) -> None:
        """Shade every other phase of training, if all runs have the same ones."""
        self.bands_ = []
        first, *others = map(_find_bands, self.histories.values())
        if len(first) == 1 or any(bands != first for bands in others):
            return
        panels = list(self.axes_.values())
        if len(first) > _FEW_BANDS:  # no room for "scale"
            first = [(start, end, label.split()[-1]) for start, end, label in first]
        for i, (start, end, label) in enumerate(first):
            shade: dict[str, Any] = {"color": "grey", "alpha": 0.15 * (i % 2), "linewidth": 0}
            self.bands_ += [ax.axvspan(start, end, **shade) for ax in panels]
            if len(first) <= _MOST_BANDS:
                place = (start + end) / 2, 1.02
                above = panels[0].get_xaxis_transform()
                panels[0].text(*place, label, ha="center", fontsize=8, transform=above)
        panels[0].set_xlim(first[0][0], first[-1][1])

    def _draw_heading(self) -> None:
        """Name the run, or all of them with their colours."""
        pad = 18 if self.bands_ else 6
        if len(self.histories) == 1:
            ((name, rows),) = self.histories.items()
            title = shorten(_describe(name, rows), _LONGEST_TITLE)
            self.ax_.set_title(title, fontsize=10, pad=pad, parse_math=False)
            return
        shown = [self._find_line(run=run) for run in self.histories]
        names = [_describe(name, rows) for name, rows in self.histories.items()]
        place = (0, 1 + 0.02 * bool(self.bands_))
        legend = add_legend(self.ax_, shown, names, loc="lower left", bbox_to_anchor=place)
        for line in legend.get_lines():
            line.set_linestyle("-")


def _check_histories(histories: Any) -> dict[str, list[dict[str, Any]]]:
    if not isinstance(histories, dict) or not histories:
        raise ValueError(
            "HistoryDisplay needs at least one run: a dict of names to fitted estimators, or to "
            f"the rows of their history_. Got {histories!r}."
        )
    for name, rows in histories.items():
        if not rows or not all(isinstance(row, dict) and "epoch" in row for row in rows):
            raise ValueError(
                f"HistoryDisplay needs rows with the key 'epoch', at least one for {name!r}. Got "
                f"{list(rows)[:1]}. An embedder with max_epochs=0, or one that trains no network, "
                "has no epochs to draw."
            )
        if not _group_terms({name: rows}):
            raise ValueError(
                f"HistoryDisplay needs numbers to draw, such as a 'loss', in the rows of {name!r}. "
                f"Got rows with the keys {list(rows[0])}."
            )
    return {str(name): list(rows) for name, rows in histories.items()}


def _read_history(estimator: Any) -> list[dict[str, Any]]:
    check_is_fitted(estimator)
    if not hasattr(estimator, "history_"):
        raise TypeError(
            "HistoryDisplay.from_estimator needs an estimator with a history_: an embedder or a "
            f"fine-tuned estimator of sklssl. Got a {type(estimator).__name__}; of a Pipeline pass "
            "the step, of a SemiSupervisedClassifier its embedder_."
        )
    return estimator.history_


def _group_terms(histories: dict[str, list[dict[str, Any]]]) -> dict[str, list[str]]:
    """Return the names of recorded numbers by panel, from the first panel to the last."""
    rows = list(itertools.chain(*histories.values()))
    names = dict.fromkeys(
        name
        for row in rows
        for name, value in row.items()
        if name not in _NOT_TERMS and isinstance(value, Real)
    )
    panels: dict[str, list[str]] = {"loss": [], "score": []}
    for name in names:
        panels.setdefault(_panel(name), []).append(name)
    if all("accuracy" in name for name in panels["score"]):
        panels = {"accuracy" if p == "score" else p: found for p, found in panels.items()}
    last = sorted(panels, key=lambda panel: panel == _RATE)
    return {panel: panels[panel] for panel in last if panels[panel]}


def _panel(name: str) -> str:
    if name == "learning_rate":
        return _RATE
    lower = name.lower()
    if "loss" in lower or "error" in lower:
        return "loss"
    return "score" if "accuracy" in lower or "score" in lower else name


def _curve(rows: list[dict[str, Any]], name: str) -> list[tuple[float, float]]:
    """Return the points of a curve, which is broken where the scale changes."""
    points: list[tuple[float, float]] = []
    scale = None
    for row in rows:
        if name not in row:
            continue
        if points and row.get("scale") != scale:
            points.append((row["epoch"] - 0.5, np.nan))
        points.append((row["epoch"], row[name]))
        scale = row.get("scale")
    return points


def _is_validation(name: str) -> bool:
    return name.startswith("valid_")


def _base(name: str) -> str:
    return name.removeprefix("valid_")


def _find_bands(rows: list[dict[str, Any]]) -> list[tuple[float, float, str]]:
    """Return the start, end and label of each phase."""
    several = len({row.get("scale", 1) for row in rows}) > 1
    bands = []
    for phase, part in itertools.groupby(rows, key=lambda row: row.get("phase", 0)):
        first, *_, last = [*part] * 2
        label = f"scale {first.get('scale', 1):g}" if several else f"fit {phase + 1}"
        bands.append((first["epoch"] - 0.5, last["epoch"] + 0.5, label))
    return bands


def _describe(name: str, rows: list[dict[str, Any]]) -> str:
    seconds = sum(row.get("duration", 0) for row in rows)
    time = f" in {seconds:.{0 if seconds >= 10 else 1}f} s" if seconds else ""
    return f"{name}: {len(rows)} epoch{'s' * (len(rows) > 1)}{time}"


def _stack_axes(ax: Axes, n_panels: int) -> list[Axes]:
    """Divide `ax` into panels, one above the other, that share the epochs."""
    ax.set_axis_off()
    height = 1 / n_panels
    panels: list[Axes] = []
    for i in range(n_panels):
        box = (0, 1 - (i + 1 - _GAP / 2) * height, 1, (1 - _GAP) * height)
        panels.append(ax.inset_axes(box, sharex=panels[0] if panels else None))
        panels[-1].tick_params(labelbottom=i == n_panels - 1)
        panels[-1].spines[["top", "right"]].set_visible(False)
    panels[-1].set_xlabel("epoch")
    panels[-1].locator_params(axis="x", integer=True)
    return panels


def _scale_rates(ax: Axes, histories: dict[str, list[dict[str, Any]]]) -> None:
    """Use a logarithmic axis if the rate falls to a tenth or less."""
    rows = itertools.chain(*histories.values())
    rates = [row["learning_rate"] for row in rows if "learning_rate" in row]
    if 0 < 10 * min(rates) <= max(rates):
        ax.set_yscale("log")
