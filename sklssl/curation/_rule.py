"""The rule by which two images are near-duplicates."""

import hashlib

import numpy as np
from scipy.stats import beta

from sklssl._data.matrix import iter_blocks
from sklssl.curation._blocks import make_workspace
from sklssl.curation._search import chords, nearest
from sklssl.curation._spaces import Whitened

__all__ = ["NearRule"]

# The scale of an image is its distance to this neighbour: copies of an image are few, and images
# that only look alike, such as blue skies, have more neighbours at a similar distance.
_K = 10
_N_LISTED = 40
# In a group of more than _K copies the scale would be that of the group. No image has less than
# this fraction of the median.
_LEAST_SCALE = 0.7
# Two images with a scale much above the median, as those of a group have if most images are copies,
# would be near at any distance. At 0.8 ** -0.5, their distance must be 0.9 of their scale.
_LARGEST_SCALE = 1.12
# A neighbour that is this much farther than the one before it begins the images that are no copies.
_GAP = 2.0
# Chosen on seed 0 of CIFAR-10 and Tiny-ImageNet from 0.75, 0.8 and 0.85; see
# benchmarks/accuracy/near_duplicates.py.
_USUAL, _RARE = 0.8, 5e-4
# Standardised features are rounded to this to find identical images, whose features may differ in
# the last bits.
_GRAIN = 1e-3


class NearRule:
    """Relative distances between images of one set.

    The distance of two rows of length 1, in whitened features, is multiplied by the typical
    distance of an image to its 10th neighbour and divided by the distances of both images to
    theirs. So it is a fraction of the distance to images that are merely similar.

    Attributes
    ----------
    inverse_ : ndarray of shape (n,), int
        The number of the distinct image of each row. Identical rows are one image.

    nearest_ : ndarray of shape (n_distinct,), float32
        The Euclidean distance of each distinct image to the nearest other one.
    """

    def __init__(self, function: str, Z: np.ndarray) -> None:
        space = Whitened(function, Z)
        first, self.inverse_ = _distinct(space, Z)
        self._units = _take(space, Z, first)
        self.n_distinct_ = n = len(first)
        if n == 1:
            self.nearest_, self._factor = np.full(1, np.inf, np.float32), np.ones(1, np.float32)
            return
        self._k = min(_K, max(1, (n - 1) // 2))
        cosines, self._neighbors = nearest(
            self._units, self._units, min(_N_LISTED, n - 1), same=True
        )
        self._distances = np.sqrt(2 * cosines)
        self.nearest_ = self._distances[:, 0]
        self._is_other = _beyond_gap(self._distances)
        self.set_scale(np.arange(n))

    def set_scale(self, labels: np.ndarray) -> None:
        """Measure distances to the 10th neighbour among images with other labels.

        If there are no 10 in the list of neighbours, the last one of the list counts.
        """
        if len(labels) == 1:
            return
        others = self._is_other & (labels[self._neighbors] != labels[:, np.newaxis])
        others = np.cumsum(others, axis=1) >= self._k
        others[:, -1] = True
        scale = self._distances[np.arange(len(labels)), others.argmax(axis=1)]
        median = max(np.median(scale), np.finfo(np.float32).tiny)
        ratio = np.clip(scale / median, _LEAST_SCALE, _LARGEST_SCALE)
        self._factor = (1 / (np.sqrt(median) * ratio)).astype(np.float32)

    def choose_threshold(self, threshold: float | str) -> float:
        """Return a threshold; "auto" lowers the usual one where there are near images anyway.

        Among points spread evenly in D dimensions, (d1 / dk) ** D, of the distances to the nearest
        and the k-th neighbour, has the distribution Beta(1, k - 1). So a power of the 90 % quantile
        of d1 / dk, about the seventh for k = 10, is undercut by one in 2,000 points, whatever D.
        """
        if not isinstance(threshold, str):
            return float(threshold)
        if self.n_distinct_ == 1 or self._k == 1:  # nothing to compare with
            return 0.0
        listed = self._distances * self._factor[:, np.newaxis] * self._factor[self._neighbors]
        listed = np.where(self._is_other, listed, np.inf)
        rare, usual = beta.ppf([_RARE, 0.9], 1, self._k - 1)
        power = np.log(rare) / np.log(usual)
        return float(min(_USUAL, np.quantile(listed.min(axis=1), 0.9) ** power))

    def relative(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return the relative distances between some distinct images and others."""
        distances = chords(self._units[rows], self._units[columns])
        distances *= self._factor[rows, np.newaxis]
        distances *= self._factor[columns]
        return distances

    def candidates(self, threshold: float) -> np.ndarray:
        """Return the distinct images that may have another within the relative distance."""
        least = self.nearest_ * self._factor * self._factor.min()
        return np.flatnonzero(least <= threshold)


def _beyond_gap(distances: np.ndarray) -> np.ndarray:
    """Return which neighbours (n, k) are farther than the largest gap, if there is one.

    Frames of a burst have many copies, each as far from the next one as the others are from it.
    """
    steps = distances[:, 1:] / np.maximum(distances[:, :-1], np.finfo(np.float32).tiny)
    n_copies = np.zeros(len(distances), int)
    if steps.shape[1]:
        n_copies = np.where(steps.max(axis=1) > _GAP, 1 + steps.argmax(axis=1), 0)
    return np.arange(distances.shape[1]) >= n_copies[:, np.newaxis]


def _distinct(space: Whitened, Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first row of each distinct image, and the distinct image of each row."""
    numbers: dict[bytes, int] = {}
    first: list[int] = []
    inverse = np.empty(len(Z), np.intp)
    for part in iter_blocks(*Z.shape):
        rows = np.rint(space.convert_block(Z[part]) / np.float32(_GRAIN)) + np.float32(0)  # no -0
        for row, values in enumerate(rows, part.start):
            key = hashlib.blake2b(values.tobytes(), digest_size=16).digest()
            inverse[row] = numbers.setdefault(key, len(numbers))
            if inverse[row] == len(first):
                first.append(row)
    return np.array(first), inverse


def _take(space: Whitened, Z: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return some rows in the space, block by block."""
    units = make_workspace((len(rows), Z.shape[1]))
    for part in iter_blocks(*units.shape):
        units[part] = space.convert(Z[rows[part]])
    return units
