"""The handwritten digits of scikit-learn, as images."""

from typing import Literal, overload

import numpy as np
from sklearn.datasets import load_digits
from sklearn.utils import Bunch

__all__ = ["load_digit_images"]


@overload
def load_digit_images(*, return_X_y: Literal[False] = False) -> Bunch: ...


@overload
def load_digit_images(*, return_X_y: Literal[True]) -> tuple[np.ndarray, np.ndarray]: ...


def load_digit_images(*, return_X_y: bool = False) -> Bunch | tuple[np.ndarray, np.ndarray]:
    """Load scikit-learn's 1797 handwritten digits as 8x8 grey images.

    The data are part of scikit-learn, so nothing is downloaded. Grey values from 0 to 16 are
    rescaled to 0 to 255 and rounded.

    Parameters
    ----------
    return_X_y : bool, default=False
        Whether to return the images and targets alone.

    Returns
    -------
    bunch : Bunch
        With the keys

        images : ndarray of shape (1797, 8, 8, 1), uint8
            The images.
        data : ndarray of shape (1797, 64), uint8
            The same images as rows, sharing their memory.
        target : ndarray of shape (1797,), int64
            The digits.
        target_names : ndarray of shape (10,)
            The names of the classes.
        DESCR : str
            Where the data come from.

    (X, y) : tuple of ndarray
        `images` and `target`, if `return_X_y` is True.

    See Also
    --------
    load_cifar10 : Colour images of objects and animals.
    load_image_folder : Load your own images.

    Examples
    --------
    >>> from sklssl.datasets import load_digit_images
    >>> digits = load_digit_images()
    >>> digits.images.shape, digits.images.dtype, int(digits.images.max())
    ((1797, 8, 8, 1), dtype('uint8'), 255)
    >>> X, y = load_digit_images(return_X_y=True)
    >>> y[:5]
    array([0, 1, 2, 3, 4])
    """
    digits = load_digits()
    data = np.rint(digits.data * (255 / 16)).astype(np.uint8)
    images = data.reshape(-1, 8, 8, 1)
    target = digits.target.astype(np.int64)
    if return_X_y:
        return images, target
    return Bunch(
        images=images,
        data=data,
        target=target,
        target_names=digits.target_names.astype(str),
        DESCR="Grey values rescaled from 0..16 to 0..255.\n\n" + digits.DESCR,
    )
