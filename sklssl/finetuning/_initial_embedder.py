"""The fitted embedder from which fine-tuning starts."""

from typing import Any

from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator

from sklssl.backbones import Backbone
from sklssl.base import BaseEmbedder, Pretext
from sklssl.embedding import MultiScaleEmbedder
from sklssl.utils._typing import ImagesLike

__all__ = ["NetworkEmbedder", "initial_embedder"]


class NetworkEmbedder(BaseEmbedder):
    """An embedder without a pretext task: the initial embedder of supervised training.

    Its parameters are those of :class:`sklssl.RotNetEmbedder`. There is no task, so ``fit`` with
    `max_epochs` above 0 raises an error.
    """

    def _make_pretext(self, backbone: Backbone) -> Pretext:
        return Pretext(backbone)


def initial_embedder(embedder: Any, X: ImagesLike, seed: int, *, owner: object) -> BaseEmbedder:
    """Return a fitted embedder with separate weights.

    Parameters
    ----------
    embedder : embedder, FrozenEstimator, str or callable
        A fitted embedder is used as it is, an unfitted one is cloned and fitted on `X`, and a
        backbone, given by name or as a function, gets random weights.

    X : array-like
        All images.

    seed : int
        The seed for the weights of a backbone.

    owner : estimator
        The estimator named in errors.
    """
    who = f"The 'embedder' parameter of {type(owner).__name__}"
    frozen = isinstance(embedder, FrozenEstimator)
    found = embedder.estimator if frozen else embedder
    if not hasattr(found, "fit"):
        found = NetworkEmbedder(found, max_epochs=0, random_state=seed)
    if not isinstance(found, BaseEmbedder | MultiScaleEmbedder):
        raise TypeError(
            f"{who} must be an embedder of sklssl, a FrozenEstimator of a fitted one, or a "
            f"backbone as a name or function. Got {embedder!r}."
        )
    if not found.__sklearn_is_fitted__():
        if frozen:
            raise NotFittedError(f"{who} is a FrozenEstimator of an embedder that is not fitted.")
        found = clone(found).fit(X)
    found = found.estimator_ if isinstance(found, MultiScaleEmbedder) else found
    return found._continued()
