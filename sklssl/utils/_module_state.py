"""A torch module as bytes without tensors, plus its tensors as numpy arrays.

Pickled so, a module trained on any device loads on the CPU, its hash depends on its content
alone (torch's own pickles name storages by address), and joblib can memory-map the arrays.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["pack_module", "unpack_module"]


class _Pickler(pickle.Pickler):
    """Sets every tensor aside as an array and writes its number in place."""

    def __init__(self, file: io.BytesIO, arrays: list[np.ndarray]) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self.arrays = arrays
        self.numbers: dict[int, int] = {}

    def persistent_id(self, obj: Any) -> Any:
        if not isinstance(obj, Tensor):
            return None
        if id(obj) not in self.numbers:  # shared tensors stay shared
            self.numbers[id(obj)] = len(self.arrays)
            self.arrays.append(obj.detach().cpu().contiguous().numpy())
        return self.numbers[id(obj)], isinstance(obj, nn.Parameter), obj.requires_grad


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, arrays: list[np.ndarray]) -> None:
        super().__init__(file)
        self.arrays = arrays
        self.tensors: dict[int, Tensor] = {}

    def persistent_load(self, pid: Any) -> Tensor:
        number, is_parameter, requires_grad = pid
        if number not in self.tensors:
            # A copy: memory-mapped arrays are read-only, which torch does not know.
            tensor = torch.tensor(self.arrays[number])
            self.tensors[number] = (
                nn.Parameter(tensor, requires_grad)
                if is_parameter
                else tensor.requires_grad_(requires_grad)
            )
        return self.tensors[number]


def pack_module(module: nn.Module) -> tuple[bytes, list[np.ndarray]]:
    """Split `module` into its structure and its tensors."""
    arrays: list[np.ndarray] = []
    file = io.BytesIO()
    _Pickler(file, arrays).dump(module)
    return file.getvalue(), arrays


def unpack_module(packed: tuple[bytes, list[np.ndarray]]) -> nn.Module:
    """Rebuild what :func:`pack_module` split, on the CPU and in channels-last layout."""
    structure, arrays = packed
    module = _Unpickler(io.BytesIO(structure), arrays).load()
    return module.to(memory_format=torch.channels_last)
