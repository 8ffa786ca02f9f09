"""Hashes of arrays and networks."""

import hashlib
import math
from typing import Any

import numpy as np
from torch import Tensor

from sklssl._data.batches import slices
from sklssl._storage.module_state import named_tensors, tensor_bytes

__all__ = ["fingerprint", "fingerprint_module", "fingerprint_tensors"]

_PIECE_BYTES = 2**24


def fingerprint_module(module: Any) -> str:
    """Hash the tensors of a module."""
    return fingerprint_tensors(named_tensors(module))


def fingerprint_tensors(tensors: dict[str, Tensor]) -> str:
    """Hash named tensors."""
    digest = hashlib.sha256()
    for name, tensor in tensors.items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor_bytes(tensor).data)
    return digest.hexdigest()


def fingerprint(*arrays: Any) -> str:
    """Hash arrays, or objects that can be sliced into arrays, piece by piece."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.shape}{array.dtype}".encode())
        row = max(1, math.prod(array.shape[1:]) * array.dtype.itemsize)
        for part in slices(len(array), max(1, _PIECE_BYTES // row)):
            rows: Any = np.ascontiguousarray(array[part])
            digest.update(rows.view(np.uint8))  # dates have no buffer of their own
    return digest.hexdigest()
