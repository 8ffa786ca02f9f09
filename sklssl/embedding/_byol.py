"""BYOL: predict what a slowly moving copy of the network says about another view.

Grill et al. Bootstrap Your Own Latent: A New Approach to Self-Supervised Learning. NeurIPS 2020.
"""

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, Unpack

from torch import Tensor

from sklssl.augmentation import RandomViews
from sklssl.backbones import Backbone
from sklssl.base import Pretext
from sklssl.embedding._heads import Projector, Teacher, make_mlp, spread
from sklssl.embedding._random_views import (
    RandomViewsEmbedder,
    TwoViewsPretext,
    ViewParameters,
)
from sklssl.losses import negative_cosine
from sklssl.utils._sklearn_compat import Interval

__all__ = ["BYOLEmbedder"]


class BootstrapPretext(TwoViewsPretext):
    """Predict the teacher's projection of one view from the other."""

    def __init__(
        self, backbone: Backbone, random_views: RandomViews, projection_dim: int, momentum: float
    ) -> None:
        super().__init__(backbone, random_views)
        n_hidden = 4 * projection_dim
        head = make_mlp([backbone.n_features, n_hidden, projection_dim])
        self.student = Projector(backbone, head)
        self.predictor = make_mlp([projection_dim, n_hidden, projection_dim])
        self.teacher = Teacher(self.student, momentum)

    def forward(self, views: list[Tensor], targets: None) -> dict[str, Tensor]:
        z1, z2 = (self.teacher(view) for view in views)
        p1, p2 = (self.predictor(self.student(view)) for view in views)
        errors = 2 + negative_cosine(p1, z2) + negative_cosine(p2, z1)
        return {"loss": 2 * errors, "spread": spread(z1)}

    def after_step(self, progress: float) -> None:
        self.teacher.follow(self.student, progress)


class BYOLEmbedder(RandomViewsEmbedder):
    """Embed images with a network that predicts a slowly moving copy of itself.

    From one random view of an image, the network predicts the projection of another view by its
    teacher, whose weights are a moving average of its own. There are no negative examples, so small
    batches suffice.

    Parameters
    ----------
    projection_dim : int
        The number of outputs of the projection head and of the predictor, each of which has four
        times as many hidden units.

    momentum : float
        The share of its weights that the teacher keeps at each step, at the start of training; it
        rises to 1. Lower it if there are few steps, as with few images.

    Attributes
    ----------
    history_ : list of dict
        One row per epoch: epoch, phase, scale, learning_rate, loss (from 0, the best, to 8), spread
        (how much the directions of the teacher's projections differ: 0 if all images are alike, at
        most 1) and duration in seconds.

    See Also
    --------
    SimSiamEmbedder : The same without a teacher.

    Notes
    -----
    A network that gives all images the same projection has the best loss, so a low loss says
    nothing; a warning is raised if the spread becomes small. ``transform`` uses the trained
    network, not the teacher. Unlike in the paper, both views are drawn in the same way, and none is
    solarised.

    References
    ----------
    Grill et al. Bootstrap Your Own Latent: A New Approach to Self-Supervised Learning.
    NeurIPS 2020.

    Examples
    --------
    >>> from sklssl import BYOLEmbedder
    >>> from sklssl.datasets import load_digit_images
    >>> X, _ = load_digit_images(return_X_y=True)
    >>> embedder = BYOLEmbedder(max_epochs=2, horizontal_flip=False, random_state=0)
    >>> embedder.fit_transform(X[:200]).shape
    (200, 5248)
    """

    _parameter_constraints = {
        "projection_dim": [Interval(Integral, 1, 2**14, closed="both")],
        "momentum": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(
        self,
        backbone: str | Callable[..., Any] = "patchconvnet",
        *,
        projection_dim: int = 256,
        momentum: float = 0.99,
        **shared: Unpack[ViewParameters],
    ) -> None:
        super().__init__(backbone, **shared)
        self.projection_dim = projection_dim
        self.momentum = momentum

    def _make_pretext(self, backbone: Backbone) -> Pretext:
        views = self._random_views()
        return BootstrapPretext(backbone, views, self.projection_dim, self.momentum)
