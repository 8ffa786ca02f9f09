"""Decide about images by their features: doubles, leaks, neighbours, what to label next."""

__all__: list[str] = []
