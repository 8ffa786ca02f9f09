"""Rotation feature decoupling: half of the features predict rotations, half ignore them.

Feng, Xu, Tao. Self-Supervised Representation Learning by Rotation Feature Decoupling. CVPR 2019.
Sangam, Feng. Improving Self-Supervised Representation Learning by Rotation Feature Decoupling &
NT-Xent Loss. 2021.
"""

from collections.abc import Callable
from numbers import Real
from typing import Any, Unpack

from sklssl.backbones import Backbone
from sklssl.base import BaseEmbedder, Pretext, SharedParameters, parameters
from sklssl.embedding._decoupling_tasks import ContrastiveDecouplingPretext, NCEDecouplingPretext
from sklssl.utils._sklearn_compat import Interval, StrOptions

__all__ = ["RotationDecouplingEmbedder"]

# The task of the second half, and the temperature in its paper or code.
_TASKS = {"nce": (NCEDecouplingPretext, 0.07), "nt_xent": (ContrastiveDecouplingPretext, 0.5)}


@parameters(learning_rate=1e-3, lr_schedule="cosine", optimizer="adam")
class RotationDecouplingEmbedder(BaseEmbedder):
    """Embed images by features of which half predict rotations and half are invariant to them.

    The first half of the network's features predicts how an image was rotated, as in
    :class:`RotNetEmbedder`. The second half learns what is the same in all four rotations and
    differs between images, which the rotation task alone would not require.

    Parameters
    ----------
    instance_task : {"nce", "nt_xent"}
        What the second half of the features learns. With "nce", the four rotations have similar
        features, whose mean is recognised among all images. These are kept in a memory (512 bytes
        per image, also in pickles), so that training can continue only with the same number of
        images. With "nt_xent", each rotation of an image is closer to the mean of the four than to
        other images, and the heads have two layers.

    temperature : float
        Divisor of the similarities. None means 0.07 for "nce" and 0.5 for "nt_xent".

    pu_weighting : bool
        Whether rotated images that look upright count less in the last seventh of the epochs. How
        upright they look is learned at that point from the features of the rotation task, with the
        original images as positive and the rotated ones as unlabelled examples. It has no effect
        with fewer than seven epochs, nor in ``partial_fit``.

    Attributes
    ----------
    history_ : list of dict
        One row per epoch: epoch, phase, scale, learning_rate, loss, accuracy (of the rotations),
        rotation_loss, instance_loss, invariance_loss (only for "nce") and duration in seconds.

    See Also
    --------
    RotNetEmbedder : Only the rotations.
    SimCLREmbedder : Distinguishes images despite crops and colour changes.

    Notes
    -----
    The images must be square; set `image_size` if they are not. All terms of the loss have a weight
    of 1. As in the base paper, a rotated image that looks upright with probability p has a weight
    of 1 - p**2.

    References
    ----------
    Feng, Xu, Tao. Self-Supervised Representation Learning by Rotation Feature Decoupling.
    CVPR 2019.

    Sangam, Feng. Improving Self-Supervised Representation Learning by Rotation Feature Decoupling
    & NT-Xent Loss. 2021.

    Examples
    --------
    >>> from sklssl import RotationDecouplingEmbedder
    >>> from sklssl.datasets import load_digit_images
    >>> X, _ = load_digit_images(return_X_y=True)
    >>> embedder = RotationDecouplingEmbedder(max_epochs=2, random_state=0).fit(X[:200])
    >>> embedder.score(X[200:400]) > 1 / 4
    True
    """

    _square_only = True
    _parameter_constraints = {
        "instance_task": [StrOptions(set(_TASKS))],
        "temperature": [Interval(Real, 0, None, closed="neither"), None],
        "pu_weighting": ["boolean"],
    }

    def __init__(
        self,
        backbone: str | Callable[..., Any] = "patchconvnet",
        *,
        instance_task: str = "nce",
        temperature: float | None = None,
        pu_weighting: bool = False,
        **shared: Unpack[SharedParameters],
    ) -> None:
        super().__init__(backbone, **shared)
        self.instance_task = instance_task
        self.temperature = temperature
        self.pu_weighting = pu_weighting

    def _make_pretext(self, backbone: Backbone) -> Pretext:
        make, usual_temperature = _TASKS[self.instance_task]
        return make(backbone, self.temperature or usual_temperature, self.pu_weighting)
