"""Compare embedders on a set of images, and score the layers of a network."""

from sklssl.inspection._compare import compare_embedders
from sklssl.inspection._comparison import Comparison
from sklssl.inspection._image_map.write import write_image_map
from sklssl.inspection._layer_scores import layer_scores
from sklssl.inspection._predict_table import predict_table

__all__ = ["Comparison", "compare_embedders", "layer_scores", "predict_table", "write_image_map"]
