"""Watching a training, and ending it in time."""

from sklssl.callbacks._early_stopping import EarlyStopping
from sklssl.callbacks._probe_monitor import ProbeMonitor

__all__ = ["EarlyStopping", "ProbeMonitor"]
