"""Estimators as plain values and tensors: what :mod:`sklssl.persistence` is made of."""
