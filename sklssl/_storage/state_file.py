"""A tree of tensors and plain values in one file, which holds nothing that could be run.

The file is a safetensors file: other programs can read the tensors. The rest of the tree is JSON
in its metadata, beside a digest of the whole file, so that no damage goes unnoticed.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from sklssl._storage.atomic import write_atomically
from sklssl.exceptions import StateFileError

__all__ = ["FORMAT_VERSION", "read_state", "write_state"]

FORMAT_VERSION = 1

_EMPTY_DIGEST = "0" * 64
_LONGEST_HEADER = 100_000_000  # bytes, as safetensors has it
_LAST_CHARACTER = 0x10FFFF
_PIECE = 2**20
_PICKLES = (b"\2", b"\3", b"\4", b"\5")  # protocols
_PACKINGS = (b"\x01", b"\x5e", b"\x9c", b"\xda")  # of zlib
_NUMBERS = "biuf"  # kinds of numpy
_SCALARS = "biufU"


def write_state(
    path: str | os.PathLike[str],
    tree: Any,
    *,
    kind: str,
    check: Callable[[Path], object] | None = None,
) -> None:
    """Write a tree into a file, whole or not at all.

    Parameters
    ----------
    path : str or path-like
        Replaced if it exists.

    tree : dict, list, tuple, str, bytes, bool, int, float, None, tensor or ndarray
        Dicts, lists and tuples of these. Arrays hold numbers or strings. Tensors come back on the
        CPU, arrays in C order and native byte order; a dict of nothing but tensors, by names, may
        come back in another order.

    kind : str
        What the file is: it is read as nothing else.

    check : callable, default=None
        Called with the path of the whole file before it takes its name, which it does not if this
        raises an error.

    Raises
    ------
    TypeError
        If the tree holds anything else; the message says where.
    OSError
        If the file cannot be written. `path` is then as it was.
    """
    tensors: dict[str, Tensor] = {}
    state = _Encoder(tensors).encode(tree, "")
    about = {"version": FORMAT_VERSION, "kind": kind, "digest": _EMPTY_DIGEST, "state": state}
    # One entry: safetensors keeps no order among several, and the same tree has the same bytes.
    text = json.dumps(about, separators=(",", ":"))
    data = safetensors.torch.save(tensors, {"sklssl": text})
    end = 8 + struct.unpack("<Q", data[:8])[0]
    digest = _digest(data[:end], memoryview(data)[end:])
    header = data[:end].replace(_field(_EMPTY_DIGEST), _field(digest), 1)

    def write(part: Path) -> None:
        with open(part, "xb") as file:
            file.write(header)
            file.write(memoryview(data)[end:])
        if check is not None:
            check(part)

    write_atomically(path, write)


def read_state(path: str | os.PathLike[str], *, kind: str) -> Any:
    """Read what :func:`write_state` wrote.

    Nothing in the file is run, and the memory it takes is in proportion to its length.

    Parameters
    ----------
    path : str or path-like
        "~" is the user's folder.

    kind : str
        What the file has to be.

    Returns
    -------
    tree : object

    Raises
    ------
    StateFileError
        If the file is damaged, of another kind, or of a later version of sklssl.
    OSError
        If there is no such file, or it must not be read.
    """
    path = os.path.expanduser(path)
    if not stat.S_ISREG(os.stat(path).st_mode):  # to open a pipe would wait for its other end
        raise StateFileError(f"'{path}' was not read: it is no file.")
    try:
        with open(path, "rb") as file:
            header = _read_header(file)
            about = json.loads(json.loads(header[8:])["__metadata__"]["sklssl"])
            if about["version"] > FORMAT_VERSION:
                raise _Refusal("it is of a later version of sklssl. Update sklssl to read it.")
            digest = about["digest"]
            empty = header.replace(_field(digest), _field(_EMPTY_DIGEST), 1)
            if len(digest) != len(_EMPTY_DIGEST) or _digest(empty, file) != digest:
                raise ValueError("another digest")
            if about["kind"] != kind:
                raise _Refusal(f"its kind is '{about['kind']}', but '{kind}' is needed.")
            file.seek(0)
            tensors = safetensors.torch.load(file.read())
        return _decode(about["state"], tensors)
    except OSError:
        raise
    except _Refusal as error:
        raise StateFileError(f"'{path}' was not read: {error}") from None
    except Exception as error:  # a damaged file can raise anything
        raise StateFileError(f"'{path}' was not read: {_guess_kind(path)}") from error


def _guess_kind(path: str | os.PathLike[str]) -> str:
    """Say what a file is that is none of ours, or is damaged."""
    with open(path, "rb") as file:
        start = file.read(4)
    damaged = "it is damaged, or no file of sklssl."
    if start[2:] == b"\0\0":  # as in the length of a header, with which ours begin
        return damaged
    if start[:1] == b"\x80" and start[1:2] in _PICKLES:
        what = "a pickle, as pickle and joblib write them"
    elif start[:1] == b"x" and start[1:2] in _PACKINGS:
        what = "packed, as joblib does it with compress"
    elif start == b"PK\3\4":
        return "it is a zip archive, as torch.save and skops.io.dump write them, and not of sklssl."
    else:
        return damaged
    return (
        f"it is {what}, and not opened here, since it can run any code. If you know who wrote it, "
        "use joblib.load."
    )


class _Refusal(Exception):
    """Why a file that is whole is not read."""


def _read_header(file: BinaryIO) -> bytes:
    """Read the length of the header and the header, unless it is longer than the file."""
    (length,) = struct.unpack("<Q", file.read(8))
    if length > min(_LONGEST_HEADER, os.fstat(file.fileno()).st_size):
        raise ValueError("the header is longer than the file")
    return struct.pack("<Q", length) + file.read(length)


def _field(digest: str) -> bytes:
    """Give the digest as it stands in the header: JSON within JSON."""
    return rf"\"digest\":\"{digest}\"".encode()


def _digest(header: bytes, rest: Any) -> str:
    """Hash a header without its digest, and what follows: a buffer or an open file."""
    digest = hashlib.sha256(header)
    if isinstance(rest, memoryview):
        digest.update(rest)
    else:
        while piece := rest.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


# The tree as JSON: what JSON does not know stands as a dict of one key that begins with "$". ------


class _Encoder:
    """Turns a tree into JSON, and puts its tensors aside under the names of their places."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        self.tensors = tensors

    def encode(self, value: Any, place: str) -> Any:
        if value is None or isinstance(value, bool) or type(value) in (int, float, str):
            return value
        if isinstance(value, Tensor):
            return {"$tensor": self._keep(value, place)}
        if isinstance(value, np.ndarray):
            return self._encode_array(value, place)
        if isinstance(value, np.generic) and _is_plain(value):
            return {"$number": [value.dtype.str, value.item()]}
        if isinstance(value, bytes):
            return {"$bytes": self._keep(np.frombuffer(value, np.uint8), place)}
        if isinstance(value, dict):
            return self._encode_dict(value, place)
        if isinstance(value, list | tuple):
            items = [self.encode(item, _join(place, i)) for i, item in enumerate(value)]
            return items if isinstance(value, list) else {"$tuple": items}
        raise TypeError(f"{type(value).__name__} at {place!r} is nothing that can be written.")

    def _encode_dict(self, value: dict[Any, Any], place: str) -> Any:
        names = all(type(key) is str for key in value)
        if value and names and all(isinstance(item, Tensor) for item in value.values()):
            # Listed by the file itself: the names of a deep network would double its header.
            for key, item in value.items():
                self._keep(item, _join(place, key))
            return {"$tensors": place}
        items = {key: self.encode(item, _join(place, key)) for key, item in value.items()}
        if names and not any(key.startswith("$") for key in value):
            return items
        return {"$dict": [[self.encode(key, place), item] for key, item in items.items()]}

    def _encode_array(self, array: np.ndarray, place: str) -> Any:
        if array.dtype.kind == "u" and array.dtype.itemsize > 1:
            # As signed numbers: older safetensors know no others of this width.
            native = array.astype(array.dtype.newbyteorder("="))
            return {"$unsigned": self._keep(native.view(f"i{native.itemsize}"), place)}
        if array.dtype.kind in _NUMBERS:
            return {"$array": self._keep(array, place)}
        if array.dtype.kind == "U":
            # As numbers: all strings take as much memory as the longest, which must be in the file.
            codes = np.frombuffer(array.astype(array.dtype.newbyteorder("=")).tobytes(), np.int32)
            width = array.dtype.itemsize // codes.itemsize
            return {"$text": [width, list(array.shape), self._keep(codes, place)]}
        if all(type(item) is str for item in array.ravel().tolist()):
            return {"$strings": [list(array.shape), array.ravel().tolist()]}
        raise TypeError(f"An array of {array.dtype} at {place!r} is nothing that can be written.")

    def _keep(self, value: Tensor | np.ndarray, place: str) -> str:
        if isinstance(value, np.ndarray):
            value = torch.from_numpy(np.array(value, value.dtype.newbyteorder("="), order="C"))
        self.tensors[place] = value.detach().cpu().contiguous()
        return place


