import numpy as np
import pytest

from sklssl import RotNetEmbedder
from sklssl.inspection import (
    ComparisonDisplay,
    GradCAMDisplay,
    HistoryDisplay,
    ImageMapDisplay,
    LayerScoresDisplay,
    NeighborsDisplay,
    PredictionsDisplay,
    ViewsDisplay,
)
from sklssl.inspection._comparison import Comparison, Result
from sklssl.inspection._plot._axes import shorten, shorten_apart

pytestmark = pytest.mark.usefixtures("pyplot")

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 8, 8), dtype=np.uint8)
RESULT = Result(np.ones((1, 2)), 4, 1.0, 1.0, None)
COMPARISON = Comparison({"mine": RESULT}, [5], n_images=(10, 10))
ROWS = [{"layer": "a", "pool_size": 1, "mean_score": 1.0, "std_score": 0.1}]
DISPLAYS = {
    ComparisonDisplay: lambda ax: ComparisonDisplay.from_comparison(COMPARISON, ax=ax),
    GradCAMDisplay: lambda ax: GradCAMDisplay({}, names=[]).plot(ax),
    HistoryDisplay: lambda ax: HistoryDisplay({"run": [{"epoch": 1, "loss": 1.0}]}).plot(ax),
    ImageMapDisplay: lambda ax: ImageMapDisplay.from_features(np.eye(6)[:, :2], IMAGES, ax=ax),
    LayerScoresDisplay: lambda ax: LayerScoresDisplay(ROWS).plot(ax),
    NeighborsDisplay: lambda ax: NeighborsDisplay.from_features(np.eye(6), IMAGES, ax=ax),
    PredictionsDisplay: lambda ax: PredictionsDisplay.from_predictions(
        IMAGES, [[0.4, 0.6]] * 6, ax=ax
    ),
    ViewsDisplay: lambda ax: ViewsDisplay.from_estimator(RotNetEmbedder("convnet"), IMAGES, ax=ax),
}


@pytest.mark.parametrize("display", DISPLAYS)
def test_axes_that_are_none(display, pyplot):
    for ax in ("a", pyplot.subplots(1, 2)[1]):
        with pytest.raises(
            TypeError, match=f"The 'ax' argument of {display.__name__}.* Got .*Pass"
        ):
            DISPLAYS[display](ax)


# A folder that another computer has named in Latin-1.
NAME = b"b\xf6se".decode(errors="surrogateescape")
PROBABILITIES = np.tile([0.4, 0.6], (6, 1))
NAMED = {
    ComparisonDisplay: lambda: ComparisonDisplay.from_comparison(
        Comparison({NAME: RESULT}, [5], n_images=(10, 10))
    ),
    HistoryDisplay: lambda: HistoryDisplay({NAME: [{"epoch": 1, "loss": 1.0}]}).plot(),
    ImageMapDisplay: lambda: ImageMapDisplay.from_features(
        np.eye(6)[:, :2], IMAGES, [NAME, "good"] * 3
    ),
    NeighborsDisplay: lambda: NeighborsDisplay.from_features(np.eye(6), IMAGES, names=[NAME] * 6),
    PredictionsDisplay: lambda: PredictionsDisplay.from_predictions(
        IMAGES, PROBABILITIES, [0] * 6, names=[NAME] * 6, target_names=[NAME, "good"]
    ),
    ViewsDisplay: lambda: ViewsDisplay.from_estimator(
        RotNetEmbedder("convnet"), IMAGES, names=[NAME] * 6
    ),
}


@pytest.mark.parametrize("display", NAMED)
def test_names_that_are_no_text_can_be_drawn(display):
    NAMED[display]().figure_.canvas.draw()


def test_names_that_are_no_text_have_question_marks():
    assert shorten(NAME) == "b?se"
    assert shorten_apart([f"one {NAME} here", "one good here"], 8) == ["…b?se…", "…good…"]
