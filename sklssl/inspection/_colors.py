"""Colours of classes, for any number of classes."""

import colorsys

import numpy as np
import numpy.typing as npt

__all__ = ["UNLABELLED", "class_colors", "largest_classes"]

# Without a label, as for -1 in y.
UNLABELLED = "#bdbdbd"

# The first six are Paul Tol's "bright" scheme. All ten are distinct for colour-blind readers, and
# stand out from white and from black.
_FEW = (
    *("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377"),
    *("#5500ff", "#805555", "#8080ff", "#555500"),
)
_GOLDEN = 0.618034  # steps of the golden ratio spread any number of hues evenly


def class_colors(sizes: npt.ArrayLike) -> list[str]:
    """Return a colour for each class, as "#rrggbb".

    The ten largest classes have colours that colour-blind readers can tell apart. The hues of the
    others are spread evenly, at three brightnesses.

    Parameters
    ----------
    sizes : array-like of shape (n_classes,)
        The number of images of each class.

    Returns
    -------
    colors : list of str
    """
    sizes = np.asarray(sizes)
    colors = [_spread(i) for i in range(len(sizes))]
    for i, color in zip(largest_classes(sizes), _FEW, strict=False):
        colors[i] = color
    return colors


def largest_classes(sizes: npt.ArrayLike) -> list[int]:
    """Return the classes with distinct colours, in order."""
    order = np.argsort(-np.asarray(sizes), kind="stable")
    return sorted(order[: len(_FEW)].tolist())


def _spread(i: int) -> str:
    lightness, saturation = ((0.45, 0.75), (0.62, 0.6), (0.3, 0.65))[i % 3]
    rgb = colorsys.hls_to_rgb(i * _GOLDEN % 1, lightness, saturation)
    return "#" + "".join(f"{round(255 * value):02x}" for value in rgb)
