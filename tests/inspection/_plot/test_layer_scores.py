"""LayerScoresDisplay: the scores of layers by pool size."""

import sys

import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import Ridge

from sklssl.inspection import LayerScoresDisplay, layer_scores


def make_rows(layers, pool_sizes):
    return [
        {"layer": layer, "pool_size": size, "mean_score": i * size, "std_score": 0.1}
        for i, layer in enumerate(layers)
        for size in pool_sizes
    ]


def test_a_line_for_each_pool_size(pyplot, trained, digits):
    X, y = digits[0][:60], digits[1][:60]
    settings = {"pool_sizes": (1, 2), "cv": 2}
    display = LayerScoresDisplay.from_estimator(trained, X, y, **settings)
    rows = layer_scores(trained, X, y, **settings)
    assert list(display.lines_) == [1, 2]
    for size, container in display.lines_.items():
        expected = [row["mean_score"] for row in rows if row["pool_size"] == size]
        assert_allclose(container.lines[0].get_ydata(orig=False), expected)
        spreads = [row["std_score"] for row in rows if row["pool_size"] == size]
        ends = [segment[:, 1] for segment in container.lines[2][0].get_segments()]
        assert_allclose([high - low for low, high in ends], [2 * s for s in spreads], atol=1e-9)
    assert display.best["mean_score"] == max(row["mean_score"] for row in rows)
    assert display.ring_.get_ydata()[0] == display.best["mean_score"]
    ticks = [text.get_text() for text in display.ax_.get_xticklabels()]
    assert ticks == list(trained.layer_names_)
    assert display.ax_.get_ylabel() == "accuracy"
    display.figure_.canvas.draw()


@pytest.mark.parametrize(
    ("parameters", "name"),
    [({"probe": Ridge()}, "R²"), ({"scoring": "balanced_accuracy"}, "balanced_accuracy")],
)
def test_the_score_is_named(pyplot, trained, X, y, parameters, name):
    display = LayerScoresDisplay.from_estimator(
        trained, X, y % 2, pool_sizes=(1,), cv=2, **parameters
    )
    assert display.ax_.get_ylabel() == name


def test_the_axis_of_accuracies_ends_at_1(pyplot):
    rows = [{**row, "mean_score": 0.99} for row in make_rows("abc", [1, 2])]
    assert 1 < LayerScoresDisplay(rows, score_name="accuracy").plot().ax_.get_ylim()[1] < 1.03
    assert LayerScoresDisplay(rows, score_name="R²").plot().ax_.get_ylim()[1] > 1.05
    sums = make_rows("abc", [1, 2])  # up to 4: of a probe with another score
    assert LayerScoresDisplay(sums, score_name="accuracy").plot().ax_.get_ylim()[1] > 4


def test_rows_on_given_axes(pyplot):
    _, ax = pyplot.subplots()
    names = ["$x_1$", "<b>", *(f"stage{i}.block_with_a_long_name" for i in range(40))]
    display = LayerScoresDisplay(make_rows(names, [1]), score_name="my score").plot(ax)
    assert display.ax_ is ax
    assert ax.get_ylabel() == "my score"
    display.figure_.canvas.draw()


def test_small_maps_have_fewer_pool_sizes(pyplot):
    rows = [row for row in make_rows("abc", [1, 2]) if (row["layer"], row["pool_size"]) != ("b", 2)]
    display = LayerScoresDisplay(rows).plot()
    assert_allclose(display.lines_[2].lines[0].get_xdata(orig=False).round(), [0, 2])


@pytest.mark.parametrize("rows", [[], [{"layer": "a"}], ["a"]])
def test_rows_of_something_else(rows):
    with pytest.raises(ValueError, match="'rows' parameter of LayerScoresDisplay must be.*Got"):
        LayerScoresDisplay(rows)


def test_labels_of_another_length(pyplot, trained, X, y):
    with pytest.raises(ValueError, match="'y' argument of layer_scores"):
        LayerScoresDisplay.from_estimator(trained, X, y[:-1])


def test_without_matplotlib(monkeypatch, trained, X, y):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"LayerScoresDisplay\.from_estimator needs matplotlib"):
        LayerScoresDisplay.from_estimator(trained, X, y[:-1])
    with pytest.raises(ImportError, match=r"LayerScoresDisplay\.plot needs matplotlib"):
        LayerScoresDisplay(make_rows("ab", [1])).plot()
