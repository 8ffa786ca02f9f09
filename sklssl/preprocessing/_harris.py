"""Mask the corners of images."""

import hashlib
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import OneToOneFeatureMixin
from sklearn.utils import check_random_state

from sklssl.preprocessing._base import ImageTransformer, luminance
from sklssl.utils._sklearn_compat import Interval

__all__ = ["HarrisCornerMasker"]

# A neighbourhood of 3x3 pixels: the usual 2x2 finds corners half a pixel too far to one side, which
# tells a network how an image was rotated, whatever it shows.
_BLOCK_SIZE, _SOBEL_SIZE, _K = 3, 3, 0.04


class HarrisCornerMasker(OneToOneFeatureMixin, ImageTransformer, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Paint the corners found by the Harris detector white.

    The ScaleNet paper [1]_ masks corners in this way to test how much a pretext task relies on
    them. In its Harris images all corners are masked; its hybrid input mixes images with and
    without corners. A pixel is a corner if its Harris response [2]_ on the luminance exceeds
    `threshold` times the largest response in the image. All channels of a corner become white.

    Parameters
    ----------
    fraction : float, default=1.0
        The fraction of images whose corners are painted; below 1 for the hybrid input. The images
        are chosen pseudo-randomly, by a hash of their values and `seed_`. The choice therefore does
        not depend on the other images, is the same for copies of an image, and increasing the
        fraction only adds images.

    threshold : float, default=0.03
        Minimum response of a corner, as a fraction in [0, 1) of the strongest response in the
        image. Smaller values find more corners. The default paints about a sixth of the pixels of
        small photographs.

    image_shape : tuple of int, default=None
        (height, width) or (height, width, channels) of the images. If None, it is inferred from
        `X`, and rows are reshaped to the smallest square grey image.

    random_state : int, RandomState instance or None, default=None
        Controls `seed_`. Has an effect only if `fraction` is strictly between 0 and 1.

    Attributes
    ----------
    white_ : uint8 or float
        The value of painted corners: 255 for uint8 images, the largest value seen in ``fit`` for
        floats.

    seed_ : int
        The seed of the hash that decides whether the corners of an image are painted.

    image_shape_ : tuple of int
        (height, width, channels) of the images seen in ``fit``.

    n_features_in_ : int
        Number of values per image seen in ``fit``.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns of `X`, if all of them are strings.

    See Also
    --------
    PseudoGrayscaler : Remove the colour instead of the corners.

    References
    ----------
    .. [1] Huang, Roozbahani. ScaleNet: An Unsupervised Representation Learning Method for Limited
       Information. GCPR 2021.

    .. [2] Harris, Stephens. A Combined Corner and Edge Detector. Alvey Vision Conference 1988.

    Examples
    --------
    The four corners of a dark square on a grey background are painted, its edges are not:

    >>> import numpy as np
    >>> from sklssl.preprocessing import HarrisCornerMasker
    >>> image = np.full((16, 16), 100, dtype=np.uint8)
    >>> image[4:12, 4:12] = 0
    >>> masked = HarrisCornerMasker().fit_transform(image[np.newaxis])[0]
    >>> masked[[4, 4, 11, 11], [4, 11, 4, 11]]
    array([255, 255, 255, 255], dtype=uint8)
    >>> masked[8, [0, 4, 11]]
    array([100,   0,   0], dtype=uint8)
    """

    _parameter_constraints: dict = {
        **ImageTransformer._parameter_constraints,
        "fraction": [Interval(Real, 0, 1, closed="both")],
        "threshold": [Interval(Real, 0, 1, closed="left")],
        "random_state": ["random_state"],
    }

    _fitted_attributes = {
        "white_": lambda value: isinstance(value, np.number),
        "seed_": lambda value: isinstance(value, int) and 0 <= value < 2**31,
    }

    def __init__(
        self,
        fraction: float = 1.0,
        threshold: float = 0.03,
        image_shape: Sequence[int] | None = None,
        random_state: Any = None,
    ) -> None:
        self.fraction = fraction
        self.threshold = threshold
        self.image_shape = image_shape
        self.random_state = random_state

    def _fit(self, images: np.ndarray) -> None:
        if images.dtype == np.uint8:
            self.white_ = np.uint8(255)
        else:
            # Without the zeros that pad rows, since they may be brighter than the data.
            self.white_ = images.reshape(len(images), -1)[:, : self.n_features_in_].max()
        self.seed_ = int(check_random_state(self.random_state).randint(2**31 - 1))

    def _transform(self, images: np.ndarray) -> np.ndarray:
        self._check_range(images.dtype)
        masked = images.copy()
        for old, new in zip(images, masked, strict=True):
            if _hash_to_unit_interval(old, self.seed_) < self.fraction:
                new[_harris_corners(luminance(old), self.threshold)] = self.white_
        return masked

    def _check_range(self, dtype: np.dtype) -> None:
        """Raise an error if uint8 and float images are mixed between fit and transform."""
        if (dtype == np.uint8) != (self.white_.dtype == np.uint8):
            raise ValueError(
                f"X holds {dtype} images, but HarrisCornerMasker was fitted on {self.white_.dtype} "
                f"images, where white is {self.white_}; uint8 and floats must not be mixed. "
                f"Convert X to {self.white_.dtype}, or call fit again."
            )


def _hash_to_unit_interval(image: np.ndarray, seed: int) -> float:
    """Hash the values of an image and a seed to a number in [0, 1)."""
    values: Any = np.ascontiguousarray(image, dtype="<f8")
    digest = hashlib.blake2b(values, digest_size=6, key=seed.to_bytes(8, "little")).digest()
    return int.from_bytes(digest, "little") / 2**48


def _harris_corners(grey: np.ndarray, threshold: float) -> np.ndarray:
    """Find the corners of one float64 image (H, W), as a boolean mask (H, W)."""
    import cv2  # slow to import

    low, high = grey.min(), grey.max()
    if low == high:
        return np.zeros(grey.shape, dtype=bool)
    # The response grows with the fourth power of the contrast, which may overflow float32. The
    # corners do not depend on the contrast.
    grey = ((grey - low) / (high - low)).astype(np.float32)
    response = cv2.cornerHarris(grey, _BLOCK_SIZE, _SOBEL_SIZE, _K)
    return response > threshold * response.max()
