"""A network whose weights are computed from the images in closed form.

Coates, Lee, Ng. An Analysis of Single-Layer Networks in Unsupervised Feature Learning. AISTATS
2011. Coates, Ng. Learning Feature Representations with K-means. 2012. Thiry, Arbel, Belilovsky,
Oyallon. The Unreasonable Effectiveness of Patches in Deep Convolutional Kernels Methods. ICLR 2021.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sklssl.backbones._base import Backbone
from sklssl.utils._whole import is_whole

__all__ = [
    "N_LEVELS",
    "ChannelProjection",
    "PatchDictionary",
    "PatchLevels",
    "check_n_atoms",
    "make_dictionaries",
    "patchnet",
]

Batches = Callable[[], Iterable[Tensor]]

_N_PATCHES = 60_000  # for the whitening and the choice of atoms
_THRESHOLD = 0.5  # in standard deviations of the responses
_SAMPLED_RESPONSES = 2**28  # from which these are computed, for very large dictionaries
# Of patches of standardised maps; smaller ones, where all patches are flat, are rounding errors.
_LEAST_VARIANCE, _LEAST_SPREAD = 1e-6, 0.01
_FLAT = 0.01  # of the mean variance; added to that of a patch to limit noise
N_LEVELS = 32  # more cost accuracy where brightness and colour tell nothing
_LEVEL_SCALE = 0.3  # averaged over regions, their variances are then like those of the others
_MOST_PROJECTED = 4096  # atoms; decomposing more would take many minutes and gigabytes
_LEAST_MAP = 16  # side from which feature maps are averaged over 4x4 windows
_SORTED_PLACES = 2**18  # of a feature map; sorting more takes much time and memory


class PatchDictionary(nn.Module):
    """Compute the similarities of all patches of a feature map to the atoms of a dictionary.

    A patch is normalised to zero mean and unit variance, whitened, and multiplied with each atom.
    The excess over a positive and a negative threshold gives two features per atom. This is
    implemented as a convolution, a division by the contrast of the patch, and two rectifications.
    Levels keep what the normalisation removes: see :class:`PatchLevels`.

    Parameters
    ----------
    in_channels : int
        Number of channels of the feature maps.

    n_atoms : int
        Number of atoms; each has two channels in the output.

    patch_size : int
        The side of a patch.

    regularisation : float
        Constant added to the variances of the patches, which are at most 1 on average, for the
        whitening.

    n_levels : int, default=0
        Number of levels; each has one channel in the output, after those of the atoms.

    stride : int, default=1
        Distance between neighbouring patches.

    window : int, default=1
        Side of the windows over which features are averaged, which overlap by half.
    """

    floor: Tensor

    def __init__(
        self,
        in_channels: int,
        n_atoms: int,
        patch_size: int,
        *,
        regularisation: float,
        n_levels: int = 0,
        stride: int = 1,
        window: int = 1,
    ) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.regularisation = regularisation
        self.stride = stride
        weight = torch.randn(n_atoms, in_channels, patch_size, patch_size)
        weight = weight - weight.mean((1, 2, 3), keepdim=True)
        self.weight = nn.Parameter(weight / math.sqrt(weight[0].numel()))
        self.bias = nn.Parameter(torch.zeros(n_atoms))
        self.register_buffer("floor", torch.full((1,), _FLAT))
        self.levels = PatchLevels(in_channels, n_levels) if n_levels else None
        self.pool = nn.AvgPool2d(window, window // 2) if window > 1 else nn.Identity()
        self.least_side = patch_size + (window - 1) * stride

    def forward(self, x: Tensor) -> Tensor:
        """Return the features (b, 2 * n_atoms + n_levels, h', w') of feature maps (b, C, h, w)."""
        x = self._extend(x)
        means, contrast = self._statistics(x)
        response = F.conv2d(x, self.weight, stride=self.stride)
        response = response * contrast.reciprocal().to(response.dtype)
        response = response + self.bias.to(response.dtype).view(1, -1, 1, 1)
        parts = [F.relu(response - _THRESHOLD), F.relu(-response - _THRESHOLD)]
        if self.levels is not None:
            parts.append(self.levels(means, contrast))
        return torch.cat([self.pool(part) for part in parts], dim=1)

    def _extend(self, x: Tensor) -> Tensor:
        """Repeat the last row and column of maps that are too small for a single patch."""
        missing = [max(0, self.least_side - side) for side in (x.shape[3], x.shape[2])]
        return F.pad(x, (0, missing[0], 0, missing[1]), "replicate") if any(missing) else x

    def _statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the means and the standard deviation (b, 1, h', w') of patches.

        The means are (b, C, h', w'), or (b, 1, h', w') over all channels if there are no levels.
        """
        x = x.float()
        square = F.avg_pool2d(x.square().mean(1, keepdim=True), self.patch_size, self.stride)
        x = x.mean(1, keepdim=True) if self.levels is None else x
        means = F.avg_pool2d(x, self.patch_size, self.stride)
        variance = (square - means.mean(1, keepdim=True).square()).clamp(min=0)
        return means, (variance + self.floor).sqrt()

    @torch.no_grad()
    def learn(self, batches: Batches, n_images: int) -> None:
        """Compute whitening and atoms from random patches of the feature maps of `n_images` images.

        Flat patches do not become atoms: normalised, they would all be the same. If there are fewer
        patches than atoms, the other atoms are random directions.
        """
        per_image = math.ceil(_N_PATCHES / n_images)
        drawn = [draw_patches(self._extend(maps), self.patch_size, per_image) for maps in batches()]
        patches = torch.cat(drawn)
        means, patches = patches.mean((2, 3)), patches.flatten(1)
        patches -= patches.mean(1, keepdim=True)
        variance = patches.square().mean(1, keepdim=True)
        self.floor.copy_(_FLAT * variance.mean()).clamp_(min=_LEAST_VARIANCE)
        contrast = (variance + self.floor).sqrt()
        patches /= contrast
        mean, whitening = whiten(patches, self.regularisation)
        white = (patches - mean) @ whitening
        uneven = (variance[:, 0] > self.floor).nonzero()[:, 0]
        chosen = uneven[torch.randperm(len(uneven))[: len(self.weight)]]
        extra = torch.randn(len(self.weight) - len(chosen), white.shape[1])
        atoms = F.normalize(torch.cat([white[chosen], extra]))
        n_sampled = min(_N_PATCHES // 10, max(_SAMPLED_RESPONSES // len(atoms), 1))
        some = white[:: -(-len(white) // n_sampled)]  # of all images: the first may be alike
        spread = (some @ atoms.T).std().clamp(min=_LEAST_SPREAD)
        weight = atoms @ whitening.T / spread
        self.bias.copy_(-(weight @ mean))
        weight -= weight.mean(1, keepdim=True)
        self.weight.copy_(weight.view_as(self.weight))
        if self.levels is not None:
            self.levels.learn(torch.cat([means, contrast], dim=1))


class PatchLevels(nn.Module):
    """Features of the brightness, colour and contrast of patches.

    These may be all that tells images apart, as with stained tissue. A feature is a random
    projection of the whitened statistics of a patch, the means of its channels and its standard
    deviation, above the value that a random patch has. It is not trained.

    Parameters
    ----------
    in_channels : int
        Number of channels of the feature maps.

    n_levels : int
        Number of features.
    """

    mean: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, in_channels: int, n_levels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(1, in_channels + 1, 1, 1))
        self.register_buffer("weight", torch.randn(n_levels, in_channels + 1, 1, 1))
        self.register_buffer("bias", torch.randn(n_levels))

    def forward(self, means: Tensor, contrast: Tensor) -> Tensor:
        """Return features (b, n_levels, h, w) of means (b, C, h, w) and contrast (b, 1, h, w)."""
        # Centred, they lose little in bfloat16.
        statistics = torch.cat([means, contrast], dim=1) - self.mean
        return F.relu(F.conv2d(statistics, self.weight, self.bias))

    @torch.no_grad()
    def learn(self, statistics: Tensor) -> None:
        """Compute the weights from the means and standard deviations (n, C + 1) of patches."""
        mean, whitening = whiten(statistics, 0.01)
        directions = F.normalize(torch.randn(self.weight.shape[:2]))
        weight = _LEVEL_SCALE * directions @ whitening.T
        thresholds = statistics[torch.randint(len(statistics), self.bias.shape)] - mean
        self.mean.copy_(mean.view_as(self.mean))
        self.weight.copy_(weight.view_as(self.weight))
        self.bias.copy_(-(weight * thresholds).sum(1))


class ChannelProjection(nn.Module):
    """The principal components of the first channels of a feature map, as a 1x1 convolution.

    Parameters
    ----------
    in_channels : int
        Number of channels to project; the feature maps may have others after them.

    n_components : int
        Number of output channels.
    """

    def __init__(self, in_channels: int, n_components: int) -> None:
        super().__init__()
        n_components = min(n_components, in_channels)
        weight = torch.randn(n_components, in_channels, 1, 1) / math.sqrt(in_channels)
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(n_components))

    def forward(self, x: Tensor) -> Tensor:
        """Return the components (b, n_components, h, w) of feature maps (b, C, h, w)."""
        return F.conv2d(self._first(x), self.weight, self.bias)

    def _first(self, x: Tensor) -> Tensor:
        return x[:, : self.weight.shape[1]]

    @torch.no_grad()
    def learn(self, batches: Batches, n_images: int) -> None:
        """Compute the components from the feature maps of `n_images` images."""
        per_image = math.ceil(_N_PATCHES / n_images)
        drawn = [draw_patches(self._first(maps), 1, per_image) for maps in batches()]
        pixels = torch.cat(drawn).flatten(1)
        mean, values, vectors = principal_axes(pixels)
        kept = slice(len(values) - len(self.weight), None)
        scale = values[kept].mean().clamp(min=1e-12).sqrt()
        weight = vectors[:, kept].T.flip(0) / scale
        self.weight.copy_(weight.view_as(self.weight))
        self.bias.copy_(-(weight @ mean))


def draw_patches(maps: Tensor, size: int, n_patches: int) -> Tensor:
    """Draw random patches of `size` x `size` from each of the feature maps (b, C, h, w).

    Returns
    -------
    patches : tensor of shape (b * min(n_patches, number of places), C, size, size)
        The patches; positions in a feature map are drawn without replacement.
    """
    windows = maps.float().unfold(2, size, 1).unfold(3, size, 1)  # a view: (b, C, h', w', s, s)
    n_maps, _, height, width = windows.shape[:4]
    n_patches = min(n_patches, height * width)
    places = _draw_places(n_maps, height * width, n_patches)
    rows = torch.arange(n_maps)[:, None]
    return windows[rows, :, places // width, places % width].flatten(0, 1)


def _draw_places(n_maps: int, n_places: int, n_drawn: int) -> Tensor:
    """Draw different numbers below `n_places` for each map, as (n_maps, n_drawn)."""
    if n_places <= _SORTED_PLACES:
        return torch.rand(n_maps, n_places).argsort(dim=1)[:, :n_drawn]
    return torch.stack([torch.randperm(n_places)[:n_drawn] for _ in range(n_maps)])


def principal_axes(rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the mean (d,), variances (d,) and axes (d, d), in columns, of rows (n, d)."""
    mean = rows.mean(0)
    centred = (rows - mean).double()
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(rows))
    return mean, values.clamp(min=0).float(), vectors.float()


def whiten(rows: Tensor, regularisation: float) -> tuple[Tensor, Tensor]:
    """Return the mean (d,) of rows (n, d), and the symmetric matrix (d, d) that whitens them."""
    mean, values, vectors = principal_axes(rows)
    return mean, vectors * (values + regularisation).rsqrt() @ vectors.T


def patchnet(
    in_channels: int = 3,
    image_size: int = 32,
    n_atoms: int | Sequence[int] = (128, 384),
    patch_size: int | None = None,
) -> Backbone:
    """Build a network of one or two dictionaries of patches.

    An embedder computes the weights from its images before training. Until then the network has
    random weights.

    Parameters
    ----------
    in_channels : int, default=3
        Number of channels of the images.

    image_size : int, default=32
        The shorter side of the images. Neighbouring patches are
        ``max(1, round(image_size / 32))`` pixels apart: 1 below 48 pixels, 2 from 48, 3 from 81,
        4 from 112, and so on.

    n_atoms : int or sequence of int, default=(128, 384)
        Number of atoms of each dictionary, for one or two dictionaries; the first of two has at
        most 4,096.

    patch_size : int, default=None
        The side of the patches. None means 6 for images of 32 pixels, and a proportional size from
        3 to 8 for others.

    Returns
    -------
    backbone : Backbone
        The network, with the stages patches1 and patches2, which have two channels per atom; in
        the first there are 32 more, for brightness, colour and contrast.

    Raises
    ------
    ValueError
        If a patch is larger than the images, or `n_atoms` is not one or two integers of at least 1,
        or the first of two is above 4,096.
    """
    stages = make_dictionaries(in_channels, image_size, check_n_atoms(n_atoms), patch_size)
    return Backbone(stages, in_channels, image_size)


def make_dictionaries(
    in_channels: int, image_size: int, counts: Sequence[int], patch_size: int | None = None
) -> dict[str, nn.Module]:
    """Make the stages of :func:`patchnet`."""
    size = patch_size or min(8, max(3, round(6 * image_size / 32)))
    if size > image_size:
        raise ValueError(
            f"patches of {size}x{size} pixels do not fit into images of {image_size} pixels. Use "
            "a smaller patch_size or a larger image_size."
        )
    stride = max(1, round(image_size / 32))
    n_places = (image_size - size) // stride + 1
    pooled = n_places >= _LEAST_MAP
    first = PatchDictionary(
        in_channels,
        counts[0],
        size,
        regularisation=0.1,
        n_levels=N_LEVELS,
        stride=stride,
        window=4 if pooled else 1,
    )
    if len(counts) == 1:
        return {"patches1": first}
    side = (n_places - 4) // 2 + 1 if pooled else n_places
    projection = ChannelProjection(2 * counts[0], 32)
    second = PatchDictionary(len(projection.weight), counts[1], min(3, side), regularisation=1.0)
    return {"patches1": first, "patches2": nn.Sequential(projection, second)}


def check_n_atoms(n_atoms: Any) -> list[int]:
    """Return the numbers of atoms as a list; raise a ValueError if they are invalid."""
    counts = list(n_atoms) if isinstance(n_atoms, Sequence) else [n_atoms]
    if len(counts) not in (1, 2) or not all(map(is_whole, counts)):
        raise ValueError(
            "n_atoms must be one or two integers of at least 1, the number of atoms of each "
            f"dictionary. Got {n_atoms!r}."
        )
    if len(counts) == 2 and counts[0] > _MOST_PROJECTED:
        raise ValueError(
            f"n_atoms may begin with at most {_MOST_PROJECTED} if there are two dictionaries, as "
            f"principal components of the first one are computed. Got {n_atoms!r}. Use more atoms "
            "in the second one, or a single dictionary."
        )
    return [int(n) for n in counts]
