"""The fitted embedder from which fine-tuning starts."""

from typing import Any

from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator

from sklssl.backbones import Backbone
from sklssl.base import BaseEmbedder, Pretext, parameters
from sklssl.embedding import MultiScaleEmbedder
from sklssl.utils._typing import ImagesLike

__all__ = ["NetworkEmbedder", "initial_embedder"]


@parameters(max_epochs=0)
class NetworkEmbedder(BaseEmbedder):
    """An embedder without a pretext task: the initial embedder of supervised training.

    Its parameters are those of :class:`sklssl.RotNetEmbedder`, with ``max_epochs=0``: there is no
    task, so ``fit`` with more epochs raises an error.
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
        found = NetworkEmbedder(found, random_state=seed)
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
    copied = found._continued()
    _let_train(copied.pretext_)
    return copied


def _let_train(pretext: Pretext) -> None:
    """Let the weights of the encoder be trained, even if it is a teacher, as the network's are."""
    pairs = zip(pretext.encoder.parameters(), pretext.backbone.parameters(), strict=True)
    for weight, trained in pairs:
        weight.requires_grad_(trained.requires_grad)
