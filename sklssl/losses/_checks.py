"""Precision, unit vectors and argument checks shared by the losses."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sklssl.utils._whole import is_whole

__all__ = [
    "at_least_float32",
    "check_count",
    "check_negatives",
    "check_positive",
    "full_precision",
    "shapes_error",
    "unit",
]


def full_precision(tensor: Tensor) -> torch.autocast:
    """Return a context that disables autocast on the device of `tensor`."""
    return torch.autocast(tensor.device.type, enabled=False)


def at_least_float32(tensor: Tensor) -> Tensor:
    """Return the tensor in float64 if it is float64, otherwise in float32."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def unit(vectors: Tensor) -> Tensor:
    """Scale vectors along the last dimension to length 1, in at least float32; 0 stays 0."""
    vectors = at_least_float32(vectors)
    lengths = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    # With a tiny divisor instead, dead units would get gradients of 1e12.
    return vectors / lengths.masked_fill(lengths == 0, 1)


def check_positive(function: str, **numbers: float) -> None:
    """Raise an error if a number is not finite and positive."""
    for name, value in numbers.items():
        if not 0 < value < math.inf:
            raise ValueError(f"{function}: {name} must be finite and above 0, got {value}.")


def check_count(function: str, least: int, **counts: int) -> None:
    """Raise an error if a count is not an integer of at least `least`."""
    for name, value in counts.items():
        if not is_whole(value, least):
            raise ValueError(
                f"{function}: {name} must be an integer of at least {least}, got {value}."
            )


def check_negatives(function: str, n_images: int) -> None:
    """Raise an error if an image has no others, which are its negatives."""
    if n_images < 2:
        raise ValueError(
            f"{function}: at least two images are needed, since the others are the negatives, "
            f"got a batch of {n_images}."
        )


def shapes_error(function: str, expected: str, **tensors: Tensor) -> ValueError:
    """Return an error with the expected and the received shapes."""
    got = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in tensors.items())
    return ValueError(f"{function}: expected {expected}, got {got}.")
