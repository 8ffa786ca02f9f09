"""Embedders without a pretext task."""

from typing import NoReturn

from sklssl._training.config import Phase
from sklssl.backbones import Backbone
from sklssl.base import BaseEmbedder, Pretext

__all__ = ["UntrainedEmbedder"]


class UntrainedEmbedder(BaseEmbedder):
    """Base of the embedders whose network is not trained.

    Parameters
    ----------
    verbose : int
        Has no effect: nothing is trained.

    Attributes
    ----------
    pretext_ : Pretext
        Holds the network, ``pretext_.encoder``, in evaluation mode; there is no task.

    history_ : list of dict
        Empty: there are no epochs.

    n_epochs_ : int
        0.
    """

    # Attributes that the base class reads. As nothing is trained, they are not parameters.
    max_epochs, batch_size, learning_rate, lr_schedule = 0, 256, 1.0, "constant"
    optimizer, weight_decay, max_grad_norm, compile = "sgd", 0.0, None, False
    micro_batch_size = None
    warm_start, callbacks = False, None
    checkpoint_dir, checkpoint_every, resume = None, "epoch", "never"

    @property
    def partial_fit(self) -> NoReturn:
        """Not available: nothing is trained."""
        raise AttributeError(
            f"{type(self).__name__} has no partial_fit, because nothing is trained. Fit it on a "
            "sample of the images; transform and transform_iter accept any number."
        )

    @property
    def score(self) -> NoReturn:
        """Not available: there is no task."""
        raise AttributeError(
            f"{type(self).__name__} has no score, because it has no task. Score a classifier on "
            "its features, or pass a scorer of sklssl.metrics as scoring."
        )

    def _make_pretext(self, backbone: Backbone) -> Pretext:
        return Pretext(backbone)

    def _phases(self) -> list[Phase]:
        return [Phase(1.0, self.learning_rate, 0)]
