"""Groups of images in which every pair is near."""

from collections.abc import Iterator

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import squareform

from sklssl.curation._rule import NearRule
from sklssl.curation._search import row_blocks

__all__ = ["connect", "near_groups"]

# More rounds find hardly any more.
_N_ROUNDS = 2
# Of more connected images than these, the parts nearest to one of them are grouped in turn: all
# distances within a part are in memory, 64 MB of them.
_LARGEST_PART = 4000


def near_groups(rule: NearRule, threshold: float) -> list[np.ndarray]:
    """Return groups of distinct images of which every two are within the relative distance."""
    images, labels = connect(rule, threshold)
    order = np.argsort(labels, kind="stable")
    ends = np.flatnonzero(np.diff(labels[order])) + 1
    return [
        group
        for component in np.split(images[order], ends)
        if len(component) > 1
        for part in _parts(rule, component)
        for group in _cliques(rule, part, threshold)
    ]


def connect(rule: NearRule, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the images that may have near ones, and the connected component of each.

    The copies of an image are excluded from the neighbours that its scale is measured by.
    """
    for _ in range(_N_ROUNDS):
        images = rule.candidates(threshold)
        labels = np.arange(rule.n_distinct_)
        labels[images] = images[_components(rule, images, threshold)]
        rule.set_scale(labels)
    images = rule.candidates(threshold)
    return images, _components(rule, images, threshold)


def _components(rule: NearRule, images: np.ndarray, threshold: float) -> np.ndarray:
    """Return the connected component of each image. Pairs are not kept, so memory is linear."""
    n = len(images)
    labels = np.arange(n)
    for part in row_blocks(n, n):
        near = rule.relative(images[part], images) <= threshold
        rows, columns = np.nonzero(near)
        rows = np.concatenate([labels[rows + part.start], np.arange(n)])
        columns = np.concatenate([labels[columns], labels])
        edges = coo_array((np.ones(len(rows), bool), (rows, columns)), shape=(n, n))
        _, components = connected_components(edges, directed=False)
        # A label is the first image of its component, and so connects nothing else to it.
        labels = np.unique(components, return_index=True)[1][components]
    return labels


def _parts(rule: NearRule, component: np.ndarray) -> Iterator[np.ndarray]:
    while len(component) > _LARGEST_PART:
        order = np.argsort(rule.relative(component[:1], component)[0], kind="stable")
        yield np.sort(component[order[:_LARGEST_PART]])
        component = np.sort(component[order[_LARGEST_PART:]])
    yield component


def _cliques(rule: NearRule, part: np.ndarray, threshold: float) -> Iterator[np.ndarray]:
    """Divide images by complete linkage: the diameter of a cluster is within the threshold."""
    if len(part) < 2:
        return
    distances = rule.relative(part, part)
    distances = (distances + distances.T) / 2  # equal but for rounding
    np.fill_diagonal(distances, 0)
    tree = linkage(squareform(distances, checks=False), "complete")
    labels = fcluster(tree, threshold, "distance")
    for label in range(1, labels.max() + 1):
        group = part[labels == label]
        if len(group) > 1:
            yield group
