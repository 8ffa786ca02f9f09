"""Tools for those who write their own embedders."""

from sklssl._augment import RandomViews
from sklssl.utils._images import check_images
from sklssl.utils._versions import show_versions

__all__ = ["RandomViews", "check_images", "show_versions"]
