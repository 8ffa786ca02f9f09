"""Colours of classes, for any number of classes."""

import colorsys

import numpy as np
import numpy.typing as npt

__all__ = ["UNLABELLED", "class_colors"]

# Without a label, as for -1 in y.
UNLABELLED = "#bdbdbd"

# From Paul Tol's "bright", "vibrant" and "dark" schemes: distinct for colour-blind readers too.
_FEW = (
    *("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377"),
    *("#ee7733", "#009988", "#222255", "#663333"),
)
_GOLDEN = 0.618034  # steps of the golden ratio spread any number of hues evenly


def class_colors(labels: npt.ArrayLike) -> dict[object, str]:
    """Return a colour for each class, in sorted order, as "#rrggbb".

    The label -1 means that there is none, and is grey. Up to ten classes have colours that
    colour-blind readers can tell apart; beyond that, hues are spread evenly at three brightnesses.

    Parameters
    ----------
    labels : array-like of shape (n,)
        Labels, numbers or strings.

    Returns
    -------
    colors : dict of label to str
    """
    classes = np.unique(np.asarray(labels)).tolist()
    known = [label for label in classes if label != -1]
    colors: dict[object, str] = dict.fromkeys((-1,) if -1 in classes else (), UNLABELLED)
    palette = _FEW if len(known) <= len(_FEW) else [_spread(i) for i in range(len(known))]
    return colors | dict(zip(known, palette, strict=False))


def _spread(i: int) -> str:
    lightness, saturation = ((0.45, 0.75), (0.62, 0.6), (0.3, 0.65))[i % 3]
    rgb = colorsys.hls_to_rgb(i * _GOLDEN % 1, lightness, saturation)
    return "#" + "".join(f"{round(255 * value):02x}" for value in rgb)
