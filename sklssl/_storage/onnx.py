"""Export the computation of ``transform`` to ONNX."""

from __future__ import annotations

import copy
import importlib.util
import os
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sklssl._data.batches import ToTensor
from sklssl._runtime.device import plain_torch
from sklssl._storage.atomic import write_atomically
from sklssl._storage.module_state import named_tensors
from sklssl.backbones import pool_stages

__all__ = ["export_onnx"]

_PACKAGES = ("onnx", "onnxscript")
_MAX_BYTES = 2**31 - 2**24  # bytes; leaves room for the graph within the limit of 2 GiB


class _Transform(nn.Module):
    """The complete computation from images (n, H, W, C) to features."""

    def __init__(self, embedder: Any) -> None:
        super().__init__()
        size = embedder._full_size()
        self.to_tensor = ToTensor(torch.device("cpu"), embedder.value_range_, size)
        self.encoder = copy.deepcopy(embedder.pretext_.encoder).cpu()
        layer, pool_size = embedder._cell()
        encode = partial(pool_stages, self.encoder, layer=layer, pool_size=pool_size)
        self.encode = embedder._averaging(encode)

    def forward(self, images: Tensor) -> Tensor:
        return self.encode(self.to_tensor(images))


@plain_torch()
def export_onnx(embedder: Any, path: str | os.PathLike[str]) -> None:
    """Export a fitted embedder; see ``NetworkFeatures.export_onnx``."""
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(
            f'export_onnx needs {" and ".join(missing)}. Install with: pip install "sklssl[onnx]"'
        )
    module = _Transform(embedder).eval()
    n_bytes = sum(tensor.nbytes for tensor in named_tensors(module).values())
    if n_bytes > _MAX_BYTES:
        raise ValueError(
            f"The network of this {type(embedder).__name__} has {n_bytes} bytes of weights, but "
            "an ONNX file is limited to 2 GiB."
        )
    images = torch.zeros(2, *embedder.image_shape_)

    def write(part: Path) -> None:
        with torch.no_grad(), warnings.catch_warnings():
            # A warning of torch 2.10 about its own code.
            warnings.filterwarnings("ignore", r".*\(treespec, LeafSpec\)", FutureWarning)
            program = torch.onnx.export(
                module,
                (images,),
                dynamo=True,
                input_names=["images"],
                output_names=["features"],
                dynamic_shapes=({0: torch.export.Dim("n")},),
                verbose=False,
            )
        assert program is not None
        program.save(part, external_data=False)

    write_atomically(path, write)
