"""Views of an image with its own small copy pasted into it; what embedders by them share."""

from numbers import Real

import torch

from sklssl._data.batches import resize
from sklssl.base import BaseEmbedder
from sklssl.embedding._rotnet import rotate_four_ways
from sklssl.utils._sklearn_compat import Interval

__all__ = ["PatchEmbedder", "draw_places", "paste", "patch_side", "rotate_and_patch"]


def patch_side(side, patch_ratio):
    """Give the side in pixels of the patch in an image of `side` pixels."""
    return round(patch_ratio * side)


def draw_places(n_images, side, patch_side, rng):
    """Draw where patches go: (n_images, 2) rows and columns of their upper left pixels."""
    high = side - patch_side + 1
    return torch.randint(0, high, (n_images, 2), generator=rng, device=rng.device)


def paste(images, patches, places):
    """Copy images (b, C, s, s) with patches (b, C, p, p) pasted at places (b, 2)."""
    span = torch.arange(patches.shape[2], device=images.device)
    rows, columns = places[:, :1] + span, places[:, 1:] + span
    batch = torch.arange(len(images), device=images.device)
    # With the channels last, as they lie in memory.
    out = images.permute(0, 2, 3, 1).clone()
    out[batch[:, None, None], rows[:, :, None], columns[:, None, :]] = patches.permute(0, 2, 3, 1)
    return out.permute(0, 3, 1, 2)


def rotate_and_patch(images, side, places):
    """Make the eight views of each image (b, C, s, s): turned, and with a turned patch.

    Returns
    -------
    views : tensor of shape (8 * b, C, s, s)
        The four rotations of all images (see :func:`rotate_four_ways`), then the upright images
        with each rotation pasted at `places`, shrunken to `side` pixels.

    targets : tensor of shape (8 * b,)
        The number of quarter turns; 4 more for a patch.
    """
    turned, targets = rotate_four_ways(images)
    patches = resize(turned, (side, side))
    patched = paste(images.repeat(4, 1, 1, 1), patches, places.repeat(4, 1))
    views = torch.cat([turned, patched]).contiguous(memory_format=torch.channels_last)
    return views, torch.cat([targets, targets + 4])


class PatchEmbedder(BaseEmbedder):
    """Base of the embedders by patches: their parameters and what they ask of the images."""

    _square_only = True
    _parameter_constraints = {
        **BaseEmbedder._parameter_constraints,
        "patch_ratio": [Interval(Real, 0, 1, closed="neither")],
    }

    def __init__(
        self,
        backbone="patchconvnet",
        *,
        patch_ratio=0.4,
        layer="auto",
        pool_size=3,
        symmetry="auto",
        image_shape=None,
        image_size=None,
        cache_dir=None,
        on_error="raise",
        max_epochs=6,
        batch_size=32,
        learning_rate=0.1,
        lr_schedule="step",
        optimizer="sgd",
        weight_decay=5e-4,
        max_grad_norm=None,
        init_weights=None,
        warm_start=False,
        device="auto",
        precision="auto",
        compile=False,
        checkpoint_dir=None,
        checkpoint_every="epoch",
        resume="auto",
        callbacks=None,
        random_state=None,
        verbose=0,
    ):
        super().__init__(
            backbone,
            layer=layer,
            pool_size=pool_size,
            symmetry=symmetry,
            image_shape=image_shape,
            image_size=image_size,
            cache_dir=cache_dir,
            on_error=on_error,
            max_epochs=max_epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            lr_schedule=lr_schedule,
            optimizer=optimizer,
            weight_decay=weight_decay,
            max_grad_norm=max_grad_norm,
            init_weights=init_weights,
            warm_start=warm_start,
            device=device,
            precision=precision,
            compile=compile,
            checkpoint_dir=checkpoint_dir,
            checkpoint_every=checkpoint_every,
            resume=resume,
            callbacks=callbacks,
            random_state=random_state,
            verbose=verbose,
        )
        self.patch_ratio = patch_ratio

    def _check_size(self, size):
        """Refuse also a patch without a pixel, or one as large as the image."""
        super()._check_size(size)
        side = size[0]
        patch = patch_side(side, self.patch_ratio)
        if not 0 < patch < side:
            came = "leaves no pixel" if patch == 0 else "fills the image"
            raise ValueError(
                f"The 'patch_ratio' parameter of {type(self).__name__}: {self.patch_ratio!r} of "
                f"{side} pixels {came}. The patch must have at least 1 and at most {side - 1} "
                f"pixels a side: give a ratio between {0.5 / side:.2g} and {1 - 0.5 / side:.2g}."
            )
