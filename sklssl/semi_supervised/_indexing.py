"""Some rows of whatever the user calls X, and their features."""

import numpy as np
from scipy.sparse import issparse
from sklearn.base import TransformerMixin
from sklearn.utils.validation import check_is_fitted

__all__ = ["EmbedsRows", "embed_rows", "take_rows"]


def take_rows(X, rows):
    """Give the `rows` (indices) of an array, a sparse matrix, a data frame or a list."""
    if hasattr(X, "iloc"):
        return X.iloc[rows]
    if hasattr(X, "tocsr"):  # not every sparse format can be indexed
        return X.tocsr()[rows]
    if isinstance(X, (list, tuple)):  # which may hold pictures, one not to be taken apart
        return [X[row] for row in rows]
    return X[rows] if hasattr(X, "shape") else np.asarray(X)[rows]


def embed_rows(embedder, X):
    """Embed `X` for a classifier: in float64 and without names.

    In float32 the last digits of a probability would depend on how many rows are asked for at
    once; names of features would depend on scikit-learn's global settings.
    """
    features = embedder.transform(X)
    features = features if issparse(features) else np.asarray(features)
    return features.astype(np.float64) if features.dtype == np.float32 else features


class EmbedsRows(TransformerMixin):
    """What a meta-estimator with an ``embedder_`` has from it."""

    def transform(self, X):
        """Embed images.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            Images of the shape and range seen in ``fit``.

        Returns
        -------
        X_embedded : array of shape (n, n_features_out)
            What the fitted embedder makes of `X`.
        """
        check_is_fitted(self)
        return self.embedder_.transform(X)

    def get_feature_names_out(self, input_features=None):
        """Give the names of the features, those of the embedder.

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
    def n_features_in_(self):
        """The number of values in a row of `X`."""
        return self.embedder_.n_features_in_

    @property
    def feature_names_in_(self):
        """The names of the columns, when `X` had any that are strings."""
        return self.embedder_.feature_names_in_
