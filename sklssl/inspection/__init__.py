"""Compare embedders on a set of images, and score the layers of a network."""

from sklssl.inspection._compare import compare_embedders
from sklssl.inspection._comparison import Comparison
from sklssl.inspection._layer_scores import layer_scores
from sklssl.inspection._plot.grad_cam import GradCAMDisplay
from sklssl.inspection._plot.image_map import ImageMapDisplay
from sklssl.inspection._plot.neighbors import NeighborsDisplay
from sklssl.inspection._plot.views import ViewsDisplay
from sklssl.inspection._predict_table import predict_table

__all__ = [
    "Comparison",
    "GradCAMDisplay",
    "ImageMapDisplay",
    "NeighborsDisplay",
    "ViewsDisplay",
    "compare_embedders",
    "layer_scores",
    "predict_table",
]
