"""Whitening of the features of any embedder by random views of the images.

Hatch, Kajarekar, Stolcke. Within-Class Covariance Normalization for SVM-based Speaker Recognition.
Interspeech 2006. Hariharan, Malik, Ramanan. Discriminative Decorrelation for Clustering and
Classification. ECCV 2012.
"""

from dataclasses import replace
from numbers import Real
from typing import Any, NoReturn, Self

import numpy as np
import torch
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_random_state

from sklssl._data.input import decode_files, select_rows, validate_input
from sklssl._features.extractor import FeatureExtractor, make_extractor
from sklssl._features.whitening import Whitening, WhiteningModule, find_whitening
from sklssl._runtime.device import plain_torch
from sklssl._storage.attributes import is_matrix, is_numbers
from sklssl.augmentation import RandomViews
from sklssl.base import BaseEmbedder
from sklssl.embedding._multiscale import MultiScaleEmbedder
from sklssl.embedding._patch_dictionary import PatchDictionaryEmbedder
from sklssl.embedding._wrapper import EmbedderWrapper
from sklssl.utils._checks import naming_parameter
from sklssl.utils._sklearn_compat import Interval, _fit_context
from sklssl.utils._typing import ImagesLike

__all__ = ["ViewWhiteningEmbedder"]

_MOST_IMAGES = 750  # with twice as many, neighbours are hardly better
_N_VIEWS = 4
_MOST_VALUES = 2**27  # features of views in memory: 512 MiB


