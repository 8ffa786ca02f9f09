"""Random views of images: numbers are drawn apart from their use."""

from sklssl.augmentation._views import RandomViews

__all__ = ["RandomViews"]
