"""Estimators in files that hold no code, and features in as many files as they need."""

from sklssl.persistence._embed_to_files import embed_to_files
from sklssl.persistence._save import load, save

__all__ = ["embed_to_files", "load", "save"]
