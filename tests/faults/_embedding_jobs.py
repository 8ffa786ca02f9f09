"""Features that are written to files."""

import time
from functools import cache
from pathlib import Path

from sklssl import RotNetEmbedder, embed_to_files
from tests.faults._jobs import SMALL, X
from tests.faults._sabotage import Saboteur

__all__ = ["embed"]


@cache
def _embedder():
    return RotNetEmbedder(max_epochs=1, pool_size=1, **SMALL).fit(X)


def warm_up():
    """Fit once for all processes."""
    _embedder().transform(X)


def embed(images, folder, at=None, rows_per_file=5):
    """Embed the files of a folder; optionally the process is killed at a call that writes."""
    paths = sorted(map(str, Path(images).iterdir()))
    start = time.perf_counter()
    with Saboteur(at or 0):
        files = embed_to_files(_embedder(), paths, folder, rows_per_file=rows_per_file)
    return {"files": [str(file) for file in files], "seconds": time.perf_counter() - start}
