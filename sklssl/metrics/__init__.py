"""Scores of features, most of them without labels, as functions and as scorers."""

from sklssl.metrics._hypersphere import (
    alignment_score,
    alignment_scorer,
    uniformity_score,
    uniformity_scorer,
)
from sklssl.metrics._neighbors import knn_score, knn_scorer
from sklssl.metrics._spectrum import (
    dead_feature_scorer,
    dead_feature_share,
    effective_rank,
    effective_rank_scorer,
    rankme_score,
    rankme_scorer,
)

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
