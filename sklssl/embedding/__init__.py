"""Embedders: self-supervised methods as scikit-learn transformers."""

from sklssl.embedding._barlow_twins import BarlowTwinsEmbedder
from sklssl.embedding._byol import BYOLEmbedder
from sklssl.embedding._decoupling import RotationDecouplingEmbedder
from sklssl.embedding._deep_cluster import DeepClusterEmbedder
from sklssl.embedding._deep_infomax import DeepInfoMaxEmbedder
from sklssl.embedding._dino import DINOEmbedder
from sklssl.embedding._emp_ssl import EMPSSLEmbedder
from sklssl.embedding._lejepa import LeJEPAEmbedder
from sklssl.embedding._moco import MoCoEmbedder
from sklssl.embedding._multiscale import MultiScaleEmbedder
from sklssl.embedding._patch_dictionary import PatchDictionaryEmbedder
from sklssl.embedding._patchrel import PatchRelEmbedder
from sklssl.embedding._patchrot import PatchRotEmbedder
from sklssl.embedding._rotnet import RotNetEmbedder
from sklssl.embedding._scalenet import ScaleNetEmbedder
from sklssl.embedding._simclr import SimCLREmbedder
from sklssl.embedding._simsiam import SimSiamEmbedder
from sklssl.embedding._swav import SwAVEmbedder
from sklssl.embedding._vicreg import VICRegEmbedder
from sklssl.embedding._view_whitening import ViewWhiteningEmbedder

__all__ = [
    "BYOLEmbedder",
    "BarlowTwinsEmbedder",
    "DINOEmbedder",
    "DeepClusterEmbedder",
    "DeepInfoMaxEmbedder",
    "EMPSSLEmbedder",
    "LeJEPAEmbedder",
    "MoCoEmbedder",
    "MultiScaleEmbedder",
    "PatchDictionaryEmbedder",
    "PatchRelEmbedder",
    "PatchRotEmbedder",
    "RotNetEmbedder",
    "RotationDecouplingEmbedder",
    "ScaleNetEmbedder",
    "SimCLREmbedder",
    "SimSiamEmbedder",
    "SwAVEmbedder",
    "VICRegEmbedder",
    "ViewWhiteningEmbedder",
]