def _is_plain(scalar: np.generic) -> bool:
    plain = type(scalar.item()) in (bool, int, float, str)  # a long double is not
    return plain and scalar.dtype.kind in _SCALARS


def _join(place: str, key: object) -> str:
    return f"{place}/{key}" if place else str(key)


def _decode(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_decode(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    for mark, decode in _MARKS.items():
        if mark in value:
            return decode(value[mark], tensors)
    return {key: _decode(item, tensors) for key, item in value.items()}


def _decode_strings(value: Any, tensors: dict[str, Tensor]) -> np.ndarray:
    shape, strings = value
    if not all(type(item) is str for item in strings):
        raise ValueError("no strings")
    return np.array(strings, object).reshape(shape)


def _decode_text(value: Any, tensors: dict[str, Tensor]) -> np.ndarray:
    width, shape, place = value
    codes = tensors.pop(place).numpy()
    if codes.dtype != np.int32 or codes.view(np.uint32).max(initial=0) > _LAST_CHARACTER:
        raise ValueError("no text")
    return codes.view(f"=U{int(width)}").reshape(shape)


def _decode_unsigned(place: Any, tensors: dict[str, Tensor]) -> np.ndarray:
    array = tensors.pop(place).numpy()
    return array.view(f"u{array.itemsize}")


def _decode_number(value: Any, tensors: dict[str, Tensor]) -> Any:
    dtype = np.dtype(value[0])
    if dtype.kind not in _SCALARS:  # another kind can be of any size
        raise ValueError(f"no number: {dtype}")
    return dtype.type(value[1])


def _decode_named(place: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    start = _join(place, "")
    return {k.removeprefix(start): tensors.pop(k) for k in list(tensors) if k.startswith(start)}


# A tensor stands in one place only: copies of what is there many times would fill the memory.
_MARKS: dict[str, Callable[[Any, dict[str, Tensor]], Any]] = {
    "$tensor": lambda place, tensors: tensors.pop(place),
    "$tensors": _decode_named,
    "$array": lambda place, tensors: tensors.pop(place).numpy(),
    "$bytes": lambda place, tensors: tensors.pop(place).numpy().tobytes(),
    "$unsigned": _decode_unsigned,
    "$strings": _decode_strings,
    "$text": _decode_text,
    "$number": _decode_number,
    "$tuple": lambda items, tensors: tuple(_decode(item, tensors) for item in items),
    "$dict": lambda pairs, tensors: {
        _decode(key, tensors): _decode(item, tensors) for key, item in pairs
    },
}
