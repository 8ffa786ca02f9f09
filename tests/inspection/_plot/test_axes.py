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

pytestmark = pytest.mark.usefixtures("pyplot")

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 8, 8), dtype=np.uint8)
COMPARISON = Comparison(
    {"mine": Result(np.ones((1, 2)), 4, 1.0, 1.0, None)}, [5], n_images=(10, 10)
)
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
