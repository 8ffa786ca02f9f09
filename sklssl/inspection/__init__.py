"""Look at images, features, training and predictions, and compare embedders."""

from sklssl.inspection._compare import compare_embedders
from sklssl.inspection._comparison import Comparison
from sklssl.inspection._image_map.write import write_image_map
from sklssl.inspection._layer_scores import layer_scores
from sklssl.inspection._plot.comparison import ComparisonDisplay
from sklssl.inspection._plot.grad_cam import GradCAMDisplay
from sklssl.inspection._plot.history import HistoryDisplay
from sklssl.inspection._plot.image_map import ImageMapDisplay
from sklssl.inspection._plot.layer_scores import LayerScoresDisplay
from sklssl.inspection._plot.neighbors import NeighborsDisplay
from sklssl.inspection._plot.predictions import PredictionsDisplay
from sklssl.inspection._plot.views import ViewsDisplay
from sklssl.inspection._predict_table import predict_table

__all__ = [
    "Comparison",
    "ComparisonDisplay",
    "GradCAMDisplay",
    "HistoryDisplay",
    "ImageMapDisplay",
    "LayerScoresDisplay",
    "NeighborsDisplay",
    "PredictionsDisplay",
    "ViewsDisplay",
    "compare_embedders",
    "layer_scores",
    "predict_table",
    "write_image_map",
]
