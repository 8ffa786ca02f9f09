"""Self-supervised image representation learning as scikit-learn estimators."""

import difflib
import importlib

__version__ = "0.1.0.dev0"

# Public name -> module that defines it. Loaded on first use: importing torch takes seconds.
_PUBLIC_NAMES = {
    "BYOLEmbedder": "embedding",
    "BarlowTwinsEmbedder": "embedding",
    "BaseEmbedder": "base",
    "DINOEmbedder": "embedding",
    "DeepClusterEmbedder": "embedding",
    "DeepInfoMaxEmbedder": "embedding",
    "EMPSSLEmbedder": "embedding",
    "FineTuneClassifier": "finetuning",
    "FineTuneRegressor": "finetuning",
    "HarrisCornerMasker": "preprocessing",
    "ImageResizer": "preprocessing",
    "LeJEPAEmbedder": "embedding",
    "MoCoEmbedder": "embedding",
    "MultiScaleEmbedder": "embedding",
    "PatchDictionaryEmbedder": "embedding",
    "PatchRelEmbedder": "embedding",
    "PatchRotEmbedder": "embedding",
    "Pretext": "base",
    "PseudoGrayscaler": "preprocessing",
    "RotNetEmbedder": "embedding",
    "RotationDecouplingEmbedder": "embedding",
    "ScaleNetEmbedder": "embedding",
    "SemiSupervisedClassifier": "semi_supervised",
    "SimCLREmbedder": "embedding",
    "SimSiamEmbedder": "embedding",
    "SwAVEmbedder": "embedding",
    "VICRegEmbedder": "embedding",
    "ViewWhiteningEmbedder": "embedding",
    "embed_to_files": "persistence",
    "load": "persistence",
    "parameters": "base",
    "save": "persistence",
    "show_versions": "utils._versions",
}
_SUBMODULES = (
    "augmentation",
    "backbones",
    "base",
    "callbacks",
    "curation",
    "datasets",
    "embedding",
    "exceptions",
    "finetuning",
    "inspection",
    "losses",
    "metrics",
    "persistence",
    "preprocessing",
    "semi_supervised",
    "utils",
)

__all__ = [*sorted([*_PUBLIC_NAMES, *_SUBMODULES]), "__version__"]


def __getattr__(name):
    if name in _SUBMODULES:
        return importlib.import_module(f"sklssl.{name}")
    if name in _PUBLIC_NAMES:
        return getattr(importlib.import_module(f"sklssl.{_PUBLIC_NAMES[name]}"), name)
    near = difflib.get_close_matches(name, __all__, n=1)
    hint = f". Did you mean {near[0]!r}?" if near and not name.startswith("_") else ""
    raise AttributeError(f"module 'sklssl' has no attribute {name!r}{hint}")


def __dir__():
    return __all__