class ViewWhiteningEmbedder(EmbedderWrapper):
    """Make the features of an embedder insensitive to crops, light and colour.

    Random views of some images are embedded: slightly smaller crops with other brightness,
    contrast and colours. The directions in which the features of the views of one image differ say
    little about what it shows, and ``transform`` shrinks them. This is a linear discriminant
    analysis in which each image is a class. There are as many features as before, standardised and
    with a variance of 1 on average. No labels are needed, nothing is trained, and it takes about as
    long as to embed four thousand images.

    Nearest neighbours and clusters of such features agree with classes much more often, and linear
    classifiers need fewer labels; with many labels they hardly differ.

    Parameters
    ----------
    estimator : embedder, default=None
        The embedder whose features are whitened. It is cloned and fitted; a fitted one in a
        ``FrozenEstimator`` is used as it is. None means ``PatchDictionaryEmbedder()``.

    crop_scale : tuple of (float, float), default=(0.8, 1.0)
        The smallest and the largest proportion of an image's area that a view shows. ``(1.0, 1.0)``
        for whole images.

    jitter_strength : float, default=0.5
        The strength of the changes in brightness, contrast, saturation and hue, in [0, 1]; 0 for
        none. Lower it if brightness or colour alone distinguish the images.

    shrinkage : float, default=0.7
        Between 0 (excluded) and 1: how far the covariance of the views is shrunk towards a multiple
        of the identity. With 1, features are only standardised.

    random_state : int, RandomState or None, default=None
        Seed of the views, and of the default embedder. None draws a new seed in each ``fit``.

    Attributes
    ----------
    mean_, scale_ : ndarray of shape (n_features_out,)
        Subtracted from the features, and divided by.

    components_ : ndarray of shape (n_components, n_features_out)
        The directions that are shrunk, at most 256.

    gains_ : ndarray of shape (n_components,)
        The factor of each direction.

    See Also
    --------
    sklearn.discriminant_analysis.LinearDiscriminantAnalysis : The same with classes from labels.

    Notes
    -----
    The views come from at most 750 of the images, evenly spaced. ``layer``, ``pool_size`` and
    ``symmetry`` of the embedder must not change after ``fit``, and ``warm_start`` of it has no
    effect here: to train it further, do so, and whiten a ``FrozenEstimator`` of it. In images whose
    number of channels is not 3, views differ in the brightness and the contrast of each channel.

    References
    ----------
    Hatch, Kajarekar, Stolcke. Within-Class Covariance Normalization for SVM-based Speaker
    Recognition. Interspeech 2006.

    Hariharan, Malik, Ramanan. Discriminative Decorrelation for Clustering and Classification. ECCV
    2012.

    Examples
    --------
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklssl import ViewWhiteningEmbedder
    >>> from sklssl.datasets import load_digit_images
    >>> X, y = load_digit_images(return_X_y=True)
    >>> embedder = ViewWhiteningEmbedder(random_state=0)
    >>> neighbors = make_pipeline(embedder, KNeighborsClassifier(metric="cosine"))
    >>> neighbors.fit(X[:500], y[:500]).score(X[500:], y[500:]) > 0.9
    True
    """

    _parameter_constraints = {
        "estimator": [BaseEmbedder, MultiScaleEmbedder, FrozenEstimator, None],
        "crop_scale": ["array-like"],
        "jitter_strength": [Interval(Real, 0, 1, closed="both")],
        "shrinkage": [Interval(Real, 0, 1, closed="right")],
        "random_state": ["random_state"],
    }

    _fitted_attributes = {
        "mean_": is_numbers,
        "scale_": is_numbers,
        "components_": is_matrix,
        "gains_": is_numbers,
    }

    mean_: np.ndarray
    scale_: np.ndarray
    components_: np.ndarray
    gains_: np.ndarray

    def __init__(
        self,
        estimator: Any = None,
        *,
        crop_scale: tuple[float, float] = (0.8, 1.0),
        jitter_strength: float = 0.5,
        shrinkage: float = 0.7,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.crop_scale = crop_scale
        self.jitter_strength = jitter_strength
        self.shrinkage = shrinkage
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: ImagesLike, y: object = None) -> Self:
        """Fit the embedder, and find how its features depend on the view.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            At least two images: uint8, or floats of any range.

        y : None
            Ignored.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If a parameter or `X` is invalid.
        """
        with naming_parameter(self, "crop_scale"):
            views = RandomViews(self.crop_scale, False, self.jitter_strength, blur=False)
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        fitted = self._fit_estimator(X, y, seed)
        whitening = self._find_whitening(fitted, X, views, seed)
        learned = {f"{name}_": value for name, value in whitening._asdict().items()}
        self.__dict__ |= {"estimator_": fitted, **learned}  # all at once
        return self

    def _unfitted_embedder(self) -> Any:
        return PatchDictionaryEmbedder() if self.estimator is None else self.estimator

    def _fit_estimator(self, X: ImagesLike, y: object, seed: int) -> BaseEmbedder:
        """Return a fitted embedder; of one with several scales, the embedder that it trained."""
        if isinstance(self.estimator, FrozenEstimator):
            found = self.estimator.estimator
            if not isinstance(found, BaseEmbedder | MultiScaleEmbedder):
                raise TypeError(
                    "The 'estimator' parameter of ViewWhiteningEmbedder must be an embedder, or a "
                    f"FrozenEstimator of one. Got a FrozenEstimator of {found!r}."
                )
        else:
            embedder = clone(self._unfitted_embedder())
            if self.estimator is None:
                embedder.set_params(random_state=seed)
            found = embedder.fit(X, y)
        return found._fitted_embedder()

    @plain_torch()
    def _find_whitening(
        self, fitted: BaseEmbedder, X: ImagesLike, views: RandomViews, seed: int
    ) -> Whitening:
        extractor = make_extractor(fitted)
        images = validate_input(fitted, X, reset=False, min_samples=2)
        most = max(_MOST_VALUES // ((_N_VIEWS + 1) * extractor.n_features), 2)
        rows = np.linspace(0, len(images) - 1, min(len(images), _MOST_IMAGES, most), dtype=np.intp)
        some = select_rows(images, rows)
        decode_files(fitted, some, min_samples=2)
        rng = torch.Generator(extractor.to_tensor.device).manual_seed(seed)
        changed = [extractor.embed(some, lambda batch: views(batch, rng)) for _ in range(_N_VIEWS)]
        return find_whitening(extractor.embed(some), np.stack(changed), self.shrinkage, seed)

    def _extractor(self) -> FeatureExtractor:
        extractor = super()._extractor()
        if not extractor.n_features == len(self.mean_) == self.components_.shape[1]:
            raise ValueError(
                f"ViewWhiteningEmbedder was fitted on {len(self.mean_)} features, but its embedder "
                f"now has {extractor.n_features}. Fit it again, or set the layer and pool_size of "
                "the embedder back."
            )
        whitening = Whitening(self.mean_, self.scale_, self.components_, self.gains_)
        return replace(extractor, head=WhiteningModule(whitening))

    @property
    def set_layer(self) -> NoReturn:
        """Not available: the features are those that were whitened in ``fit``."""
        raise AttributeError(
            "ViewWhiteningEmbedder has no set_layer, because its features are those of fit. Set "
            "the layer of its estimator, and fit again."
        )
