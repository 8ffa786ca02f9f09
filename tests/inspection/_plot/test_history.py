"""HistoryDisplay: what was recorded in each epoch, by panel."""

import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklssl import FineTuneClassifier, PatchDictionaryEmbedder, RotNetEmbedder, ScaleNetEmbedder
from sklssl.callbacks import ProbeMonitor
from sklssl.inspection import HistoryDisplay
from tests._seed import SEED


def record_rank(embedder, row):
    row["rankme"] = 3.0
    row["note"] = "not a number"


@pytest.fixture(scope="module")
def embedder(X, y):
    callbacks = [ProbeMonitor(X, y, every=2, n_neighbors=3), record_rank]
    return RotNetEmbedder("convnet", max_epochs=4, callbacks=callbacks, random_state=SEED).fit(X)


def rows_of(n_epochs, **entries):
    return [{"epoch": i + 1, "loss": 1 / (i + 1), **entries} for i in range(n_epochs)]


def test_panels_and_curves(pyplot, embedder):
    display = HistoryDisplay.from_estimator(embedder)
    assert list(display.axes_) == ["loss", "accuracy", "rankme", "learning rate"]
    run = "RotNetEmbedder"
    terms = ("loss", "accuracy", "knn_accuracy", "rankme", "learning_rate")
    assert set(display.lines_) == {(run, term) for term in terms}
    loss, knn = display.lines_[run, "loss"], display.lines_[run, "knn_accuracy"]
    assert_array_equal(loss.get_ydata(), [row["loss"] for row in embedder.history_])
    assert_array_equal(knn.get_xdata(), [2, 4])
    assert knn.axes is display.axes_["accuracy"]
    assert loss.axes is display.axes_["loss"]
    assert display.bands_ == []
    assert display.ax_.get_title().startswith("RotNetEmbedder: 4 epochs in ")
    display.figure_.canvas.draw()


def test_the_axis_of_accuracies_ends_at_1(pyplot):
    display = HistoryDisplay({"run": rows_of(3, accuracy=1.0)}).plot()
    assert 1 < display.axes_["accuracy"].get_ylim()[1] < 1.01
    percent = HistoryDisplay({"run": rows_of(3, accuracy=95.0)}).plot()
    assert percent.axes_["accuracy"].get_ylim()[1] > 95


def test_scales_are_bands_that_break_the_curves(pyplot, X):
    embedder = ScaleNetEmbedder(backbone="convnet", max_epochs=2, random_state=SEED).fit(X)
    display = HistoryDisplay.from_estimator(embedder)
    loss = display.lines_["ScaleNetEmbedder", "loss"]
    assert np.isnan(loss.get_ydata()).sum() == 1
    assert [text.get_text() for text in display.axes_["loss"].texts] == ["scale 0.5", "scale 1"]
    assert len(display.bands_) == 2 * len(display.axes_)
    assert display.axes_["loss"].get_xlim() == (0.5, 4.5)


def test_fits_of_one_scale_are_bands_too(pyplot, X):
    embedder = RotNetEmbedder("convnet", max_epochs=2, warm_start=True, random_state=SEED)
    display = HistoryDisplay.from_estimator(embedder.fit(X).fit(X))
    assert [text.get_text() for text in display.axes_["loss"].texts] == ["fit 1", "fit 2"]
    assert not np.isnan(display.lines_["RotNetEmbedder", "loss"].get_ydata()).any()


def test_fine_tuning_with_validation(pyplot, embedder, X, y):
    model = FineTuneClassifier(embedder, max_epochs=2, early_stopping=True, random_state=SEED)
    display = HistoryDisplay.from_estimator(model.fit(X, y % 2))
    loss, valid = (display.lines_["FineTuneClassifier", n] for n in ("loss", "valid_loss"))
    assert loss.get_color() == valid.get_color()
    assert (loss.get_linestyle(), valid.get_linestyle()) == ("-", "--")


def test_several_runs(pyplot, embedder, X):
    other = RotNetEmbedder("convnet", max_epochs=1, random_state=SEED).fit(X)
    display = HistoryDisplay.from_estimator({"$x_1$": embedder, "_<b>other": other})
    first, second = (display.lines_[run, "accuracy"] for run in ("$x_1$", "_<b>other"))
    assert first.get_color() != second.get_color()
    shown = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert [text.split(":")[0] for text in shown] == ["$x_1$", "_<b>other"]
    display.figure_.canvas.draw()  # a formula would raise an error here


@pytest.mark.parametrize("n_epochs", [1, 60])
def test_saved_rows_on_given_axes(pyplot, n_epochs):
    _, ax = pyplot.subplots()
    display = HistoryDisplay({"$x": rows_of(n_epochs)}).plot(ax)
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert list(display.axes_) == ["loss"]
    display.figure_.canvas.draw()


def test_many_fits_have_no_labels(pyplot):
    rows = [{"epoch": i + 1, "phase": i, "scale": 1.0, "loss": 1.0} for i in range(12)]
    display = HistoryDisplay({"partial_fit": rows}).plot()
    assert len(display.bands_) == 12
    assert not display.axes_["loss"].texts
    assert not np.isnan(display.lines_["partial_fit", "loss"].get_ydata()).any()


def test_values_that_are_not_finite(pyplot):
    rows = [{"epoch": 1, "loss": np.nan}, {"epoch": 2, "loss": np.nan}]
    HistoryDisplay({"run": rows}).plot().figure_.canvas.draw()


@pytest.mark.parametrize("histories", [{}, None, {"run": []}, {"run": [{"loss": 1.0}]}])
def test_no_rows(histories):
    with pytest.raises(ValueError, match=r"HistoryDisplay needs (at least one run|rows with).*Got"):
        HistoryDisplay(histories)


@pytest.mark.parametrize("others", [{}, {"first": [{"epoch": 1, "loss": 1.0}]}])
def test_rows_without_numbers(others):
    with pytest.raises(ValueError, match=r"needs numbers to draw.*of 'run'.*keys \['epoch'\]"):
        HistoryDisplay({**others, "run": [{"epoch": 1}]})


def test_estimators_without_a_history(pyplot, X, embedder):
    with pytest.raises(NotFittedError):
        HistoryDisplay.from_estimator(RotNetEmbedder())
    with pytest.raises(TypeError, match="needs an estimator with a history_.*pass the step"):
        HistoryDisplay.from_estimator(make_pipeline(embedder, StandardScaler()).fit(X))
    with pytest.raises(ValueError, match="at least one for 'PatchDictionaryEmbedder'.*no epochs"):
        HistoryDisplay.from_estimator(PatchDictionaryEmbedder(8, random_state=SEED).fit(X))


def test_without_matplotlib(monkeypatch, embedder):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"HistoryDisplay\.from_estimator needs .*sklssl\[viz\]"):
        HistoryDisplay.from_estimator(embedder)
    with pytest.raises(ImportError, match=r"HistoryDisplay\.plot needs matplotlib"):
        HistoryDisplay({"run": rows_of(2)}).plot()
