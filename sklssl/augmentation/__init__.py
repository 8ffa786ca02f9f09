"""Random views of images, and the operations that they are composed of.

The functions `draw_*` draw random numbers for each image, in small tensors on the device of the
generator; the other functions use these numbers and draw none. None of them synchronises with a
GPU. Images are (b, C, H, W) floats in [0, 1], and are not modified. Each operation is equivalent to
that of torchvision applied to single images.
"""

from sklssl.augmentation._blur import draw_sigmas, gaussian_blur
from sklssl.augmentation._color import (
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
    draw_color_jitter,
    to_grayscale,
)
from sklssl.augmentation._geometry import (
    draw_choices,
    draw_crops,
    draw_shifts,
    horizontal_flip,
    resized_crop,
    shift,
)
from sklssl.augmentation._views import RandomViews

__all__ = [
    "RandomViews",
    "adjust_brightness",
    "adjust_contrast",
    "adjust_hue",
    "adjust_saturation",
    "draw_choices",
    "draw_color_jitter",
    "draw_crops",
    "draw_shifts",
    "draw_sigmas",
    "gaussian_blur",
    "horizontal_flip",
    "resized_crop",
    "shift",
    "to_grayscale",
]
