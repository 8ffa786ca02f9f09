"""DeepCluster: cluster the features of all images, and learn to predict the clusters.

Caron, Bojanowski, Joulin, Douze. Deep Clustering for Unsupervised Learning of Visual Features.
ECCV 2018.
"""

import math
from collections.abc import Callable
from numbers import Integral
from typing import Any, Unpack

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from sklssl._runtime.ranks import alone
from sklssl.augmentation import RandomViews
from sklssl.backbones import Backbone, pool_map
from sklssl.backbones._patchnet import principal_axes
from sklssl.base import Pretext
from sklssl.embedding._random_views import RandomViewsEmbedder, ViewParameters
from sklssl.utils._sklearn_compat import Interval

__all__ = ["DeepClusterEmbedder"]

_COMPONENTS = 256  # before clustering, in the paper
_LEAST_IMAGES = 2  # per cluster, on average
_ROUNDING = 1e-6  # relative variance of a component that is rounding error
_TINY = 1e-12
_TEMPERATURE = 0.1


class ClusterPretext(Pretext):
    """Predict the cluster of an image from a random view, by the nearest centre."""

    clusters: Tensor
    weights: Tensor
    mean: Tensor
    whitening: Tensor
    centres: Tensor

    def __init__(self, backbone: Backbone, random_views: RandomViews, n_clusters: int) -> None:
        super().__init__(backbone)
        self.random_views = random_views
        self.n_clusters = n_clusters
        for name in ("clusters", "weights", "mean", "whitening", "centres"):
            self.register_buffer(name, None)  # their sizes depend on the images

    def before_fit(self, n_images: int) -> None:
        """Put all images into one cluster, until the first epoch begins."""
        self.clusters = torch.zeros(n_images, dtype=torch.long)
        self.weights = torch.ones(1)
        width = self.backbone.n_features
        self.mean, self.whitening = torch.zeros(1, width), torch.zeros(width, 1)
        self.centres = torch.zeros(1, 1)

    def before_epoch(self, embed: Callable[..., Tensor], rng: torch.Generator) -> None:
        """Cluster the features of all images."""
        measure_batch_norms(self.backbone, embed)
        features = embed(lambda images: pool_map(self.backbone(images)))
        if not features.isfinite().all():
            return  # the loss, for the previous clusters, is not finite either
        self.mean, self.whitening = whiten(features)
        seed = int(torch.randint(2**31 - 1, (), generator=rng, device=rng.device))
        points = self.project(features).cpu().numpy()
        clusters, centres = cluster(points, self.n_clusters, seed)
        self.clusters = torch.from_numpy(clusters).to(features.device)
        self.centres = F.normalize(torch.from_numpy(centres).to(features), dim=1)
        sizes = torch.bincount(self.clusters, minlength=len(centres))
        # As if each cluster had equally many images; in the paper they are drawn accordingly.
        weights = sizes.sum() / sizes.clamp(min=1)
        self.weights = weights / (sizes > 0).sum()

    def project(self, features: Tensor) -> Tensor:
        """Return features (b, d) in the space of the clusters: whitened, of length 1."""
        return F.normalize((features - self.mean) @ self.whitening, dim=1)

    def predict(self, images: Tensor) -> Tensor:
        points = self.project(pool_map(self.backbone(images)))
        return points @ self.centres.T / _TEMPERATURE

    def views(self, images: Tensor, rng: torch.Generator, index: Tensor) -> tuple[Tensor, Tensor]:
        # Other images than those of ``fit`` have no cluster but the one that is predicted.
        targets = self.clusters[index] if self.training else self.predict(images).argmax(dim=1)
        return self.random_views(images, rng), targets

    def chance_loss(self, n_images: int) -> float:
        return math.log(most_clusters(self.n_clusters, len(self.clusters)))

    def forward(self, views: Tensor, targets: Tensor) -> dict[str, Tensor]:
        logits = self.predict(views)
        predicted = logits.argmax(dim=1)
        accuracy = (predicted == targets).float().mean()
        if not self.training:  # the targets are predictions too, and may all be one cluster
            accuracy = agreement_above_chance(predicted, targets, logits.shape[1])
        errors = self.weights[targets] * F.cross_entropy(logits, targets, reduction="none")
        return {"loss": errors.mean(), "accuracy": accuracy}


def agreement_above_chance(first: Tensor, second: Tensor, n_groups: int) -> Tensor:
    """Return Cohen's kappa of two groupings (b,) of images: 1 if they agree, 0 by chance."""
    same = (first == second).float().mean()
    shares = [F.one_hot(each, n_groups).float().mean(dim=0) for each in (first, second)]
    chance = (shares[0] * shares[1]).sum()
    return (same - chance) / (1 - chance).clamp(min=_TINY)


