"""The base of estimators that fit another embedder."""

from typing import Any

from sklearn.base import BaseEstimator
from sklearn.utils import Tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sklssl._features.estimator import FeatureEstimator
from sklssl._parameters.embedders import EMBEDDER_ATTRIBUTES
from sklssl._parameters.sharing import SharesParameters
from sklssl.base import BaseEmbedder, is_fitted_embedder
from sklssl.utils._sklearn_compat import tags_of
from sklssl.utils._typing import ImagesLike

__all__ = ["EmbedderWrapper"]

_DELEGATED = {
    "feature_names_in_",
    "history_",
    "image_shape_",
    "layer_names_",
    "n_epochs_",
    "n_features_in_",
    "pretext_",
    "symmetry_",
    "value_range_",
}


class EmbedderWrapper(SharesParameters, FeatureEstimator, BaseEstimator):
    """An estimator whose ``fit`` fits an embedder, its parameter `estimator`.

    Attributes
    ----------
    estimator_ : embedder
        The fitted embedder; all attributes below are its own.
    """

    _shared_attributes = EMBEDDER_ATTRIBUTES

    estimator_: BaseEmbedder

    _fitted_attributes = {"estimator_": is_fitted_embedder}

    @available_if(lambda self: hasattr(self._unfitted_embedder(), "score"))
    def score(self, X: ImagesLike, y: object = None) -> float:
        """Return how well the pretext task is solved on `X` at full size; higher is better.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            At least two images of the shape and range seen in ``fit``.

        y : None
            Ignored.

        Returns
        -------
        score : float
            That of the fitted embedder: the accuracy of its task, or the negative loss.
        """
        return self._fitted_embedder().score(X)

    def _unfitted_embedder(self) -> Any:
        """Return the embedder that ``fit`` would fit."""
        return self.estimator

    def _fitted_embedder(self) -> BaseEmbedder:
        check_is_fitted(self)
        return self.estimator_

    def __getattr__(self, name: str) -> Any:
        # Fitted attributes belong to the inner estimator and are not stored twice.
        if name in _DELEGATED and "estimator_" in vars(self):
            return getattr(self.estimator_, name)
        return object.__getattribute__(self, name)  # raises the error that led here

    def __sklearn_is_fitted__(self) -> bool:
        return "estimator_" in vars(self)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        inner = tags_of(self._unfitted_embedder(), tags)
        tags.input_tags = inner.input_tags
        tags.transformer_tags = inner.transformer_tags
        return tags
