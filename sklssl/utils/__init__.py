"""Utilities for writing embedders."""

import importlib

# Loaded on first use, so that importing other modules of this folder does not load them.
_PUBLIC_NAMES = {
    "Interval": "sklssl.utils._sklearn_compat",
    "StrOptions": "sklssl.utils._sklearn_compat",
    "check_images": "sklssl._data.arrays",
    "show_versions": "sklssl.utils._versions",
}

__all__ = ["Interval", "StrOptions", "check_images", "show_versions"]


def __getattr__(name):
    if name in _PUBLIC_NAMES:
        return getattr(importlib.import_module(_PUBLIC_NAMES[name]), name)
    raise AttributeError(f"module 'sklssl.utils' has no attribute {name!r}")


def __dir__():
    return __all__
