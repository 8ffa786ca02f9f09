"""Remove the colour of images, but keep their channels."""

from collections.abc import Sequence

import numpy as np
from sklearn.base import OneToOneFeatureMixin

from sklssl.preprocessing._base import ImageTransformer, luminance

__all__ = ["PseudoGrayscaler"]


class PseudoGrayscaler(OneToOneFeatureMixin, ImageTransformer, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Replace every channel with the luminance of the image.

    These are the pseudo-gray-scale images of the ScaleNet paper [1]_: the colour is removed but the
    number of channels is kept, so that the same network can be used.

    Three channels are read as red, green and blue and weighted 0.299, 0.587 and 0.114 (ITU-R
    BT.601). A single channel is unchanged. Any other number of channels is averaged with equal
    weights, including an alpha channel. uint8 is rounded to the nearest value.

    Parameters
    ----------
    image_shape : tuple of int, default=None
        (height, width) or (height, width, channels) of the images. If None, it is inferred from
        `X`, and rows are reshaped to the smallest square grey image.

    Attributes
    ----------
    image_shape_ : tuple of int
        (height, width, channels) of the images seen in ``fit``.

    n_features_in_ : int
        Number of values per image seen in ``fit``.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns of `X`, if all of them are strings.

    See Also
    --------
    HarrisCornerMasker : Remove the corners instead of the colour.

    References
    ----------
    .. [1] Huang, Roozbahani. ScaleNet: An Unsupervised Representation Learning Method for Limited
       Information. GCPR 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from sklssl.preprocessing import PseudoGrayscaler
    >>> pixel = np.array([[[[200, 100, 0]]]], dtype=np.uint8)
    >>> PseudoGrayscaler().fit_transform(pixel)
    array([[[[118, 118, 118]]]], dtype=uint8)
    """

    def __init__(self, image_shape: Sequence[int] | None = None) -> None:
        self.image_shape = image_shape

    def _transform(self, images: np.ndarray) -> np.ndarray:
        if images.shape[-1] == 1:
            return images.copy()
        scaled = np.empty(images.shape, images.dtype)
        # Image by image, since the luminance in float64 is larger than the data.
        for old, new in zip(images, scaled, strict=True):
            grey = luminance(old)
            new[:] = (np.rint(grey) if images.dtype == np.uint8 else grey)[..., np.newaxis]
        return scaled
