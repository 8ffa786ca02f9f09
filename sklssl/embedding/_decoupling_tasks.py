"""The tasks of rotation feature decoupling: one for each half of the features.

Feng, Xu, Tao. Self-Supervised Representation Learning by Rotation Feature Decoupling. CVPR 2019.
Sangam, Feng. Improving Self-Supervised Representation Learning by Rotation Feature Decoupling &
NT-Xent Loss. 2021.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sklssl._runtime.gather import gather_rows
from sklssl.augmentation._numbers import draw_integers
from sklssl.backbones import Backbone, pool_map
from sklssl.embedding._positive_unlabelled import estimate_pu_weights
from sklssl.embedding._rotnet import RotationPretext, rotate_four_ways
from sklssl.losses import instance_nce, nt_xent_to_mean, rotation_invariance, update_bank

__all__ = ["ContrastiveDecouplingPretext", "NCEDecouplingPretext"]

_PROJECTION = 128  # outputs of the instance head, in both papers
_MAX_NOISE = 4096  # rows of the memory with which an image is compared
_PU_START = 210 / 245  # of the epochs, in the base paper's code


def make_head(n_in: int, n_out: int, *, linear: bool) -> nn.Module:
    """Build a head that maps features to outputs, with one layer or two."""
    if linear:
        return nn.Linear(n_in, n_out)
    return nn.Sequential(nn.Linear(n_in, n_in), nn.ReLU(inplace=True), nn.Linear(n_in, n_out))


class DecouplingPretext(RotationPretext):
    """Predict rotations from the first half of the features; subclasses define the second task."""

    head: nn.Module
    pu_weights: Tensor | None

    _linear = False  # whether the heads have one layer

    def __init__(self, backbone: Backbone, temperature: float, pu_weighting: bool) -> None:
        super().__init__(backbone)
        self.n_related = backbone.n_features // 2
        n_unrelated = backbone.n_features - self.n_related
        self.head = make_head(self.n_related, 4, linear=self._linear)
        # Features after a ReLU all point in similar directions. Unless they are centred, they are
        # similar for all images at the start, and the instance task makes no progress.
        self.projection = nn.Sequential(
            nn.BatchNorm1d(n_unrelated, affine=False),
            make_head(n_unrelated, _PROJECTION, linear=self._linear),
        )
        self.temperature = temperature
        self.pu_weighting = pu_weighting
        self.progress = 0.0
        self.register_buffer("pu_weights", None)

    def chance_loss(self, n_images: int) -> None:
        return None  # the loss is a sum of several

    def views(self, images: Tensor, rng: torch.Generator, index: Tensor) -> tuple[Tensor, Any]:
        views, rotations = super().views(images, rng, index)
        return views, (rotations, index, self.draw_noise(len(images), rng))

    def forward(self, views: Tensor, targets: Any) -> dict[str, Tensor]:
        rotations, index, noise = targets
        related, unrelated = self.split(views)
        logits = self.head(related)
        errors = F.cross_entropy(logits, rotations, reduction="none")
        if self.training and self.pu_weights is not None:
            errors = errors * self.pu_weights[:, index].flatten()
        terms = {"rotation_loss": errors.mean()}
        terms |= self.instance_terms(unrelated.unflatten(0, (4, -1)), index, noise)
        accuracy = (logits.argmax(dim=1) == rotations).float().mean()
        return {"loss": sum(terms.values()), "accuracy": accuracy, **terms}

    def split(self, views: Tensor) -> tuple[Tensor, Tensor]:
        """Return the two halves of the features, each (4 * b, d)."""
        features = pool_map(self.backbone(views))
        return features[:, : self.n_related], features[:, self.n_related :]

    def instance_terms(self, unrelated: Tensor, index: Tensor, noise: Any) -> dict[str, Tensor]:
        """Return the terms of the second task for the second half of the features, (4, b, d)."""
        raise NotImplementedError

    def draw_noise(self, n_images: int, rng: torch.Generator) -> Tensor | None:
        """Draw the rows of the memory with which each image is compared, if there is a memory."""

    def before_fit(self, n_images: int) -> None:
        self.progress = 0.0

    def before_epoch(self, embed: Callable[..., Tensor], rng: torch.Generator) -> None:
        if not self.pu_weighting or self.progress < _PU_START:
            self.pu_weights = None
        elif self.pu_weights is None:
            related = embed(self.embed_rotations)
            weights = estimate_pu_weights(related.cpu().numpy())
            self.pu_weights = torch.from_numpy(weights).to(related)

    def embed_rotations(self, images: Tensor) -> Tensor:
        """Return the first half of the features (b, 4, d) of rotated images (b, C, s, s)."""
        related, _ = self.split(rotate_four_ways(images)[0])
        return related.unflatten(0, (4, -1)).transpose(0, 1)

    def after_step(self, progress: float) -> None:
        self.progress = progress


class ContrastiveDecouplingPretext(DecouplingPretext):
    """Second half: bring each rotation close to the mean of its image, by NT-Xent."""

    def instance_terms(
        self, unrelated: Tensor, index: Tensor, noise: Tensor | None
    ) -> dict[str, Tensor]:
        with_mean = torch.cat([unrelated, unrelated.mean(dim=0, keepdim=True)])
        z = self.projection(with_mean.flatten(0, 1)).unflatten(0, (5, -1))
        return {"instance_loss": nt_xent_to_mean(z[:4], z[4], self.temperature)}


class NCEDecouplingPretext(DecouplingPretext):
    """Second half: make rotations similar, and recognise their mean in a memory of all images."""

    bank: Tensor

    _linear = True

    def __init__(self, backbone: Backbone, temperature: float, pu_weighting: bool) -> None:
        super().__init__(backbone, temperature, pu_weighting)
        self.register_buffer("bank", None)
        self.is_stale = False  # whether the memory may contain other images than the next fit
        # Rows of the memory, and their new values after the step.
        self.seen: tuple[Tensor, Tensor] | None = None

    def before_fit(self, n_images: int) -> None:
        super().before_fit(n_images)
        if self.bank is None:
            self.bank = F.normalize(torch.randn(n_images, _PROJECTION), dim=1)
        elif len(self.bank) != n_images:
            raise ValueError(
                f"RotationDecouplingEmbedder with instance_task='nce' has a memory of the "
                f"{len(self.bank)} images that it was fitted on, and training can only continue "
                f"with these, but X has {n_images} images. Fit again with warm_start=False, or use "
                "instance_task='nt_xent', which has no memory."
            )
        else:
            self.is_stale = True

    def before_epoch(self, embed: Callable[..., Tensor], rng: torch.Generator) -> None:
        super().before_epoch(embed, rng)
        if self.is_stale:
            self.bank = F.normalize(embed(self.embed_instances), dim=1)
            self.is_stale = False

    def embed_instances(self, images: Tensor) -> Tensor:
        """Return the vectors (b, 128) of images (b, C, s, s) for the memory, not normalised."""
        _, unrelated = self.split(rotate_four_ways(images)[0])
        return self.projection(unrelated.unflatten(0, (4, -1)).mean(dim=0))

    def draw_noise(self, n_images: int, rng: torch.Generator) -> Tensor:
        n_rows = len(self.bank)
        return draw_integers((n_images, min(n_rows, _MAX_NOISE)), 0, n_rows, rng)

    def instance_terms(self, unrelated: Tensor, index: Tensor, noise: Tensor) -> dict[str, Tensor]:
        terms = {"invariance_loss": rotation_invariance(unrelated)}
        if self.training:  # in evaluation, the images may not be in the memory
            z = self.projection(unrelated.mean(dim=0))
            terms["instance_loss"] = self.discriminate(z, index, noise)
        return terms

    def discriminate(self, z: Tensor, index: Tensor, noise: Tensor) -> Tensor:
        """Return the loss of recognising images by their z (b, d)."""
        self.seen = index, update_bank(self.bank, z, index)
        # The constant of NCE is estimated from each batch. The papers keep that of the first batch,
        # but this is based on a random memory and soon inaccurate: the loss kept increasing.
        return instance_nce(z, self.bank, index, noise, self.temperature)

    def after_step(self, progress: float) -> None:
        super().after_step(progress)
        if self.seen is not None:
            index, rows = (gather_rows(part, "the memory")[0] for part in self.seen)
            self.bank[index] = rows
        self.seen = None
