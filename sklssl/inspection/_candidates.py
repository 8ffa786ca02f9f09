"""Candidates of a comparison: baselines, default embedders and those of the user."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from sklssl._data.decode import resize_image
from sklssl._data.input import validate_input
from sklssl._storage.attributes import is_positive_int, is_positive_ints
from sklssl.embedding import PatchDictionaryEmbedder, RotNetEmbedder, ViewWhiteningEmbedder
from sklssl.finetuning import NetworkEmbedder
from sklssl.utils._typing import ImagesLike

__all__ = ["PIXELS", "UNTRAINED", "RawPixels", "make_candidates"]

PIXELS, UNTRAINED = "raw pixels", "untrained network"
# Larger images make the probe slow and hardly better.
_MAX_SIDE = 64
_MAX_NAME = 50


class RawPixels(TransformerMixin, BaseEstimator):
    """Use the pixels of an image as features, after shrinking it to at most 64x64."""

    cache_dir, on_error = None, "raise"  # read by validate_input

    _fitted_attributes = {"image_shape_": is_positive_ints(3), "n_features_in_": is_positive_int}

    def __init__(
        self, *, image_size: int | None = None, image_shape: Sequence[int] | None = None
    ) -> None:
        self.image_size = image_size
        self.image_shape = image_shape

    def fit(self, X: ImagesLike, y: object = None) -> Self:
        """Remember the shape of the images."""
        validate_input(self, X, reset=True)
        return self

    def transform(self, X: ImagesLike) -> np.ndarray:
        """Return one row of pixels per image."""
        images = validate_input(self, X, reset=False)
        sides = images.shape[1:3] if self.image_size is None else (self.image_size,) * 2
        sides = tuple(min(side, _MAX_SIDE) for side in sides)
        if sides != images.shape[1:3]:
            images = np.stack([resize_image(images[i], sides) for i in range(len(images))])
        return images[:].reshape(len(images), -1).astype(np.float32)


def make_candidates(
    embedders: Any, baselines: bool, settings: dict[str, Any], rng: np.random.RandomState
) -> dict[str, Any]:
    """Collect the candidates, cloned and seeded.

    Parameters
    ----------
    embedders : None, estimator, list of estimator or of (name, estimator), or dict
        The embedders passed by the user.

    baselines : bool
        Whether to add the baselines, before the others.

    settings : dict
        The `image_size` and `image_shape` of the baselines and the default embedders.

    rng : RandomState
        Draws a seed for each estimator without one.

    Returns
    -------
    candidates : dict of str to estimator

    Raises
    ------
    TypeError
        If an element is not a transformer.
    ValueError
        If there are no embedders, or two with the same name.
    """
    first: dict[str, Any] = {}
    if baselines:
        first[PIXELS] = RawPixels(**settings)
        first[UNTRAINED] = NetworkEmbedder("convnet", **settings)
    if embedders is None:
        embedders = {
            "PatchDictionaryEmbedder()": PatchDictionaryEmbedder(**settings),
            "ViewWhiteningEmbedder()": ViewWhiteningEmbedder(PatchDictionaryEmbedder(**settings)),
            "RotNetEmbedder()": RotNetEmbedder(**settings),
        }
    given = _named_embedders(embedders)
    both = sorted(first.keys() & given.keys())
    if both:
        raise ValueError(
            f"The 'embedders' argument of compare_embedders must not use {both[0]!r}, the name of "
            "a baseline. Choose another name, or set baselines=False."
        )
    return {name: _set_seeds(clone(e), rng) for name, e in (first | given).items()}


def _named_embedders(embedders: Any) -> dict[str, Any]:
    """Return the user's embedders by name, in whichever form they were passed."""
    given = [embedders] if hasattr(embedders, "fit") else embedders
    given = list(given.items()) if isinstance(given, dict) else given
    if not isinstance(given, (list, tuple)) or not given:
        raise ValueError(
            "The 'embedders' argument of compare_embedders must be a list of embedders, a list of "
            f"(name, embedder), a dict of them, or None for the default ones. Got {embedders!r}."
        )
    named = [e if isinstance(e, tuple) and len(e) == 2 else (None, e) for e in given]
    for name, embedder in named:
        _check_embedder(name, embedder)
    names = _make_names(named)
    return {name: embedder for name, (_, embedder) in zip(names, named, strict=True)}


def _check_embedder(name: object, embedder: object) -> None:
    usable = hasattr(embedder, "fit") and hasattr(embedder, "transform")
    if not usable or isinstance(embedder, type):
        hint = ", a class: pass an instance of it" if isinstance(embedder, type) else ""
        raise TypeError(
            "The 'embedders' argument of compare_embedders must contain embedders, or other "
            f"transformers with fit and transform. Got {embedder!r}{hint}."
        )
    if isinstance(embedder, FrozenEstimator):
        check_is_fitted(embedder)
    if name is not None and not (isinstance(name, str) and name):
        raise TypeError(
            "The 'embedders' argument of compare_embedders must use strings as names. Got "
            f"{name!r}."
        )


def _make_names(named: list[tuple[str | None, Any]]) -> list[str]:
    """Name embedders without a name by their repr; number those with the same one."""
    names = [name or _short_repr(embedder) for name, embedder in named]
    unnamed = [i for i, (name, _) in enumerate(named) if name is None]
    counts = Counter(names[i] for i in unnamed)
    seen: Counter[str] = Counter()
    for i in unnamed:
        if counts[names[i]] > 1:
            seen[names[i]] += 1
            names[i] = f"{names[i]} #{seen[names[i]]}"
    ((most, count),) = Counter(names).most_common(1)
    if count > 1:
        raise ValueError(
            f"The 'embedders' argument of compare_embedders has the name {most!r} {count} times. "
            "Give each embedder a different name."
        )
    return names


def _short_repr(embedder: object) -> str:
    text = " ".join(repr(embedder).split())
    return text if len(text) <= _MAX_NAME else type(embedder).__name__


def _set_seeds(embedder: Any, rng: np.random.RandomState) -> Any:
    """Set every `random_state` of `embedder` that is None, including nested ones."""
    for name, value in sorted(embedder.get_params(deep=True).items()):
        if value is None and name.split("__")[-1] == "random_state":
            embedder.set_params(**{name: int(rng.randint(np.iinfo(np.int32).max))})
    return embedder
