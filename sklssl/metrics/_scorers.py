"""The scores as scorers for scikit-learn's ``scoring=``, called with an estimator and images."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted

from sklssl.utils._typing import ImagesLike

__all__ = ["embed_views", "make_scorer"]

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


def _embed(name: str, estimator: Any, X: ImagesLike) -> tuple[np.ndarray]:
    """Return the features of `X` as the arguments of a score."""
    _check_has_transform(name, estimator)
    return (estimator.transform(X),)


def embed_views(name: str, estimator: Any, X: ImagesLike) -> tuple[np.ndarray, np.ndarray]:
    """Return the features of two random views of each image."""
    _check_has_transform(name, estimator)
    from sklssl.metrics._views import embed_two_views  # imports torch

    return embed_two_views(name, estimator, X)


def _check_has_transform(name: str, estimator: Any) -> None:
    if not hasattr(estimator, "transform"):
        raise ValueError(
            f"The 'estimator' argument of {name} must have a transform that returns features, such "
            "as a fitted embedder or a Pipeline that ends in one. Got "
            f"{type(estimator).__name__}, which has none; of a Pipeline with a classifier, score "
            "the part before it: pipeline[:-1]."
        )
    check_is_fitted(estimator)


def make_scorer(
    name: str,
    function: Callable[..., float],
    *,
    embed: Callable[..., tuple[np.ndarray, ...]] = _embed,
    sign: int = 1,
    labelled: bool = False,
    **words: str,
) -> Callable[..., float]:
    """Make a scorer from a score, in the file of that score, where pickle finds it by name.

    Parameters
    ----------
    name : str
        What it is called in the file.

    function : callable
        The score.

    embed : callable
        ``embed(name, estimator, X)`` gives the arguments of the score.

    sign : {1, -1}
        -1 where a high score is bad.

    labelled : bool
        Whether the score takes labels.

    words : str
        `summary`, the end of the line that starts with "Scorer:", and `holds`, what the example
        shows of the scorer's result; `notes` for more.

    Returns
    -------
    scorer : callable
        With a docstring.
    """

    def scorer(estimator: Any, X: ImagesLike, y: npt.ArrayLike | None = None) -> float:
        features = embed(name, estimator, X)
        return sign * float(function(*features, y) if labelled else function(*features))

    scorer.__name__ = scorer.__qualname__ = name
    scorer.__module__ = function.__module__  # where pickle finds it
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
