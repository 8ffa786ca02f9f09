"""Embedders: self-supervised methods as scikit-learn transformers."""

from sklssl.embedding._multiscale import MultiScaleEmbedder
from sklssl.embedding._rotnet import RotNetEmbedder
from sklssl.embedding._scalenet import ScaleNetEmbedder

__all__ = ["MultiScaleEmbedder", "RotNetEmbedder", "ScaleNetEmbedder"]