def measure_batch_norms(backbone: Backbone, embed: Callable[..., Tensor]) -> None:
    """Give the batch norms that have not seen any images the statistics of all images.

    Otherwise the first clusters are those of features that the network does not have in training.
    """
    norms = [
        module
        for module in backbone.modules()
        if isinstance(module, _BatchNorm) and module.num_batches_tracked == 0
    ]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = None  # all batches count alike
    if norms:
        with alone():  # in every process the same, to the last digit, or clusters would differ
            embed(lambda images: pool_map(backbone.train()(images)))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def whiten(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean (1, d) and the whitening matrix (d, k) of features (n, d).

    k is at most 256; directions along which the features do not vary are left out.
    """
    mean, variances, axes = principal_axes(features)
    variances, axes = variances.flip(0)[:_COMPONENTS], axes.flip(1)[:, :_COMPONENTS]
    kept = variances > _ROUNDING * variances[0].clamp(min=_TINY)
    return mean[None], axes * variances.clamp(min=_TINY).rsqrt().where(kept, 0)


def most_clusters(n_clusters: int, n_images: int) -> int:
    """Return how many of the clusters that are asked for the images can form."""
    return max(1, min(n_clusters, n_images // _LEAST_IMAGES))


def cluster(points: np.ndarray, n_clusters: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the cluster of each row (n, d), and the centres (k, d), by k-means.

    With fewer than two rows per cluster, or fewer different rows, there are fewer clusters.
    """
    n_different = len(np.unique(points, axis=0))
    k = min(most_clusters(n_clusters, len(points)), n_different)
    search = KMeans(k, n_init=1, random_state=seed).fit(points)
    return search.labels_.astype(np.int64), search.cluster_centers_


class DeepClusterEmbedder(RandomViewsEmbedder):
    """Embed images with a network that predicts the clusters of its own features.

    Before each epoch the features of all images are clustered by k-means; during the epoch the
    network learns to predict the cluster of each image from a random view.

    Parameters
    ----------
    n_clusters : int
        The number of clusters, several times the number of kinds of images that you expect. There
        are at most half as many clusters as images.

    Attributes
    ----------
    history_ : list of dict
        One row per epoch: epoch, phase, scale, learning_rate, loss, accuracy (the proportion of
        images whose cluster is predicted) and duration in seconds.

    See Also
    --------
    SwAVEmbedder : Assigns images to clusters batch by batch.

    Notes
    -----
    Features are whitened, reduced to at most 256 components and scaled to length 1 before they are
    clustered. Clusters are predicted by the cosine with their centres at a temperature of 0.1, as
    in the second version of the method [2]_: a new classifier for each epoch, as in [1]_, learns
    too slowly if an epoch has few steps. Every cluster has the same weight in the loss, whatever
    its size. ``score`` tells how well the clusters predicted for an image and for a random view
    agree: it is Cohen's kappa, which is 1 if all are the same, and 0 if no more are than by chance,
    as with a single cluster.

    References
    ----------
    .. [1] Caron, Bojanowski, Joulin, Douze. Deep Clustering for Unsupervised Learning of Visual
           Features. ECCV 2018.
    .. [2] Caron, Misra, Mairal, Goyal, Bojanowski, Joulin. Unsupervised Learning of Visual Features
           by Contrasting Cluster Assignments. NeurIPS 2020. (Appendix: DeepCluster-v2.)

    Examples
    --------
    >>> from sklssl import DeepClusterEmbedder
    >>> from sklssl.datasets import load_digit_images
    >>> X, _ = load_digit_images(return_X_y=True)
    >>> embedder = DeepClusterEmbedder(20, max_epochs=2, horizontal_flip=False, random_state=0)
    >>> embedder.fit_transform(X[:200]).shape
    (200, 5248)
    """

    _parameter_constraints = {"n_clusters": [Interval(Integral, 1, 2**16, closed="both")]}

    def __init__(
        self,
        n_clusters: int = 100,
        *,
        backbone: str | Callable[..., Any] = "patchconvnet",
        **shared: Unpack[ViewParameters],
    ) -> None:
        super().__init__(backbone, **shared)
        self.n_clusters = n_clusters

    def _make_pretext(self, backbone: Backbone) -> Pretext:
        return ClusterPretext(backbone, self._random_views(), self.n_clusters)
