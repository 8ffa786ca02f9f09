"""What is compared: baselines, the default embedders, and those that a user gives."""

from collections import Counter

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from sklssl._data.decode import resize_image
from sklssl._data.input import validate_input
from sklssl.embedding import PatchDictionaryEmbedder, RotNetEmbedder

__all__ = ["PIXELS", "UNTRAINED", "RawPixels", "make_candidates"]

PIXELS, UNTRAINED = "raw pixels", "untrained network"
# More pixels a side make the probe slow and hardly better.
_MAX_SIDE = 64
_MAX_NAME = 50


class RawPixels(TransformerMixin, BaseEstimator):
    """The pixels of an image as its features, shrunk to at most 64 a side."""

    cache_dir, on_error = None, "raise"  # what validate_input asks an embedder for

    def __init__(self, *, image_size=None, image_shape=None):
        self.image_size = image_size
        self.image_shape = image_shape

    def fit(self, X, y=None):
        """Note the shape of the images."""
        validate_input(self, X, reset=True)
        return self

    def transform(self, X):
        """Give one row of pixels for each image."""
        images = validate_input(self, X, reset=False)
        sides = images.shape[1:3] if self.image_size is None else (self.image_size,) * 2
        sides = tuple(min(side, _MAX_SIDE) for side in sides)
        if sides != images.shape[1:3]:
            images = np.stack([resize_image(images[i], sides) for i in range(len(images))])
        return images[:].reshape(len(images), -1).astype(np.float32)


def _baselines(settings):
    """Give what needs no training, by name."""
    return {
        PIXELS: RawPixels(**settings),
        UNTRAINED: RotNetEmbedder("convnet", max_epochs=0, **settings),
    }


def _defaults(settings):
    """Give what is compared with the baselines where the user names nothing."""
    return {
        "PatchDictionaryEmbedder()": PatchDictionaryEmbedder(**settings),
        "RotNetEmbedder()": RotNetEmbedder(**settings),
    }


def make_candidates(embedders, baselines, settings, rng):
    """Collect what is compared, cloned and with seeds.

    Parameters
    ----------
    embedders : None, estimator, list of estimator or of (name, estimator), or dict
        What the user gave.

    baselines : bool
        Whether baselines are put first.

    settings : dict
        The `image_size` and `image_shape` of the baselines and the default embedders.

    rng : RandomState
        Gives a seed to each of them that has none.

    Returns
    -------
    candidates : dict of str to estimator

    Raises
    ------
    TypeError
        If something among them cannot embed.
    ValueError
        If there is none, or two of one name.
    """
    first = _baselines(settings) if baselines else {}
    given = _defaults(settings) if embedders is None else _read(embedders)
    both = sorted(first.keys() & given.keys())
    if both:
        raise ValueError(
            f"The 'embedders' argument of compare_embedders must not use the name {both[0]!r} of a "
            "baseline. Choose another name, or set baselines=False."
        )
    return {name: _seeded(clone(e), rng) for name, e in (first | given).items()}


def _read(embedders):
    """Give the user's embedders by name, whichever way they came."""
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


def _check_embedder(name, embedder):
    usable = hasattr(embedder, "fit") and hasattr(embedder, "transform")
    if not usable or isinstance(embedder, type):
        hint = "; of a class give an instance" if isinstance(embedder, type) else ""
        raise TypeError(
            "The 'embedders' argument of compare_embedders must hold embedders, or other "
            f"transformers with fit and transform. Got {embedder!r}{hint}."
        )
    if isinstance(embedder, FrozenEstimator):
        check_is_fitted(embedder)
    if name is not None and not (isinstance(name, str) and name):
        raise TypeError(
            "The 'embedders' argument of compare_embedders must name embedders by strings. Got "
            f"{name!r}."
        )


def _make_names(named):
    """Name the embedders without a name by what makes them; number those that are alike."""
    names = [name or _describe(embedder) for name, embedder in named]
    counts, seen = Counter(names), Counter()
    for i, (name, _) in enumerate(named):
        if counts[names[i]] == 1:
            continue
        if name is not None:
            raise ValueError(
                f"The 'embedders' argument of compare_embedders has the name {name!r} "
                f"{counts[name]} times. Give each embedder a name of its own."
            )
        seen[names[i]] += 1
        names[i] = f"{names[i]} #{seen[names[i]]}"
    return names


def _describe(embedder):
    text = " ".join(repr(embedder).split())
    return text if len(text) <= _MAX_NAME else type(embedder).__name__


def _seeded(embedder, rng):
    """Give a seed to every `random_state` of `embedder`, also a nested one, that is None."""
    for name, value in sorted(embedder.get_params(deep=True).items()):
        if value is None and name.split("__")[-1] == "random_state":
            embedder.set_params(**{name: int(rng.randint(np.iinfo(np.int32).max))})
    return embedder
