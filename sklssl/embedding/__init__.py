"""Embedders: self-supervised methods as scikit-learn transformers."""

from sklssl.embedding._decoupling import RotationDecouplingEmbedder
from sklssl.embedding._multiscale import MultiScaleEmbedder
from sklssl.embedding._patch_dictionary import PatchDictionaryEmbedder
from sklssl.embedding._patchrel import PatchRelEmbedder
from sklssl.embedding._patchrot import PatchRotEmbedder
from sklssl.embedding._rotnet import RotNetEmbedder
from sklssl.embedding._scalenet import ScaleNetEmbedder
from sklssl.embedding._simclr import SimCLREmbedder

__all__ = [
    "MultiScaleEmbedder",
    "PatchDictionaryEmbedder",
    "PatchRelEmbedder",
    "PatchRotEmbedder",
    "RotNetEmbedder",
    "RotationDecouplingEmbedder",
    "ScaleNetEmbedder",
    "SimCLREmbedder",
]
