import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

from sklssl import DeepClusterEmbedder
from sklssl.embedding._deep_cluster import cluster
from tests.embedding._views import QUICK, draw


def test_clusters_are_those_of_the_features():
    Z, y = make_blobs(200, n_features=8, centers=5, cluster_std=0.3, random_state=0)
    assert adjusted_rand_score(y, cluster(Z, 5, seed=0)) > 0.95
    np.testing.assert_array_equal(cluster(Z, 5, seed=1), cluster(Z, 5, seed=1))


def test_few_images_get_fewer_clusters():
    Z = np.random.default_rng(0).normal(size=(7, 4))
    assert len(np.unique(cluster(Z, 100, seed=0))) <= 3
    assert set(cluster(np.ones((6, 4)), 3, seed=0)) == {0}


def test_targets_are_the_clusters_of_the_rows(X):
    pretext = DeepClusterEmbedder(4, **QUICK).fit(X).pretext_
    assert len(pretext.clusters) == len(X)
    _, targets = draw(pretext.train())
    torch.testing.assert_close(targets, pretext.clusters[:6])


def test_every_cluster_has_the_same_weight(X):
    pretext = DeepClusterEmbedder(4, **QUICK).fit(X).pretext_
    sizes = torch.bincount(pretext.clusters, minlength=4)
    total = sizes * pretext.weights
    full = total[sizes > 0]
    torch.testing.assert_close(full, full.mean().expand_as(full))


def test_score_of_images_that_have_no_cluster(digits):
    X, _ = digits
    embedder = DeepClusterEmbedder(4, **QUICK).fit(X[:60])
    assert 0 <= embedder.score(X[60:200]) <= 1


def test_bad_parameters_are_named(X):
    with pytest.raises(ValueError, match="'n_clusters' parameter of DeepClusterEmbedder .*Got 1"):
        DeepClusterEmbedder(1, **QUICK).fit(X)
