"""What the losses share: precision, unit vectors, checks of arguments."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["at_least_float32", "check_temperature", "full_precision", "shapes_error", "unit"]


def full_precision(tensor: Tensor) -> torch.autocast:
    """Give the context in which autocast leaves operations on the device of `tensor` alone."""
    return torch.autocast(tensor.device.type, enabled=False)


def at_least_float32(tensor: Tensor) -> Tensor:
    """Give the tensor in float64 if it is, else in float32."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def unit(vectors: Tensor) -> Tensor:
    """Scale the vectors in the last dimension to length 1, in at least float32; 0 stays 0."""
    vectors = at_least_float32(vectors)
    lengths = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    # A tiny divisor instead would send gradients of 1e12 into a dead unit.
    return vectors / lengths.masked_fill(lengths == 0, 1)


def check_temperature(function: str, temperature: float) -> None:
    """Refuse a temperature that is not a finite number above 0."""
    if not 0 < temperature < math.inf:
        raise ValueError(f"{function}: temperature must be finite and above 0, got {temperature}.")


def shapes_error(function: str, expected: str, **tensors: Tensor) -> ValueError:
    """Give the error that names the shapes expected and those received."""
    got = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in tensors.items())
    return ValueError(f"{function}: expected {expected}, got {got}.")
