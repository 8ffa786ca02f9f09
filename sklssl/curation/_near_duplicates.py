"""Groups of near-duplicates."""

from numbers import Real

import numpy as np

from sklssl.curation._blocks import FeaturesLike, check_features
from sklssl.curation._groups import near_groups
from sklssl.curation._rule import NearRule
from sklssl.utils._sklearn_compat import Interval, StrOptions, validate_params

__all__ = ["find_near_duplicates"]

_NAME = "find_near_duplicates"


@validate_params(
    {"threshold": [Interval(Real, 0, 1, closed="left"), StrOptions({"auto"})]},
)
def find_near_duplicates(Z: FeaturesLike, *, threshold: float | str = "auto") -> list[np.ndarray]:
    """Return groups of images that are copies of each other, or nearly so.

    Copies may be encoded again, resized, slightly cropped or brightened, or be the next frame of
    a series. Every image of a group is near every other image of it: groups are not chains of
    images of which only neighbours are alike.

    Parameters
    ----------
    Z : array-like of shape (n, d), or iterable of arrays of shape (b, d)
        Features of the images: an array, which may be memory-mapped, or blocks of rows as from
        ``embedder.transform_iter(X)``, which are written to a temporary file.

    threshold : float or "auto", default="auto"
        Largest distance within a group, from 0 (identical) to below 1, as a fraction of the
        distance to images that are merely similar; see Notes. "auto" is 0.8, or less if the images
        are so alike, as digits are, that this would take many of them for copies. A smaller value
        gives fewer, surer groups.

    Returns
    -------
    groups : list of ndarray of int
        The rows of each group in ascending order. Groups are disjoint, have two images or more,
        and are sorted by size, largest first, then by their first row.

    Raises
    ------
    ValueError
        If features are not finite, there are fewer than two images, or more than 16,384 features,
        or the threshold is out of range.

    See Also
    --------
    find_leaks : Near-duplicates between a training and a test set.
    kneighbors : The most similar images, however far.

    Notes
    -----
    Features are standardised and whitened with a ridge of ``max(1, d / n)``, and scaled to length
    1. The Euclidean distance of two images is multiplied by the median of all distances to the
    10th neighbour, and divided by those of these two images. It is compared with `threshold`.
    Without the last step, images with little content, such as blue skies, would be taken for
    copies of each other. Copies do not count as neighbours here: those found so far, and those
    before a gap, where one neighbour is more than twice as far as the one before. No distance to
    the 10th neighbour is below 0.7 or above 1.12 of the median. So the frames of a burst are found
    if it has up to 30 of them; of longer bursts some are found, in several groups.

    "auto" estimates the dimension that the images fill from how much nearer the first neighbour is
    than the 10th: 90 % of these ratios are below q, and the threshold is at most q ** 6.6. If
    images were spread at random, one in 2,000 would have a neighbour nearer than that. Of fewer
    than 21 images, earlier neighbours are used, and only surer copies are found.

    Connected components of near images are divided by complete linkage, so two images that are near
    can end up in different groups. More than 4,000 connected images are grouped in parts.

    All pairs are compared: this takes time in proportion to n ** 2 * d. In addition to `Z`, memory
    is needed for the whitened features (in a temporary file if they exceed 512 MB) and for a
    correlation matrix.

    References
    ----------
    Zelnik-Manor, Perona. Self-Tuning Spectral Clustering. NeurIPS 2004. (The scaling by the
    distances to a neighbour.)

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from sklssl.curation import find_near_duplicates
    >>> Z, _ = load_digits(return_X_y=True)
    >>> Z = np.concatenate([Z[:500], 1.05 * Z[:2]])
    >>> find_near_duplicates(Z, threshold=0.2)
    [array([  0, 500]), array([  1, 501])]
    """
    Z = check_features(_NAME, Z)
    rule = NearRule(_NAME, Z)
    images = near_groups(rule, rule.choose_threshold(threshold))
    # The groups as numbers of distinct images; those of identical rows that have no other.
    group_of = np.arange(rule.inverse_.max() + 1) + len(images)
    for number, group in enumerate(images):
        group_of[group] = number
    labels = group_of[rule.inverse_]
    order = np.argsort(labels, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
    return sorted((g for g in groups if len(g) > 1), key=lambda g: (-len(g), g[0]))
