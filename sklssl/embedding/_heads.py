"""Parts that several methods share: projection heads, momentum teachers, collapse."""

import copy
import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sklssl._runtime.gather import gather_rows
from sklssl.backbones import pool_map

__all__ = ["Projector", "Prototypes", "Teacher", "make_mlp", "outputs_by_view", "spread"]


def make_mlp(widths: Sequence[int], *, last_norm: bool = False) -> nn.Sequential:
    """Build a head of linear layers with batch normalisation and ReLU between them.

    Parameters
    ----------
    widths : sequence of int
        The number of inputs, of the units of each hidden layer, and of outputs.

    last_norm : bool, default=False
        Whether the outputs are normalised over the batch, too, without weights.
    """
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths[:-1]):
        layers += [nn.Linear(n_in, n_out, bias=False), nn.BatchNorm1d(n_out), nn.ReLU(inplace=True)]
    layers.append(nn.Linear(widths[-2], widths[-1], bias=not last_norm))
    if last_norm:
        layers.append(nn.BatchNorm1d(widths[-1], affine=False))
    return nn.Sequential(*layers)


class Projector(nn.Module):
    """A backbone followed by a head: from views (b, C, h, w) to projections (b, d)."""

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, views: Tensor) -> Tensor:
        return self.head(pool_map(self.backbone(views)))


class Prototypes(nn.Module):
    """Unit vectors with which projections are compared: (b, d) to cosine similarities (b, k)."""

    def __init__(self, width: int, n_prototypes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_prototypes, width))

    def forward(self, z: Tensor) -> Tensor:
        return F.normalize(z, dim=1) @ F.normalize(self.weight, dim=1).T


def outputs_by_view(module: nn.Module, views: Sequence[Tensor], n_images: int) -> Tensor:
    """Return the outputs (v, b, d) of a module for v views of each of the b images.

    Each tensor (m * b, C, h, w) has m views of one size, which pass through the module together.
    """
    return torch.cat([module(view).unflatten(0, (-1, n_images)) for view in views])


class Teacher(nn.Module):
    """A copy of a module whose weights follow it slowly and are never trained.

    Parameters
    ----------
    student : nn.Module
        The module to copy.

    momentum : float
        The share of its own weights that the teacher keeps at each step, at the start. It rises to
        1 at the end of training along a cosine.
    """

    def __init__(self, student: nn.Module, momentum: float) -> None:
        super().__init__()
        self.module = copy.deepcopy(student).requires_grad_(False)
        self.momentum = momentum
        self.progress = 0.0  # of the training before the next step

    @torch.no_grad()
    def forward(self, views: Tensor) -> Tensor:
        return self.module(views)

    @torch.no_grad()
    def follow(self, student: nn.Module, progress: float) -> None:
        """Move the weights towards those of the student after a step; other state is copied.

        `progress` is the share of the training that is done after this step.
        """
        momentum = 1 - (1 - self.momentum) * (math.cos(math.pi * self.progress) + 1) / 2
        self.progress = progress if progress < 1 else 0.0  # another training may follow
        for weight, new in zip(self.module.parameters(), student.parameters(), strict=True):
            weight.lerp_(new, 1 - momentum)
        for state, now in zip(self.module.buffers(), student.buffers(), strict=True):
            state.copy_(now)


@torch.no_grad()
def spread(z: Tensor) -> Tensor:
    """Return how widely the directions of vectors (b, d) differ: 0 if all are equal, at most 1.

    In a distributed run the vectors are those of all processes.

    It is the standard deviation of a coordinate of the unit vectors, averaged over the coordinates
    and multiplied by the square root of d, as by Chen and He (2021).
    """
    everywhere, _ = gather_rows(F.normalize(z.float(), dim=1), "spread")
    return everywhere.std(dim=0, unbiased=False).mean() * math.sqrt(z.shape[1])
