"""Tools for those who write their own embedders."""

import importlib

# Loaded at first use: the package's own modules import from here without loading these.
_HOMES = {
    "Interval": "sklssl.utils._sklearn_compat",
    "StrOptions": "sklssl.utils._sklearn_compat",
    "check_images": "sklssl._data.arrays",
    "show_versions": "sklssl.utils._versions",
}

__all__ = ["Interval", "StrOptions", "check_images", "show_versions"]


def __getattr__(name):
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'sklssl.utils' has no attribute {name!r}")


def __dir__():
    return __all__
