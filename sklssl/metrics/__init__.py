"""Scores of features, most of them without labels, as functions and as scorers."""

from sklssl.metrics._hypersphere import alignment_score, uniformity_score
from sklssl.metrics._neighbors import knn_score
from sklssl.metrics._scorers import (
    alignment_scorer,
    dead_feature_scorer,
    effective_rank_scorer,
    knn_scorer,
    rankme_scorer,
    uniformity_scorer,
)
from sklssl.metrics._spectrum import dead_feature_share, effective_rank, rankme_score

__all__ = [
    "alignment_score",
    "alignment_scorer",
    "dead_feature_scorer",
    "dead_feature_share",
    "effective_rank",
    "effective_rank_scorer",
    "knn_score",
    "knn_scorer",
    "rankme_score",
    "rankme_scorer",
    "uniformity_score",
    "uniformity_scorer",
]
