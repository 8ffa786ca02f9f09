"""Losses as pure functions of tensors, without weights, state or device."""

from sklssl.losses._contrastive import contrastive_accuracy, nt_xent, nt_xent_to_mean
from sklssl.losses._infomax import local_infomax
from sklssl.losses._instance import instance_nce, nce_normaliser, update_bank
from sklssl.losses._many_views import coding_rate, gaussian_distance, similarity_to_mean
from sklssl.losses._prediction import negative_cosine
from sklssl.losses._prototypes import sinkhorn, soft_cross_entropy
from sklssl.losses._queue import info_nce
from sklssl.losses._redundancy import barlow_twins, vicreg
from sklssl.losses._rotation import rotation_invariance

__all__ = [
    "barlow_twins",
    "coding_rate",
    "contrastive_accuracy",
    "gaussian_distance",
    "info_nce",
    "instance_nce",
    "local_infomax",
    "nce_normaliser",
    "negative_cosine",
    "nt_xent",
    "nt_xent_to_mean",
    "rotation_invariance",
    "similarity_to_mean",
    "sinkhorn",
    "soft_cross_entropy",
    "update_bank",
    "vicreg",
]
