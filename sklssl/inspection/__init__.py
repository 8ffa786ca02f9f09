"""What embedders know: which one suits some images, and what each stage of a network tells."""

from sklssl.inspection._compare import compare_embedders
from sklssl.inspection._comparison import Comparison
from sklssl.inspection._layer_scores import layer_scores
from sklssl.inspection._predict_table import predict_table

__all__ = ["Comparison", "compare_embedders", "layer_scores", "predict_table"]
