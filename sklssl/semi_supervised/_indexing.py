"""Embed rows of any kind of X."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import TransformerMixin
from sklearn.utils.validation import check_is_fitted

from sklssl.utils._typing import ImagesLike

__all__ = ["EmbedsRows", "embed_rows"]


def embed_rows(embedder: Any, X: ImagesLike) -> Any:
    """Embed `X` for a classifier, as float64 without feature names.

    In float32 the last digits of a probability would depend on the number of rows that are passed;
    feature names would depend on scikit-learn's global configuration.
    """
    features = embedder.transform(X)
    features = features if issparse(features) else np.asarray(features)
    return features.astype(np.float64) if features.dtype == np.float32 else features


class EmbedsRows(TransformerMixin):
    """Methods and attributes that a meta-estimator delegates to its ``embedder_``."""

    def transform(self, X: ImagesLike) -> np.ndarray:
        """Embed images.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            Images of the shape and range seen in ``fit``.

        Returns
        -------
        X_embedded : array of shape (n, n_features_out)
            Features from the fitted embedder.
        """
        check_is_fitted(self)
        return self.embedder_.transform(X)

    def get_feature_names_out(
        self, input_features: Sequence[str] | np.ndarray | None = None
    ) -> np.ndarray:
        """Return the feature names of the embedder.

        Parameters
        ----------
        input_features : array-like of str, default=None
            The names of the columns of `X`.

        Returns
        -------
        names : ndarray of str
        """
        check_is_fitted(self)
        return self.embedder_.get_feature_names_out(input_features)

    @property
    def n_features_in_(self) -> int:
        """Number of values per row of `X`."""
        return self.embedder_.n_features_in_

    @property
    def feature_names_in_(self) -> np.ndarray:
        """Names of the columns of `X`, if all of them are strings."""
        return self.embedder_.feature_names_in_
