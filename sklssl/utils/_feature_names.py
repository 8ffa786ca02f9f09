"""Names of features that do not depend on the columns of X."""

from collections.abc import Sequence

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin

__all__ = ["NumberedFeatures"]


class NumberedFeatures(ClassNamePrefixFeaturesOutMixin):
    """Mixin for estimators whose features have the name of the class and a number."""

    n_features_in_: int

    def get_feature_names_out(
        self, input_features: Sequence[str] | np.ndarray | None = None
    ) -> np.ndarray:
        """Return the names of the features: the class name in lower case, and a number.

        Parameters
        ----------
        input_features : array-like of str, default=None
            The column names of `X`; for files or pictures, the name of their column.

        Returns
        -------
        names : ndarray of str
        """
        one = input_features is not None and len(input_features) == 1 != self.n_features_in_
        return super().get_feature_names_out(None if one else input_features)
