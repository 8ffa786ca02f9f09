"""Measurements: scripts and their results. README.md explains how to run them."""
