"""Base class of transformers from images to images."""

from abc import ABCMeta, abstractmethod
from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from sklssl._data.arrays import check_images, validate_images
from sklssl._storage.attributes import is_positive_int, is_positive_ints
from sklssl.utils._arguments import ChecksArguments
from sklssl.utils._sklearn_compat import _fit_context
from sklssl.utils._typing import ImagesLike

__all__ = ["ImageTransformer", "luminance"]

# Other numeric dtypes are converted to the first entry.
DTYPES = (np.float64, np.float32, np.uint8)


# Without auto_wrap_output_keys=None, which every subclass must repeat, scikit-learn would convert
# images to data frames.
class ImageTransformer(  # type: ignore[call-arg]
    ChecksArguments,
    TransformerMixin,
    BaseEstimator,
    auto_wrap_output_keys=None,
    metaclass=ABCMeta,
):
    """Transform images to images of the same layout and dtype.

    A subclass implements `_transform`, which gets checked images, and optionally `_fit`.
    """

    _parameter_constraints: dict = {"image_shape": [tuple, list, None]}

    _fitted_attributes = {
        "image_shape_": is_positive_ints(3),
        "n_features_in_": is_positive_int,
    }

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ImagesLike, y: object = None) -> Self:
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

    def transform(self, X: ImagesLike) -> np.ndarray:
        """Return the transformed images; `X` is not modified.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C)
            Images or rows, of the shape seen in ``fit``. :class:`ImageResizer` takes images of any
            height and width, also lists of PIL images, or of arrays of different sizes.

        Returns
        -------
        X_new : ndarray
            The images, in the layout of `X`. uint8, float32 and float64 are kept, other dtypes
            become float64.
        """
        check_is_fitted(self)
        self._validate_params()  # parameters may have changed since fit
        images, ndim = self._check_like_fitted(X)
        images = self._transform(images)
        if ndim == 2:
            # Rows that were padded to the size of an image are cropped again.
            return images.reshape(len(images), -1)[:, : self._n_features_out]
        return images[..., 0] if ndim == 3 else images

    def set_output(self, *, transform: str | None = None) -> Self:
        """Do nothing: images do not fit a data frame, so the output is always an array.

        Parameters
        ----------
        transform : object, default=None
            Ignored. Exists so that ``set_output`` of a pipeline with this step does not fail.

        Returns
        -------
        self : object
        """
        return self

    def _check_like_fitted(self, X: ImagesLike) -> tuple[np.ndarray, int]:
        """Return `X` as images (n, H, W, C) like those in fit, and its number of dimensions."""
        # First, since wrong column names explain other errors.
        images = validate_images(self, X, reset=False, dtype=DTYPES)
        return images, check_images(X, estimator=self, dtype=DTYPES).ndim

    def _fit(self, images: np.ndarray) -> None:
        """Learn from images (n, H, W, C); most transformers learn nothing."""

    @abstractmethod
    def _transform(self, images: np.ndarray) -> np.ndarray:
        """Return transformed copies of images (n, H, W, C), with the same dtype."""

    @property
    def _n_features_out(self) -> int:
        return self.n_features_in_

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32", "uint8"]
        return tags


def luminance(image: np.ndarray) -> np.ndarray:
    """Return the brightness of an image (H, W, C) as float64 (H, W).

    Three channels are read as red, green and blue and weighted as in ITU-R BT.601; any other
    number of channels is averaged.
    """
    if image.shape[-1] != 3:
        return image.mean(axis=-1, dtype=np.float64)
    red, green, blue = np.moveaxis(image.astype(np.float64), -1, 0)
    return 0.299 * red + 0.587 * green + 0.114 * blue
