"""ScaleNet: recognise rotations of small images first, then of full-size ones.

Huang, Roozbahani. ScaleNet: An Unsupervised Representation Learning Method for Limited
Information. GCPR 2021.
"""

from collections.abc import Callable, Sequence
from typing import Any

from sklssl._training.config import Phase
from sklssl.backbones import Backbone
from sklssl.base import BaseEmbedder
from sklssl.embedding._multiscale import MULTISCALE_CONSTRAINTS, check_sequence, make_phases
from sklssl.embedding._rotnet import RotationPretext

__all__ = ["ScaleNetEmbedder"]

_PAPER_RATES = (0.1, 0.05, 0.01)


class ScaleNetEmbedder(BaseEmbedder):
    """Embed images by predicting rotations at increasing scales.

    The network first learns to predict the rotation of reduced images (see
    :class:`RotNetEmbedder`); its weights are then the starting point for the next, larger scale.
    Small images show shapes without detail, and training on them is fast. The paper reports the
    largest gain for few images.

    Parameters
    ----------
    scales : sequence of float
        The factors by which the images are resized (bilinearly), one after another; each in (0, 1]
        and large enough to leave sides of at least 4 pixels.

    learning_rates : float or sequence of float
        The learning rate of each scale, or one for all, before `lr_schedule` changes it. None means
        those of the paper: 0.1, then 0.05, then 0.01. A smaller learning rate preserves what was
        learned at the previous scale.

    max_epochs : int or sequence of int
        The number of passes over the images, for each scale or one for all; 0 leaves the network
        untrained, as a baseline for comparisons.

    See Also
    --------
    RotNetEmbedder : The same task at one scale.
    MultiScaleEmbedder : Training at increasing scales for any embedder.

    Notes
    -----
    The images must be square; set `image_size` if they are not. ``partial_fit`` trains for one
    epoch at the last scale.

    References
    ----------
    Huang, Roozbahani. ScaleNet: An Unsupervised Representation Learning Method for Limited
    Information. GCPR 2021.

    Examples
    --------
    >>> from sklssl import ScaleNetEmbedder
    >>> from sklssl.datasets import load_digit_images
    >>> X, _ = load_digit_images(return_X_y=True)
    >>> embedder = ScaleNetEmbedder(max_epochs=1, random_state=0).fit(X[:500])
    >>> [(row["scale"], row["learning_rate"]) for row in embedder.history_]
    [(0.5, 0.1), (1.0, 0.05)]
    """

    _square_only = True
    _schedule = ("scales", "learning_rates")
    _parameter_constraints = MULTISCALE_CONSTRAINTS

    # Each scale has its own learning rate instead.
    learning_rate = None

    def __init__(
        self,
        scales: Sequence[float] = (0.5, 1.0),
        *,
        learning_rates: float | Sequence[float] | None = None,
        max_epochs: int | Sequence[int] = 10,
        backbone: str | Callable[..., Any] = "patchconvnet",
        **shared: Any,
    ) -> None:
        given: dict[str, Any] = {"max_epochs": max_epochs, **shared}
        super().__init__(backbone, **given)
        self.scales = scales
        self.learning_rates = learning_rates

    def _make_pretext(self, backbone: Backbone) -> RotationPretext:
        return RotationPretext(backbone)

    def _phases(self) -> list[Phase]:
        rates = self.learning_rates
        if rates is None:
            check_sequence(self, "scales", self.scales)
            rates = [_PAPER_RATES[min(i, 2)] for i in range(len(self.scales))]
        return make_phases(self, rates, self.max_epochs)
