"""Conversion of X, in any form users pass it, to batches of images on a device."""
