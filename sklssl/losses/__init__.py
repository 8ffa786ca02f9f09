"""Losses as pure functions of tensors, without weights, state or device."""

from sklssl.losses._contrastive import contrastive_accuracy, nt_xent, nt_xent_to_mean
from sklssl.losses._instance import instance_nce, nce_normaliser, update_bank
from sklssl.losses._rotation import rotation_invariance

__all__ = [
    "contrastive_accuracy",
    "instance_nce",
    "nce_normaliser",
    "nt_xent",
    "nt_xent_to_mean",
    "rotation_invariance",
    "update_bank",
]
