"""Decide about images by their features: doubles, leaks, neighbours, what to label next."""

from sklssl.curation._leaks import find_leaks
from sklssl.curation._near_duplicates import find_near_duplicates
from sklssl.curation._neighbors import kneighbors

__all__ = ["find_leaks", "find_near_duplicates", "kneighbors"]
