"""The fitted embedder from which fine-tuning starts."""

import contextlib
from collections.abc import Iterator
from typing import Any

from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator

from sklssl._data.input import CheckedImages, validate_input
from sklssl._features.estimator import FeatureEstimator
from sklssl.backbones import Backbone
from sklssl.base import BaseEmbedder, Pretext
from sklssl.embedding._heads import Teacher
from sklssl.embedding._untrained import UntrainedEmbedder
from sklssl.exceptions import ImageFileError
from sklssl.utils._typing import ImagesLike

__all__ = ["NetworkEmbedder", "initial_embedder", "read_images", "training_encoder"]


class NetworkEmbedder(UntrainedEmbedder):
    """An embedder without a pretext task: the initial embedder of supervised training.

    ``fit`` builds the network and measures the range and the standardisation of the images. There
    is no ``partial_fit`` and no ``score``.
    """


def initial_embedder(embedder: Any, X: ImagesLike, seed: int, *, owner: object) -> BaseEmbedder:
    """Return a fitted embedder with separate weights.

    Parameters
    ----------
    embedder : embedder, FrozenEstimator, str or callable
        A fitted embedder is used as it is, an unfitted one is cloned and fitted on `X`, and a
        backbone, given by name or as a function, gets random weights.

    X : array-like
        The images with labels, without repeated rows and rows of weight 0: otherwise a weight
        would not be equivalent to repeating the row.

    seed : int
        The seed for the weights of a backbone.

    owner : estimator
        The estimator named in errors.
    """
    who = f"The 'embedder' parameter of {type(owner).__name__}"
    frozen = isinstance(embedder, FrozenEstimator)
    found = embedder.estimator if frozen else embedder
    if not hasattr(embedder, "fit"):
        found = _build(embedder, X, seed, owner=owner)
    if not isinstance(found, FeatureEstimator):
        raise TypeError(
            f"{who} must be an embedder of sklssl, a FrozenEstimator of a fitted one, or a "
            f"backbone as a name or function. Got {embedder!r}."
        )
    if not found.__sklearn_is_fitted__():
        if frozen:
            raise NotFittedError(f"{who} is a FrozenEstimator of an embedder that is not fitted.")
        found = clone(found).fit(X)
    return found._fitted_embedder()._continued()


def _build(backbone: Any, X: ImagesLike, seed: int, *, owner: object) -> NetworkEmbedder:
    """Return an embedder with random weights; errors name the parameter that the user knows."""
    embedder = NetworkEmbedder(backbone, random_state=seed)
    try:
        return embedder.fit(X)
    except ImageFileError:  # which names the file
        raise
    except (ImportError, TypeError, ValueError) as error:
        kinds = (ImportError, TypeError, ValueError)
        kind = next(kind for kind in kinds if isinstance(error, kind))
        text = str(error).removeprefix(f"The 'backbone' parameter of {type(embedder).__name__}: ")
        raise kind(f"The 'embedder' parameter of {type(owner).__name__}: {text}") from error


def read_images(embedder: BaseEmbedder, X: ImagesLike, *, owner: object) -> CheckedImages:
    """Return `X` as images for a fitted embedder; errors name the owner, which the user knows."""
    try:
        return validate_input(embedder, X, reset=False)
    except ImageFileError:  # which names the file
        raise
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{type(owner).__name__} cannot use this X: {error}") from error


@contextlib.contextmanager
def training_encoder(pretext: Pretext) -> Iterator[None]:
    """Let the encoder be trained within the block, even if it is a teacher, like the network.

    The other copies of the network take over its weights: trained further, it would otherwise go
    back to them.
    """
    encoder = pretext.encoder
    before = [weight.requires_grad for weight in encoder.parameters()]
    _let_train(encoder, [weight.requires_grad for weight in pretext.backbone.parameters()])
    yield
    _let_train(encoder, before)
    teachers = [part.module for part in pretext.modules() if isinstance(part, Teacher)]
    for owner in (pretext, *teachers):
        owner.get_submodule("backbone").load_state_dict(encoder.state_dict())


def _let_train(network: Backbone, flags: list[bool]) -> None:
    for weight, flag in zip(network.parameters(), flags, strict=True):
        weight.requires_grad_(flag)
