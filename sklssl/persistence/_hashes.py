"""Hashes that tell whether several processes embed the same images in the same way."""

from __future__ import annotations

import copy
import hashlib
import os
import pickle
import re
from collections.abc import Iterator
from typing import Any

import joblib
import numpy as np

from sklssl._data.rows import take_rows
from sklssl._training.canonical import NOT_PART_OF_FINGERPRINT

__all__ = ["hash_embedder", "hash_names"]

_UNDECODED = re.compile("[\ud800-\udfff]")  # bytes of a name that are not UTF-8
_DIGITS = 16
_PIECE = 10_000  # names that are hashed at once


def hash_embedder(embedder: Any, *, who: str) -> str:
    """Hash an estimator without what has no effect on its features, such as the device."""
    embedder = copy.deepcopy(embedder)
    _clear(embedder)
    try:
        return joblib.hash(embedder)[:_DIGITS]
    except pickle.PicklingError as error:
        raise TypeError(
            f"The 'embedder' parameter of {who} cannot be compared with that of other processes, "
            f"because it cannot be pickled: {error.args[0]}. Define its functions and classes in a "
            "module, without lambda."
        ) from error


def _clear(item: Any) -> None:
    if isinstance(item, (list, tuple)):
        for value in item:
            _clear(value)
    elif hasattr(item, "get_params") and not isinstance(item, type):
        for name, value in list(vars(item).items()):
            if name in NOT_PART_OF_FINGERPRINT or name == "history_":  # it has durations
                vars(item)[name] = None
            else:
                _clear(value)


def hash_names(paths: Any, *, strict: bool, who: str) -> str:
    """Hash file names; with `strict` they must be text."""
    digest = hashlib.sha256()
    for names in _pieces(paths):
        try:
            digest.update("\0".join(names).encode(errors="strict" if strict else "surrogateescape"))
        except UnicodeEncodeError as error:
            bad = next(filter(_UNDECODED.search, names))
            raise ValueError(
                f"The 'paths' parameter of {who} has a name that is not valid text, {bad!r}, "
                "which Parquet cannot store. Rename the file, or use format='npy'."
            ) from error
        digest.update(b"\0")
    return digest.hexdigest()[:_DIGITS]


def _pieces(paths: Any) -> Iterator[list[str]]:
    for start in range(0, len(paths), _PIECE):
        piece = take_rows(paths, np.arange(start, min(start + _PIECE, len(paths))))
        # Converting an array at once takes a third of the time.
        yield list(map(os.fsdecode, piece.tolist() if isinstance(piece, np.ndarray) else piece))
