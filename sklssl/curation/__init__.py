"""Decide about images by their features: duplicates, leaks, neighbours, what to label next."""

from sklssl.curation._leaks import find_leaks
from sklssl.curation._near_duplicates import find_near_duplicates
from sklssl.curation._neighbors import kneighbors
from sklssl.curation._select_to_label import select_to_label

__all__ = ["find_leaks", "find_near_duplicates", "kneighbors", "select_to_label"]
