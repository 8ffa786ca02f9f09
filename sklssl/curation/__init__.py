"""Decide about images by their features: doubles, leaks, neighbours, what to label next."""

from sklssl.curation._select_to_label import select_to_label

__all__ = ["select_to_label"]
