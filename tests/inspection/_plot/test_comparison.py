"""ComparisonDisplay: scores, label efficiency and time of a comparison."""

import itertools
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sklssl import PatchDictionaryEmbedder
from sklssl.inspection import ComparisonDisplay
from sklssl.inspection._comparison import Comparison, Result
from tests._seed import SEED

KINDS = ("scores", "labels", "time")


def make_comparison(n_labels=(1, 5), names=("raw pixels", "untrained network", "mine"), **options):
    rng = np.random.default_rng(SEED)
    results = {
        name: Result(rng.random((len(n_labels), 3)), 10, 0.01 * i, 1.0, None)
        for i, name in enumerate(names)
    }
    return Comparison(results, n_labels, n_images=(10, 10), **options)


def test_scores(pyplot):
    comparison = make_comparison()
    display = ComparisonDisplay.from_comparison(comparison)
    assert list(display.artists_) == [1, 5]
    names = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert names == [row["name"] for row in comparison.rows]
    low, high = display.ax_.get_ylim()
    assert low > high  # the best is at the top
    for i, n in enumerate((1, 5)):
        means = [comparison.scores[name][i].mean() for name in names]
        assert_allclose(display.artists_[n].lines[0].get_xdata(orig=False), means)
    pixels = comparison.scores["raw pixels"].mean(axis=1)
    dashed = [line.get_xdata()[0] for line in display.ax_.lines if line.get_linestyle() == "--"]
    assert_allclose(dashed, pixels)
    assert display.ax_.get_xlabel() == "accuracy (%)"


def test_labels(pyplot):
    comparison = make_comparison()
    display = ComparisonDisplay.from_comparison(comparison, kind="labels")
    assert list(display.artists_) == list(comparison.scores)
    for name, line in display.artists_.items():
        assert_allclose(line.get_ydata(), comparison.scores[name].mean(axis=1))
    band = display.ax_.collections[0].get_paths()[0].vertices
    scores = next(iter(comparison.scores.values()))[0]
    at_first = band[band[:, 0] == 1, 1]
    assert_allclose(at_first.max() - at_first.min(), 2 * scores.std())
    assert display.ax_.get_xscale() == "log"
    assert [text.get_text() for text in display.ax_.get_xticklabels()] == ["1", "5"]


def test_time(pyplot):
    comparison = make_comparison(n_labels=[10])
    display = ComparisonDisplay.from_comparison(comparison, kind="time")
    dot = display.artists_["mine"].lines[0]
    assert_allclose(dot.get_xdata(orig=False), 0.02)
    assert_allclose(dot.get_ydata(orig=False), comparison.scores["mine"][-1].mean())
    pixels = display.artists_["raw pixels"]
    assert_allclose(pixels.get_ydata(), comparison.scores["raw pixels"].mean())
    assert display.ax_.get_ylabel() == "accuracy (%), 10 labels per class"


def make_perfect(kind, *, worst=1.0, names=("raw pixels", "untrained network", "mine")):
    scores = np.linspace(worst, 1, 6).reshape(2, 3)
    results = {name: Result(scores, 10, 0.1, 1.0, None) for name in names}
    comparison = Comparison(results, (1, 5), n_images=(10, 10))
    return ComparisonDisplay.from_comparison(comparison, kind=kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("worst", [1.0, 0.98, 0.5, 0.0])
def test_the_axis_of_accuracies_ends_at_100_percent(pyplot, kind, worst):
    display = make_perfect(kind, worst=worst)
    display.figure_.canvas.draw()
    axis = display.ax_.xaxis if kind == "scores" else display.ax_.yaxis
    low, high = axis.get_view_interval()
    ticks = axis.get_majorticklocs()
    ticks = ticks[(ticks >= low) & (ticks <= high)]
    assert ticks.max() <= 1 + 1e-9
    assert ticks.min() >= -1e-9
    assert high < 1.03
    assert high > 1 or worst < 1  # dots at 100 % are whole
    assert axis.get_label_text().startswith("accuracy (%)")


@pytest.mark.parametrize("name", ["untrained network", "a name with as many characters as fit in"])
@pytest.mark.parametrize("worst", [1.0, 0.98, 0.5])
def test_labels_of_ticks_do_not_touch(pyplot, name, worst):
    display = make_perfect("scores", worst=worst, names=["raw pixels", name])
    display.figure_.canvas.draw()
    low, high = display.ax_.get_xlim()
    ticks = [t for t in display.ax_.xaxis.get_major_ticks() if low <= t.get_loc() <= high]
    boxes = [tick.label1.get_window_extent() for tick in ticks]
    assert all(left.x1 + 8 < right.x0 for left, right in itertools.pairwise(boxes))


def test_it_compares(pyplot, digits):
    display = ComparisonDisplay.from_estimators(
        {"patches": PatchDictionaryEmbedder(8)},
        digits[0][:300],
        digits[1][:300],
        kind="labels",
        n_labels=(1, 3),
        n_draws=2,
        random_state=SEED,
    )
    assert display.comparison.n_labels == [1, 3]
    assert set(display.artists_) == {"raw pixels", "untrained network", "patches"}
    assert display.plot(kind="time") is display


def test_numbers_of_labels_of_a_curve(pyplot, digits):
    with pytest.raises(ValueError, match="asks for 50 labels of each class"):
        ComparisonDisplay.from_estimators(None, digits[0][:300], digits[1][:300], kind="labels")


@pytest.mark.parametrize("kind", KINDS)
def test_other_scores_names_and_axes(pyplot, kind):
    names = ["_$x_1$", "<b>a name that is far longer than there is space for</b>", "raw pixels"]
    _, ax = pyplot.subplots()
    comparison = make_comparison(names=names, scoring="f1_macro")
    display = ComparisonDisplay.from_comparison(comparison, kind=kind, ax=ax)
    assert display.ax_ is ax
    assert "f1_macro" in {ax.get_xlabel(), ax.get_ylabel().split(",")[0]}
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert kind == "scores" or "_$x_1$" in legend
    ax.figure.canvas.draw()


@pytest.mark.parametrize("kind", KINDS)
def test_without_baselines(pyplot, kind):
    comparison = make_comparison(names=[f"embedder {i}" for i in range(30)])
    ComparisonDisplay.from_comparison(comparison, kind=kind).figure_.canvas.draw()


def test_mistakes(pyplot, X, y):
    for call in (
        lambda: ComparisonDisplay.from_estimators(None, X, y, kind="bars"),
        lambda: ComparisonDisplay.from_comparison(make_comparison(), kind="bars"),
    ):
        with pytest.raises(ValueError, match=r"'kind' parameter of ComparisonDisplay .*Got 'bars'"):
            call()
    with pytest.raises(ValueError, match=r"'labels', which needs at least two.*has \[10\]: set"):
        ComparisonDisplay.from_comparison(make_comparison([10]), kind="labels")
    with pytest.raises(TypeError, match="'comparison' parameter of ComparisonDisplay must be the"):
        ComparisonDisplay(["rows"])
    with pytest.raises(TypeError, match="n_labls"):
        ComparisonDisplay.from_estimators(None, X, y, n_labls=3)


def test_without_matplotlib(monkeypatch, X, y):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"ComparisonDisplay\.from_estimators needs matplotlib"):
        ComparisonDisplay.from_estimators(None, X, y[:-1])
    with pytest.raises(ImportError, match=r"ComparisonDisplay\.plot needs matplotlib"):
        ComparisonDisplay.from_comparison(make_comparison())
