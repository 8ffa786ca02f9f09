"""The pretext task: what a method trains the network on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from sklssl.backbones import Backbone

__all__ = ["Pretext"]


class Pretext(nn.Module):
    """A self-supervised task: the input of the network, and the loss of its output.

    It owns the backbone and all other modules and state of the method (heads, a teacher, a queue).
    It is built during ``fit`` by :meth:`BaseEmbedder._make_pretext`.

    Parameters
    ----------
    backbone : Backbone
        The network to train.

    Attributes
    ----------
    finished : bool
        Set to True to end training after the current epoch.

    made_with : dict of str to str
        Descriptions of the parameters of the embedder that the task depends on.
    """

    finished = False

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        self.made_with: dict[str, str] = {}

    @property
    def encoder(self) -> Backbone:
        """The network whose feature maps ``transform`` pools; the backbone by default."""
        return self.backbone

    def views(self, images: Tensor, rng: torch.Generator, index: Tensor) -> tuple[Any, Any]:
        """Return the input of the network and the targets for a batch.

        Parameters
        ----------
        images : tensor of shape (b, C, H, W)
            Float32 in [0, 1].

        rng : torch.Generator
            The source of all randomness, on the device of the images.

        index : tensor of shape (b,), int64
            The rows of the images among the `n_images` of ``before_fit``: the rows of X without
            files that ``on_error="skip"`` leaves out.

        Returns
        -------
        views, targets : tuple
            Passed to ``forward`` unchanged. Return None as targets if there are none.
        """
        raise NotImplementedError(f"{type(self).__name__} must define views(images, rng, index).")

    def forward(self, views: Any, targets: Any) -> dict[str, Tensor]:
        """Return named terms: ``"loss"`` is minimised, all of them are recorded.

        ``score`` returns the term ``"accuracy"``, if there is one. The feature maps of backbones
        are float32, whatever the precision of their computations, so heads and losses compute in
        float32.

        Parameters
        ----------
        views, targets
            The values returned by ``views``.

        Returns
        -------
        terms : dict of str to tensor of shape ()
            The loss must have a gradient.
        """
        raise NotImplementedError(f"{type(self).__name__} must define forward(views, targets).")

    def chance_loss(self, n_images: int) -> float | None:
        """Return the loss of random guessing in a batch of `n_images`, or None by default.

        A warning is raised if the loss does not become smaller than this.
        """

    def before_fit(self, n_images: int) -> None:
        """Prepare for training on `n_images` images. Does nothing by default.

        Called once per ``fit`` and ``partial_fit``, on the CPU. Create buffers with an entry per
        image here, and raise a ValueError if the task cannot be trained on that many images.
        """

    def before_epoch(self, embed: Callable[..., Tensor], rng: torch.Generator) -> None:
        """Prepare an epoch. Does nothing by default.

        ``embed()`` returns the features (n, d) of all training images in row order, in evaluation
        mode. ``embed(encode)`` returns the outputs of a function of images (b, C, H, W) instead.
        """

    def after_step(self, progress: float) -> None:
        """Update state after a training step. Does nothing by default.

        Parameters
        ----------
        progress : float
            The completed share of the planned steps of this call of ``fit``, over all scales, in
            (0, 1]. It never decreases, and continues when a checkpoint is resumed. It skips the
            remaining steps of a scale that a callback ends early. In ``partial_fit``, which more
            chunks may follow, it is 0.
        """

    def after_epoch(self) -> dict[str, float]:
        """Return more terms for the history, in evaluation mode. Empty by default.

        ``lr_schedule="plateau"`` monitors ``"valid_loss"``, if it is among them, instead of the
        loss.
        """
        return {}
