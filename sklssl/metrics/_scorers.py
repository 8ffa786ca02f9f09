"""The scores as scorers for scikit-learn's ``scoring=``, called with an estimator and images."""

from sklearn.utils.validation import check_is_fitted

from sklssl.metrics._hypersphere import alignment_score, uniformity_score
from sklssl.metrics._neighbors import knn_score
from sklssl.metrics._spectrum import dead_feature_share, effective_rank, rankme_score

__all__ = [
    "alignment_scorer",
    "dead_feature_scorer",
    "effective_rank_scorer",
    "knn_scorer",
    "rankme_scorer",
    "uniformity_scorer",
]

_DOC = """Scorer: {summary}; higher is better.

    Can be passed to scikit-learn as ``scoring=``{labels}.

    Parameters
    ----------
    estimator : fitted embedder, or Pipeline that ends in one
        Any estimator whose ``transform`` returns features.

    X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C)
        Images to embed.

    y : {y}

    Returns
    -------
    score : float
        {sign}:func:`{function}` of the features of `X`.

    Raises
    ------
    NotFittedError
        If `estimator` is not fitted.
    ValueError
        If `estimator` has no ``transform``, or its features cannot be scored.
{notes}
    Examples
    --------
    >>> from sklssl import RotNetEmbedder
    >>> from sklssl.datasets import load_digit_images
    >>> from sklssl.metrics import {name}
    >>> X, y = load_digit_images(return_X_y=True)
    >>> embedder = RotNetEmbedder(max_epochs=0, random_state=0).fit(X[:100])
    >>> {name}(embedder, X[:100]{argument}) {holds}
    True
    """

_VIEW_NOTES = """
    Notes
    -----
    Two views of each image are drawn by :class:`sklssl.augmentation.RandomViews` with default
    parameters and a fixed seed: the same views for every estimator. They have the layout, dtype
    and range of `X`.
    For other views, for example without mirroring for images of text, call :func:`alignment_score`
    on their features. Rows are reshaped to the image shape of the embedder, or of the first step of
    the pipeline with an image shape; steps before it must keep the layout. Constant features have
    perfect alignment, so use another score as well.
"""


def _embed(name, estimator, X):
    """Return the features of `X` as the arguments of a score."""
    _check_embedder(name, estimator)
    return (estimator.transform(X),)


def _embed_views(name, estimator, X):
    """Return the features of two random views of each image."""
    _check_embedder(name, estimator)
    from sklssl.metrics._views import embed_two_views  # imports torch

    return embed_two_views(name, estimator, X)


def _check_embedder(name, estimator):
    if not hasattr(estimator, "transform"):
        raise ValueError(
            f"The 'estimator' argument of {name} must have a transform that returns features, such "
            "as a fitted embedder or a Pipeline that ends in one. Got "
            f"{type(estimator).__name__}, which has none; of a Pipeline with a classifier, score "
            "the part before it: pipeline[:-1]."
        )
    check_is_fitted(estimator)


def _make_scorer(name, function, *, embed=_embed, sign=1, labelled=False, **words):
    """Make a scorer from a score: a function that can be pickled by name."""

    def scorer(estimator, X, y=None):
        features = embed(name, estimator, X)
        return sign * float(function(*features, y) if labelled else function(*features))

    scorer.__name__ = scorer.__qualname__ = name
    scorer.__doc__ = _DOC.format(
        name=name,
        function=function.__name__,
        sign="Minus the " if sign < 0 else "The ",
        labels=", with labels" if labelled else ", with or without labels",
        y="array-like of shape (n,)\n        Labels." if labelled else "None\n        Ignored.",
        argument=", y[:100]" if labelled else "",
        notes=words.pop("notes", ""),
        **words,
    )
    return scorer


rankme_scorer = _make_scorer(
    "rankme_scorer", rankme_score, summary="RankMe, the number of directions in use", holds="> 1"
)
effective_rank_scorer = _make_scorer(
    "effective_rank_scorer",
    effective_rank,
    summary="the effective rank of the features' covariance",
    holds="> 1",
)
uniformity_scorer = _make_scorer(
    "uniformity_scorer",
    uniformity_score,
    summary="how evenly the directions of the features are distributed",
    holds="> 0",
)
alignment_scorer = _make_scorer(
    "alignment_scorer",
    alignment_score,
    embed=_embed_views,
    summary="how close the features of two random views of an image are",
    notes=_VIEW_NOTES,
    holds="<= 0",
)
dead_feature_scorer = _make_scorer(
    "dead_feature_scorer",
    dead_feature_share,
    sign=-1,
    summary="the negative share of features that do not vary",
    holds="<= 0",
)
knn_scorer = _make_scorer(
    "knn_scorer",
    knn_score,
    labelled=True,
    summary="leave-one-out accuracy of the 20 nearest neighbours",
    holds="> 0.5",
)
