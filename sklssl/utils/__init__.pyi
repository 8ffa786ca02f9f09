"""Utilities for writing embedders."""

from sklssl._data.arrays import check_images as check_images
from sklssl.utils._sklearn_compat import Interval as Interval
from sklssl.utils._sklearn_compat import StrOptions as StrOptions
from sklssl.utils._versions import show_versions as show_versions

__all__: list[str]
_PUBLIC_NAMES: dict[str, str]
