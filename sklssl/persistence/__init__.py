"""Estimators in files that hold no code."""

from sklssl.persistence._save import load, save

__all__ = ["load", "save"]
