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
from sklearn.decomposition import PCA
from sklearn.preprocessing import normalize
from torch import Tensor, nn

from sklssl.augmentation import RandomViews
from sklssl.backbones import Backbone, pool_map
from sklssl.base import Pretext
from sklssl.embedding._random_views import RandomViewsEmbedder, ViewParameters
from sklssl.utils._sklearn_compat import Interval

__all__ = ["DeepClusterEmbedder"]

_COMPONENTS = 256  # before clustering, in the paper
_LEAST_IMAGES = 2  # per cluster, on average
_ROUNDING = 1e-6  # relative deviation of a component that is rounding error


class ClusterPretext(Pretext):
    """Predict the cluster of an image from a random view."""

    clusters: Tensor
    weights: Tensor

    def __init__(self, backbone: Backbone, random_views: RandomViews, n_clusters: int) -> None:
        super().__init__(backbone)
        self.random_views = random_views
        self.n_clusters = n_clusters
        self.head = nn.Linear(backbone.n_features, n_clusters)
        self.register_buffer("clusters", None)
        self.register_buffer("weights", torch.ones(n_clusters))

    def before_fit(self, n_images: int) -> None:
        self.clusters = torch.zeros(n_images, dtype=torch.long)

    def before_epoch(self, embed: Callable[..., Tensor], rng: torch.Generator) -> None:
        """Cluster all images, and start with a new head, since clusters have no fixed order."""
        features = embed(lambda images: pool_map(self.backbone(images)))
        seed = int(torch.randint(2**31 - 1, (), generator=rng, device=rng.device))
        clusters = cluster(features.cpu().numpy(), self.n_clusters, seed)
        self.clusters = torch.from_numpy(clusters).to(features.device)
        sizes = torch.bincount(self.clusters, minlength=self.n_clusters)
        # As if each cluster had equally many images, in the paper by drawing them accordingly.
        self.weights = (sizes.sum() / sizes.clamp(min=1) * (sizes > 0)).float()
        self.weights /= (sizes > 0).sum()
        nn.init.normal_(self.head.weight, std=0.01, generator=rng)
        nn.init.zeros_(self.head.bias)

    def views(self, images: Tensor, rng: torch.Generator, index: Tensor) -> tuple[Tensor, Any]:
        # Other images than those of ``fit`` have no cluster but the one that is predicted.
        targets = self.clusters[index] if self.training else self.predict(images).argmax(dim=1)
        return self.random_views(images, rng), targets

    def predict(self, images: Tensor) -> Tensor:
        return self.head(pool_map(self.backbone(images)))

    def chance_loss(self, n_images: int) -> float:
        return math.log(self.n_clusters)

    def forward(self, views: Tensor, targets: Tensor) -> dict[str, Tensor]:
        logits = self.predict(views)
        accuracy = (logits.argmax(dim=1) == targets).float().mean()
        return {"loss": F.cross_entropy(logits, targets, self.weights), "accuracy": accuracy}


def cluster(features: np.ndarray, n_clusters: int, seed: int) -> np.ndarray:
    """Return the cluster of each row of features (n, d), by k-means after whitening.

    With fewer than two rows per cluster, there are fewer clusters.
    """
    if not np.ptp(features, axis=0).any():
        return np.zeros(len(features), dtype=np.int64)
    n_components = min(_COMPONENTS, *features.shape)
    components = PCA(n_components, random_state=seed).fit_transform(features)
    deviations = components.std(axis=0)
    varying = deviations > _ROUNDING * deviations.max(initial=0)
    whitened = components[:, varying] / deviations[varying]
    n_clusters = max(1, min(n_clusters, len(features) // _LEAST_IMAGES))
    search = KMeans(n_clusters, n_init=1, random_state=seed)
    return search.fit_predict(normalize(whitened)).astype(np.int64)


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
        One row per epoch: epoch, scale, learning_rate, loss, accuracy (the proportion of images
        whose cluster is predicted) and duration in seconds.

    See Also
    --------
    SwAVEmbedder : Assigns images to clusters batch by batch.

    Notes
    -----
    Features are whitened, reduced to at most 256 components and scaled to length 1 before they are
    clustered. Every cluster has the same weight in the loss, whatever its size. ``score`` is the
    share of images for which the same cluster is predicted for the image and for a random view.

    References
    ----------
    Caron, Bojanowski, Joulin, Douze. Deep Clustering for Unsupervised Learning of Visual Features.
    ECCV 2018.

    Examples
    --------
    >>> from sklssl import DeepClusterEmbedder
    >>> from sklssl.datasets import load_digit_images
    >>> X, _ = load_digit_images(return_X_y=True)
    >>> embedder = DeepClusterEmbedder(20, max_epochs=2, horizontal_flip=False, random_state=0)
    >>> embedder.fit_transform(X[:200]).shape
    (200, 5120)
    """

    _parameter_constraints = {"n_clusters": [Interval(Integral, 2, 2**16, closed="both")]}

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
