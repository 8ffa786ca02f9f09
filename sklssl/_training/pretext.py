"""What a method is: the task that a network learns by."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from sklssl.backbones import Backbone

__all__ = ["Pretext"]


class Pretext(nn.Module):
    """One self-supervised task: what the network sees and what it must answer.

    It owns the backbone and whatever else learns or remembers (heads, a teacher, a queue), and
    is built inside ``fit`` by :meth:`BaseEmbedder._make_pretext`.

    Parameters
    ----------
    backbone : Backbone
        The network whose features are wanted.

    Attributes
    ----------
    finished : bool
        Set to True by a task that wants no further epoch.
    """

    finished = False

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    @property
    def encoder(self) -> Backbone:
        """The module whose maps ``transform`` pools: the backbone, unless a task says else."""
        return self.backbone

    def views(self, images: Tensor, rng: torch.Generator, index: Tensor) -> tuple[Any, Any]:
        """Make what the network sees, and the answer it must give.

        Parameters
        ----------
        images : tensor of shape (b, C, H, W)
            Floats in [0, 1].

        rng : torch.Generator
            The source of all randomness, on the device of the images.

        index : tensor of shape (b,)
            The row numbers of the images in X.

        Returns
        -------
        views, targets
            Handed to ``forward`` as they are.
        """
        raise NotImplementedError(f"{type(self).__name__} must define views(images, rng, index).")

    def forward(self, views: Any, targets: Any) -> dict[str, Tensor]:
        """Give named scalar terms: ``"loss"`` is minimised, the rest is recorded.

        A term named ``"accuracy"``, if there is one, is what ``score`` returns.
        """
        raise NotImplementedError(f"{type(self).__name__} must define forward(views, targets).")

    def chance_loss(self, n_images: int) -> float | None:
        """Give the loss of guessing in a batch of `n_images`, to warn of one that is no better.

        None, as here, where there is no such loss.
        """

    def before_fit(self, n_images: int) -> None:
        """Prepare for training on `n_images` rows, or refuse them by a ValueError. Nothing here.

        Called once by each ``fit`` and ``partial_fit``, on the CPU: the place to make what
        remembers something of every row.
        """

    def before_epoch(self, embed: Callable[..., Tensor], rng: torch.Generator) -> None:
        """Prepare an epoch. Nothing here.

        ``embed()`` gives the features (n, d) of all training images in row order, in evaluation
        mode; ``embed(encode)`` what a function of images (b, C, H, W) gives for them.
        """

    def after_step(self, progress: float) -> None:
        """Follow up a step. Nothing here.

        Parameters
        ----------
        progress : float
            The share of the planned steps that are done, in (0, 1], 1 after the last one. It
            counts the epochs of all scales of this call of ``fit``, also of one with
            ``warm_start``, or the one epoch of this call of ``partial_fit``; it goes on where a
            checkpoint left it. It never falls; it jumps ahead where a callback ends a scale early.
        """

    def after_epoch(self) -> dict[str, float]:
        """Give more named terms for the row of the epoch, in evaluation mode. None here.

        A ``"valid_loss"`` among them is what ``lr_schedule="plateau"`` watches in place of the
        loss.
        """
        return {}
