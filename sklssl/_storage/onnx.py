"""Export the computation of ``transform`` to ONNX."""

from __future__ import annotations

import importlib.util
import os
import warnings
from pathlib import Path
from typing import Any

import torch

from sklssl._runtime.device import plain_torch
from sklssl._storage.atomic import write_atomically
from sklssl._storage.module_state import named_tensors

__all__ = ["export_onnx"]

# The lowest versions. Older ones of onnxscript write graphs that resize images wrongly.
_PACKAGES = {"onnx": (1, 17), "onnxscript": (0, 7)}
_MAX_BYTES = 2**31 - 2**24  # bytes; leaves room for the graph within the limit of 2 GiB


@plain_torch()
def export_onnx(
    extractor: Any, image_shape: tuple[int, int, int], path: str | os.PathLike[str]
) -> None:
    """Write a :class:`FeatureExtractor`; see ``BaseEmbedder.export_onnx``."""
    missing = [
        f"{name}>={'.'.join(map(str, lowest))}"
        for name, lowest in _PACKAGES.items()
        if importlib.util.find_spec(name) is None or _version(name) < lowest
    ]
    if missing:
        raise ImportError(
            f'export_onnx needs {" and ".join(missing)}. Install with: pip install "sklssl[onnx]"'
        )
    module = extractor.module()
    n_bytes = sum(tensor.nbytes for tensor in named_tensors(module).values())
    if n_bytes > _MAX_BYTES:
        raise ValueError(
            f"The network has {n_bytes} bytes of weights, but an ONNX file is limited to 2 GiB."
        )
    images = torch.zeros(2, *image_shape)

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


def _version(name: str) -> tuple[int, ...]:
    """Return the first two numbers of the version of a package."""
    return tuple(map(int, importlib.import_module(name).__version__.split(".")[:2]))
