"""Looking into a fitted embedder: what each stage of its network knows."""

from sklssl.inspection._layer_scores import layer_scores

__all__ = ["layer_scores"]
