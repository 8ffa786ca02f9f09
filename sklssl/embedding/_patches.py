"""Images with a small copy of themselves pasted in, and the base of the embedders using them."""

from collections.abc import Callable
from numbers import Real
from typing import Any, Unpack

import torch
from torch import Tensor

from sklssl._data.batches import resize
from sklssl.augmentation._numbers import draw_integers
from sklssl.base import BaseEmbedder, SharedParameters, parameters
from sklssl.embedding._rotnet import rotate_four_ways
from sklssl.utils._sklearn_compat import Interval

__all__ = ["PatchEmbedder", "draw_places", "paste", "patch_side", "rotate_and_patch"]


def patch_side(side: int, patch_ratio: float) -> int:
    """Return the side in pixels of the patch in an image of `side` pixels."""
    return round(patch_ratio * side)


def draw_places(n_images: int, side: int, patch_side: int, rng: torch.Generator) -> Tensor:
    """Draw positions for patches: (n_images, 2) rows and columns of their upper left pixels."""
    return draw_integers((n_images, 2), 0, side - patch_side + 1, rng)


def paste(images: Tensor, patches: Tensor, places: Tensor) -> Tensor:
    """Return copies of images (b, C, s, s) with patches (b, C, p, p) pasted at places (b, 2)."""
    span = torch.arange(patches.shape[2], device=images.device)
    rows, columns = places[:, :1] + span, places[:, 1:] + span
    batch = torch.arange(len(images), device=images.device)
    # Channels last, which is their order in memory.
    out = images.permute(0, 2, 3, 1).clone()
    out[batch[:, None, None], rows[:, :, None], columns[:, None, :]] = patches.permute(0, 2, 3, 1)
    return out.permute(0, 3, 1, 2)


def rotate_and_patch(images: Tensor, side: int, places: Tensor) -> tuple[Tensor, Tensor]:
    """Make the eight views of each image (b, C, s, s): rotated, and with a rotated patch.

    Returns
    -------
    views : tensor of shape (8 * b, C, s, s)
        The four rotations of all images (see :func:`rotate_four_ways`), then the upright images
        with each rotation, shrunk to `side` pixels, pasted at `places`.

    targets : tensor of shape (8 * b,)
        The number of quarter turns, plus 4 for a patch.
    """
    turned, targets = rotate_four_ways(images)
    patches = resize(turned, (side, side))
    patched = paste(images.repeat(4, 1, 1, 1), patches, places.repeat(4, 1))
    views = torch.cat([turned, patched]).contiguous(memory_format=torch.channels_last)
    return views, torch.cat([targets, targets + 4])


@parameters(max_epochs=6)
class PatchEmbedder(BaseEmbedder):
    """Base of the embedders that learn from rotated patches.

    Parameters
    ----------
    patch_ratio : float
        The side of the pasted copy as a proportion of the side of the image, between 0 and 1.
    """

    _square_only = True
    _parameter_constraints = {"patch_ratio": [Interval(Real, 0, 1, closed="neither")]}

    def __init__(
        self,
        backbone: str | Callable[..., Any] = "patchconvnet",
        *,
        patch_ratio: float = 0.4,
        **shared: Unpack[SharedParameters],
    ) -> None:
        super().__init__(backbone, **shared)
        self.patch_ratio = patch_ratio

    def _check_size(self, size: tuple[int, int]) -> None:
        """Raise an error for patches without pixels, or as large as the image, too."""
        super()._check_size(size)
        side = size[0]
        patch = patch_side(side, self.patch_ratio)
        if not 0 < patch < side:
            came = "leaves no pixel" if patch == 0 else "fills the image"
            raise ValueError(
                f"The 'patch_ratio' parameter of {type(self).__name__}: {self.patch_ratio!r} of "
                f"{side} pixels {came}. The side of the patch must have 1 to {side - 1} pixels: "
                f"use a ratio between {0.5 / side:.2g} and {1 - 0.5 / side:.2g}."
            )
