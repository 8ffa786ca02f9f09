"""Resize images."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin

from sklssl._data.arrays import check_images
from sklssl._data.columns import is_image_sequence, unwrap_images
from sklssl._data.decode import resize_image
from sklssl._data.pictures import resize_each
from sklssl._storage.attributes import is_positive_ints
from sklssl.preprocessing._base import DTYPES, ImageTransformer
from sklssl.utils._checks import MAX_SIDE
from sklssl.utils._sklearn_compat import Interval, _fit_context
from sklssl.utils._typing import ImagesLike
from sklssl.utils._whole import is_whole

__all__ = ["ImageResizer"]


class ImageResizer(ClassNamePrefixFeaturesOutMixin, ImageTransformer, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Resize images, ignoring their aspect ratio.

    A side that shrinks is averaged over the area of each new pixel; a side that grows is
    interpolated linearly.

    Parameters
    ----------
    image_size : int or tuple of int, default=32
        (height, width) of the new images, or one int for both.

    image_shape : tuple of int, default=None
        (height, width) or (height, width, channels) of the input images. If None, it is inferred
        from `X`, and rows are reshaped to the smallest square grey image.

    Attributes
    ----------
    image_size_ : tuple of int
        (height, width) of the new images.

    image_shape_ : tuple of int
        (height, width, channels) of the first image seen in ``fit``. Only rows need the same shape
        in ``transform``; images need the same channels.

    n_features_in_ : int
        height * width * channels.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns of `X`, if all of them are strings.

    Notes
    -----
    If `X` holds rows, the output holds rows of height * width * channels values. Later steps of a
    pipeline need this shape as `image_shape` unless it is a square grey image.

    Examples
    --------
    >>> import numpy as np
    >>> from sklssl.preprocessing import ImageResizer
    >>> image = np.array([[[0.0, 4.0], [8.0, 4.0]]])
    >>> ImageResizer(1).fit_transform(image)
    array([[[4.]]])
    >>> ImageResizer((2, 4)).fit_transform(image)
    array([[[0., 1., 3., 4.],
            [8., 7., 5., 4.]]])
    """

    _parameter_constraints: dict = {
        **ImageTransformer._parameter_constraints,
        "image_size": [Interval(Integral, 1, MAX_SIDE, closed="both"), tuple, list],
    }

    # The remedy in the error message for images with other channels, and of another size.
    _other_size = "Fit another ImageResizer on them, or convert their channels."

    _fitted_attributes = {"image_size_": is_positive_ints(2)}

    def __init__(
        self, image_size: int | Sequence[int] = 32, image_shape: Sequence[int] | None = None
    ) -> None:
        self.image_size = image_size
        self.image_shape = image_shape

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ImagesLike, y: object = None) -> Self:
        """Check the images and remember their shape.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or list of images
            Images or rows; PIL images, or arrays of different sizes.

        y : None
            Ignored.

        Returns
        -------
        self : object
        """
        size = _height_width(self.image_size)
        given = unwrap_images(X)
        if is_image_sequence(given):  # of sizes that may differ
            check_images(resize_each(given, size, who="ImageResizer"), estimator=self, dtype=DTYPES)
            given = given[:1]
        super().fit(given)
        self.image_size_ = size
        return self

    def _check_like_fitted(self, X: ImagesLike) -> tuple[np.ndarray, int]:
        X = resize_each(X, self.image_size_, who="ImageResizer")
        if not hasattr(X, "columns"):
            images = check_images(X, estimator=self, dtype=DTYPES)
            shape = (*images.shape[1:], 1)[:3]
            if images.ndim > 2 and shape[2] == self.image_shape_[2]:
                return images.reshape(-1, *shape), images.ndim
        return super()._check_like_fitted(X)

    def _transform(self, images: np.ndarray) -> np.ndarray:
        resized = np.empty((len(images), *self.image_size_, images.shape[-1]), images.dtype)
        for old, new in zip(images, resized, strict=True):
            new[:] = resize_image(old, self.image_size_)
        return resized

    @property
    def _n_features_out(self) -> int:
        height, width = self.image_size_
        return height * width * self.image_shape_[2]


def _height_width(image_size: Any) -> tuple[int, int]:
    """Return the `image_size` parameter as (height, width)."""
    sides = (image_size, image_size) if isinstance(image_size, Integral) else tuple(image_size)
    if len(sides) != 2 or not all(is_whole(side, 1, MAX_SIDE) for side in sides):
        raise ValueError(
            "The 'image_size' parameter of ImageResizer must be an int or two ints (height, width) "
            f"from 1 to {MAX_SIDE}. Got {image_size!r} instead."
        )
    return int(sides[0]), int(sides[1])
