import sys
import types

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from sklssl.curation import kneighbors
from tests._seed import SEED
from tests.curation._data import make_features


def test_neighbours_are_those_of_scikit_learn(monkeypatch):
    Z = make_features(seed=SEED)
    monkeypatch.setattr("sklssl.curation._search._BLOCK", 1000)
    exact = NearestNeighbors(n_neighbors=4, metric="cosine").fit(StandardScaler().fit_transform(Z))
    distances, indices = kneighbors(Z, 4, metric="standardized")
    expected, neighbours = exact.kneighbors()
    np.testing.assert_allclose(distances, expected, atol=1e-5)
    np.testing.assert_array_equal(indices, neighbours)


def test_queries_are_standardised_with_the_images_searched():
    Z = make_features(copies=(), seed=SEED)
    for metric in ("standardized", "whitened"):
        distances, indices = kneighbors(Z, 2, queries=Z[20:40], metric=metric)
        np.testing.assert_array_equal(indices[:, 0], np.arange(20, 40))
        np.testing.assert_allclose(distances[:, 0], 0, atol=1e-5)
        own, neighbours = kneighbors(Z, 1, metric=metric)
        np.testing.assert_array_equal(indices[:, 1], neighbours[20:40, 0])
        np.testing.assert_allclose(distances[:, 1], own[20:40, 0], atol=1e-5)


def test_whitened_features_do_not_depend_on_correlations():
    rng = np.random.default_rng(SEED)
    Z = rng.standard_normal((2000, 8))
    repeated = np.concatenate([Z, np.repeat(Z[:, :1], 200, axis=1)], axis=1)
    expected = kneighbors(Z, 10, metric="whitened")[1]
    shared = {
        m: _shared(expected, kneighbors(repeated, 10, metric=m)[1])
        for m in ("whitened", "standardized")
    }
    assert shared["whitened"] > shared["standardized"] + 0.2


def _shared(indices, others):
    return np.mean(
        [len(np.intersect1d(a, b)) / len(a) for a, b in zip(indices, others, strict=True)]
    )


def test_all_images_the_same():
    distances, indices = kneighbors(np.ones((6, 3)), 5)
    assert (distances == distances[0, 0]).all()
    assert all(set(row) == set(range(6)) - {i} for i, row in enumerate(indices))


class Descent:
    """The interface of pynndescent, which compiles for minutes, with an exact search."""

    def __init__(self, data, metric, n_neighbors, random_state):
        assert (metric, random_state) == ("euclidean", 0)
        self.data, self.n_neighbors = data, n_neighbors
        self.neighbor_graph = self.query(data, n_neighbors)

    def query(self, queries, k):
        search = NearestNeighbors(n_neighbors=k).fit(self.data)
        return search.kneighbors(queries, return_distance=False), None


@pytest.mark.parametrize("n", [4, 300])
def test_pynndescent_has_the_distances_of_brute_force(n, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynndescent", types.SimpleNamespace(NNDescent=Descent))
    Z = make_features(n=n, copies=[(1, 2)], seed=SEED)
    for queries in (None, Z[:2] + 0.01):
        distances, indices = kneighbors(Z, 3, queries=queries)
        found = kneighbors(Z, 3, queries=queries, algorithm="pynndescent")
        np.testing.assert_array_equal(found[1], indices)
        np.testing.assert_allclose(found[0], distances, atol=1e-5)


def test_pynndescent_among_identical_images(monkeypatch):
    """An image may not be among the neighbours that are found for it."""
    monkeypatch.setitem(sys.modules, "pynndescent", types.SimpleNamespace(NNDescent=Descent))
    distances, indices = kneighbors(np.ones((40, 3)), 3, algorithm="pynndescent")
    assert distances.shape == indices.shape == (40, 3)
    assert (indices != np.arange(40)[:, np.newaxis]).all()


def test_pynndescent_is_imported_before_anything_is_read(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynndescent", None)

    def blocks():
        raise AssertionError("read")
        yield

    with pytest.raises(ImportError, match="kneighbors .*pip install pynndescent"):
        kneighbors(blocks(), algorithm="pynndescent")


def test_numbers_of_neighbours_out_of_range():
    Z = make_features(n=6, copies=())
    with pytest.raises(ValueError, match="'n_neighbors' .* other images in Z: 5. Got 6"):
        kneighbors(Z, 6)
    with pytest.raises(ValueError, match="'n_neighbors' .* images in Z: 6. Got 7"):
        kneighbors(Z, 7, queries=Z)
    with pytest.raises(ValueError, match="'n_neighbors' parameter of kneighbors must be"):
        kneighbors(Z, 0)
    with pytest.raises(ValueError, match="other images in Z: 0"):
        kneighbors(Z[:1], 1)


def test_queries_of_other_features():
    with pytest.raises(ValueError, match="'queries' .* as many features as Z: 40. Got 3. Compute"):
        kneighbors(make_features(), queries=np.ones((2, 3)))
