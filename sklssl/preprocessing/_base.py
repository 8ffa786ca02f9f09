"""What the image to image transformers share."""

from abc import ABCMeta, abstractmethod

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from sklssl._data.arrays import check_images, validate_images
from sklssl._storage.attributes import is_positive_int, is_positive_ints
from sklssl.utils._arguments import ChecksArguments
from sklssl.utils._sklearn_compat import _fit_context

__all__ = ["ImageTransformer", "luminance"]

# The first entry is what any other numeric dtype becomes.
DTYPES = (np.float64, np.float32, np.uint8)


# Without auto_wrap_output_keys=None, which every subclass has to repeat, scikit-learn would put
# images into data frames.
class ImageTransformer(
    ChecksArguments,
    TransformerMixin,
    BaseEstimator,
    auto_wrap_output_keys=None,
    metaclass=ABCMeta,
):
    """Images in, images out, in the layout and dtype that came in.

    A subclass says in `_transform` what happens to checked images, and in `_fit` what is learned
    from them.
    """

    _parameter_constraints: dict = {"image_shape": [tuple, list, None]}

    _fitted_attributes = {
        "image_shape_": is_positive_ints(3),
        "n_features_in_": is_positive_int,
    }

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Check the images and remember their shape.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C)
            Images or rows.

        y : None
            Ignored.

        Returns
        -------
        self : object
        """
        self._fit(validate_images(self, X, reset=True, dtype=DTYPES))
        return self

    def transform(self, X):
        """Return the transformed images; `X` stays as it is.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C)
            Images or rows, of the shape that was fitted.

        Returns
        -------
        X_new : ndarray
            In the layout of `X`. uint8, float32 and float64 are kept, any other dtype becomes
            float64.
        """
        check_is_fitted(self)
        self._validate_params()  # which may have changed since fit
        # First, since wrong names of columns explain what else is wrong.
        images = validate_images(self, X, reset=False, dtype=DTYPES)
        ndim = check_images(X, estimator=self, dtype=DTYPES).ndim
        images = self._transform(images)
        if ndim == 2:
            # Rows that were padded to fold into an image are cropped again.
            return images.reshape(len(images), -1)[:, : self._n_features_out]
        return images[..., 0] if ndim == 3 else images

    def set_output(self, *, transform=None):
        """Do nothing: images are no table, so the output is always an array.

        Parameters
        ----------
        transform : object, default=None
            Ignored. Here so that a pipeline of which this is a step can be asked for data frames.

        Returns
        -------
        self : object
        """
        return self

    def _fit(self, images):
        """Learn from images (n, H, W, C); most transformers have nothing to learn."""

    @abstractmethod
    def _transform(self, images):
        """Turn images (n, H, W, C) into new ones of the same dtype; the old ones stay."""

    @property
    def _n_features_out(self):
        return self.n_features_in_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32", "uint8"]
        return tags


def luminance(image):
    """Give the brightness of an image (H, W, C) as float64 (H, W).

    Three channels are read as red, green and blue and weighted as in ITU-R BT.601; any other
    number of channels is averaged.
    """
    if image.shape[-1] != 3:
        return image.mean(axis=-1, dtype=np.float64)
    red, green, blue = np.moveaxis(image.astype(np.float64), -1, 0)
    return 0.299 * red + 0.587 * green + 0.114 * blue
