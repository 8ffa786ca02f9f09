"""Callbacks that monitor a training run and can stop it early."""

from sklssl.callbacks._early_stopping import EarlyStopping
from sklssl.callbacks._probe_monitor import ProbeMonitor

__all__ = ["EarlyStopping", "ProbeMonitor"]
