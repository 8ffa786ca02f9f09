import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score, cohen_kappa_score

from sklssl import DeepClusterEmbedder
from sklssl.embedding._deep_cluster import agreement_above_chance, cluster, whiten
from tests.embedding._views import QUICK, draw, unit


def test_clusters_are_those_of_the_features():
    Z, y = make_blobs(200, n_features=8, centers=5, cluster_std=0.3, random_state=0)
    clusters, centres = cluster(Z, 5, seed=0)
    assert adjusted_rand_score(y, clusters) > 0.95
    np.testing.assert_allclose(centres[0], Z[clusters == 0].mean(axis=0), rtol=1e-5)
    np.testing.assert_array_equal(cluster(Z, 5, seed=1)[0], cluster(Z, 5, seed=1)[0])


def test_few_images_get_fewer_clusters():
    Z = np.random.default_rng(0).normal(size=(7, 4))
    assert len(cluster(Z, 100, seed=0)[1]) == 3
    assert set(cluster(np.ones((6, 4)), 3, seed=0)[0]) == {0}


def test_whitened_features_are_uncorrelated():
    rng = torch.Generator().manual_seed(0)
    Z = torch.randn(50, 4, generator=rng) @ torch.randn(4, 6, generator=rng) + 3  # of rank 4
    mean, matrix = whiten(Z)
    white = (Z - mean) @ matrix
    covariance = white.T @ white / 50
    expected = torch.diag(torch.tensor([1.0, 1, 1, 1, 0, 0]))
    torch.testing.assert_close(covariance, expected, atol=1e-3, rtol=0)
    assert not whiten(torch.ones(5, 3))[1].any()


def test_loss_against_a_slow_loop(X):
    pretext = DeepClusterEmbedder(4, **QUICK).fit(X).pretext_.eval()
    views, targets = draw(pretext)
    with torch.no_grad():
        loss = pretext(views, targets)["loss"].item()
        features = pretext.backbone(views).mean((2, 3))
        points = unit((features - pretext.mean) @ pretext.whitening)
    total = 0.0
    for point, target in zip(points, targets, strict=True):
        scores = pretext.centres.numpy() @ point / 0.1
        w = pretext.weights[target].item()
        total += w * (np.log(np.exp(scores).sum()) - scores[target])
    assert loss == pytest.approx(total / len(points), rel=1e-3)


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


def test_score_is_the_agreement_above_chance(X):
    assert DeepClusterEmbedder(4, **{**QUICK, "max_epochs": 0}).fit(X).score(X) == 0
    rng = np.random.default_rng(0)
    first = rng.integers(0, 3, 50)
    second = np.where(rng.random(50) < 0.5, first, rng.integers(0, 3, 50))
    pair = torch.from_numpy(first), torch.from_numpy(second)
    expected = cohen_kappa_score(first, second)
    assert agreement_above_chance(*pair, 4).item() == pytest.approx(expected, abs=1e-6)


def test_bad_parameters_are_named(X):
    with pytest.raises(ValueError, match="'n_clusters' parameter of DeepClusterEmbedder .*Got 0"):
        DeepClusterEmbedder(0, **QUICK).fit(X)


def test_the_first_clusters_are_of_features_that_are_normalised(X):
    """Batch norm has no statistics before training, but the first clustering needs them."""
    pretext = DeepClusterEmbedder(4, **{**QUICK, "max_epochs": 0}).fit(X).pretext_
    images = torch.from_numpy(X).permute(0, 3, 1, 2) / 255

    def embed(encode):
        pretext.eval()
        with torch.no_grad():
            return torch.cat([encode(images[:20]), encode(images[20:])])

    pretext.before_epoch(embed, torch.Generator().manual_seed(0))
    features = embed(lambda batch: pretext.backbone(batch, "block1"))
    means = features.mean((0, 2, 3))
    assert (means < 1).all()  # of a ReLU of normalised maps; without statistics they are anything
    norm = next(m for m in pretext.backbone.modules() if hasattr(m, "running_mean"))
    assert norm.num_batches_tracked == 2
    assert norm.momentum == 0.1
    before = norm.running_mean.clone()
    pretext.before_epoch(embed, torch.Generator().manual_seed(0))
    torch.testing.assert_close(norm.running_mean, before, atol=0, rtol=0)


def test_one_image_beyond_the_batches(digits):
    embedder = DeepClusterEmbedder(4, **{**QUICK, "backbone": "resnet18", "batch_size": 64})
    assert embedder.fit(digits[0][:65]).n_epochs_ == 1


def test_chance_is_that_of_the_clusters_there_can_be(X):
    pretext = DeepClusterEmbedder(100, **QUICK).fit(X).pretext_
    assert pretext.chance_loss(16) == pytest.approx(np.log(len(X) // 2))
