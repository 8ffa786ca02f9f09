"""Files for a tree of tensors and plain values, which contain no code.

The format is safetensors, so that other programs can read the tensors. The rest of the tree is JSON
in the metadata, with a digest of the whole file to detect corruption.
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

__all__ = ["FORMAT_VERSION", "check_unchanged", "read_state", "write_state"]

FORMAT_VERSION = 1

_EMPTY_DIGEST = "0" * 64
_MAX_HEADER = 100_000_000  # bytes, as in safetensors
_LAST_CHARACTER = 0x10FFFF
_PIECE = 2**20
_PICKLES = (b"\2", b"\3", b"\4", b"\5")  # pickle protocols
_PACKINGS = (b"\x01", b"\x5e", b"\x9c", b"\xda")  # zlib and others
_NUMBERS = "biuf"  # kinds of NumPy dtypes
_SCALARS = "biufU"
_TIMES = "mM"


def write_state(
    path: str | os.PathLike[str],
    tree: Any,
    *,
    kind: str,
    check: Callable[[Path], object] | None = None,
) -> None:
    """Write a tree to a file atomically.

    Parameters
    ----------
    path : str or path-like
        The file to write, replaced if it exists.

    tree : dict, list, tuple, str, bytes, bool, int, float, None, tensor or ndarray
        Nested dicts, lists and tuples of these. Arrays hold numbers, strings, dates or times.
        Tensors are read back on the CPU, arrays in C order and native byte order; the order of a
        dict that contains only tensors may change.

    kind : str
        The kind of file, checked by :func:`read_state`.

    check : callable, default=None
        Called with the path of the complete temporary file. If it raises an error, `path` is not
        replaced.

    Raises
    ------
    TypeError
        If the tree contains anything else, or tensors of a kind that the format does not have.
    OSError
        If the file cannot be written. `path` is then unchanged.
    """
    tensors: dict[str, Tensor] = {}
    state = _Encoder(tensors).encode(tree, "")
    about = {"version": FORMAT_VERSION, "kind": kind, "digest": _EMPTY_DIGEST, "state": state}
    # A single entry, since safetensors does not keep the order of several, for reproducible bytes.
    text = json.dumps(about, separators=(",", ":"))
    try:
        data = safetensors.torch.save(tensors, {"sklssl": text})
    except MemoryError:
        raise
    except Exception as error:  # of many kinds
        raise TypeError(f"A tensor cannot be written: {error}") from error
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
    """Read a tree written by :func:`write_state`.

    No code in the file is run, and memory use is proportional to the file size.

    Parameters
    ----------
    path : str or path-like
        The file to read; "~" is expanded.

    kind : str
        The expected kind of file.

    Returns
    -------
    tree : object

    Raises
    ------
    StateFileError
        If the file is corrupt, of another kind, or was written by a later version of sklssl.
    OSError
        If the file does not exist or cannot be read.
    """
    path = os.path.expanduser(path)
    if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe would block
        raise StateFileError(f"'{path}' was not read: it is not a regular file.")
    try:
        with open(path, "rb") as file:
            about = _read_about(file)
            if about["kind"] != kind:
                raise _UnreadableFile(f"its kind is '{about['kind']}', but '{kind}' is needed.")
            file.seek(0)
            tensors = safetensors.torch.load(file.read())
        return _decode(about["state"], tensors)
    except OSError:
        raise
    except _UnreadableFile as error:
        raise StateFileError(f"'{path}' was not read: {error}") from None
    except Exception as error:  # a corrupt file can raise anything
        raise StateFileError(f"'{path}' was not read: {_guess_kind(path)}") from error


def check_unchanged(path: str | os.PathLike[str]) -> None:
    """Raise an error if a file of tensors is corrupt, or was written by sklssl and has changed."""
    with open(path, "rb") as file:
        if "sklssl" in json.loads(_read_header(file)[8:]).get("__metadata__", {}):
            file.seek(0)
            _read_about(file)


def _read_about(file: BinaryIO) -> dict[str, Any]:
    """Return the description in a file, after comparing its digest."""
    header = _read_header(file)
    about: dict[str, Any] = json.loads(json.loads(header[8:])["__metadata__"]["sklssl"])
    if about["version"] > FORMAT_VERSION:
        raise _UnreadableFile(
            "it was written by a later version of sklssl. Update sklssl to read it."
        )
    digest = about["digest"]
    empty = header.replace(_field(digest), _field(_EMPTY_DIGEST), 1)
    if len(digest) != len(_EMPTY_DIGEST) or _digest(empty, file) != digest:
        raise ValueError("another digest")
    return about


def _guess_kind(path: str | os.PathLike[str]) -> str:
    """Describe a file that is corrupt or was written by another program."""
    with open(path, "rb") as file:
        start = file.read(4)
    unknown = "it is corrupt, or not a file of sklssl."
    if start[2:] == b"\0\0":  # as in a header length, at the start of our files
        return unknown
    if start[:1] == b"\x80" and start[1:2] in _PICKLES:
        what = "a pickle, as written by pickle and joblib"
    elif start[:1] == b"x" and start[1:2] in _PACKINGS:
        what = "compressed, as written by joblib with compress"
    elif start == b"PK\3\4":
        return "it is a zip archive, as written by torch.save and skops.io.dump, and not by sklssl."
    else:
        return unknown
    return (
        f"it is {what}. It is not opened, because it can run any code. If you trust its source, "
        "use joblib.load."
    )


class _UnreadableFile(Exception):
    """An intact file cannot be read; the message has the reason."""


def _read_header(file: BinaryIO) -> bytes:
    """Read the length of the header and the header, unless it is longer than the file."""
    (length,) = struct.unpack("<Q", file.read(8))
    if length > min(_MAX_HEADER, os.fstat(file.fileno()).st_size):
        raise ValueError("the header is longer than the file")
    return struct.pack("<Q", length) + file.read(length)


def _field(digest: str) -> bytes:
    """Return the digest as written in the header: JSON within JSON."""
    return rf"\"digest\":\"{digest}\"".encode()


def _digest(header: bytes, rest: Any) -> str:
    """Hash a header without its digest, and the following buffer or open file."""
    digest = hashlib.sha256(header)
    if isinstance(rest, memoryview):
        digest.update(rest)
    else:
        while piece := rest.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


# The tree as JSON: other types are encoded as a dict with one key that begins with "$". ----------


class _Encoder:
    """Encodes a tree as JSON and collects its tensors, named by their positions."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        self.tensors = tensors
        self.memories: set[int] = set()  # where those of tensors begin

    def encode(self, value: Any, place: str) -> Any:
        if value is None or isinstance(value, bool) or type(value) in (int, float, str):
            return value
        if isinstance(value, Tensor):
            return {"$tensor": self._keep(value, place)}
        if isinstance(value, np.ndarray):
            return self._encode_array(value, place)
        if isinstance(value, np.generic) and _is_plain_scalar(value):
            return {"$number": [value.dtype.str, value.item()]}
        if isinstance(value, bytes):
            return {"$bytes": self._keep(np.frombuffer(value, np.uint8), place)}
        if isinstance(value, dict):
            return self._encode_dict(value, place)
        if isinstance(value, list | tuple):
            items = [self.encode(item, _child_path(place, i)) for i, item in enumerate(value)]
            return items if isinstance(value, list) else {"$tuple": items}
        raise TypeError(f"{type(value).__name__} at {place!r} cannot be written.")

    def _encode_dict(self, value: dict[Any, Any], place: str) -> Any:
        names = all(type(key) is str for key in value)
        if value and names and all(isinstance(item, Tensor) for item in value.values()):
            # Names are taken from the file: those of a deep network would double its header.
            for key, item in value.items():
                self._keep(item, _child_path(place, key))
            return {"$tensors": place}
        items = {key: self.encode(item, _child_path(place, key)) for key, item in value.items()}
        if names and not any(key.startswith("$") for key in value):
            return items
        return {"$dict": [[self.encode(key, place), item] for key, item in items.items()]}

    def _encode_array(self, array: np.ndarray, place: str) -> Any:
        if array.dtype.kind == "u" and array.dtype.itemsize > 1:
            # As signed integers, since older versions of safetensors do not support unsigned ones.
            native = array.astype(array.dtype.newbyteorder("="))
            return {"$unsigned": self._keep(native.view(f"i{native.itemsize}"), place)}
        if array.dtype.kind in _NUMBERS:
            return {"$array": self._keep(array, place)}
        if array.dtype.kind in _TIMES:
            native = array.astype(array.dtype.newbyteorder("="))
            return {"$times": [native.dtype.str, self._keep(native.view(np.int64), place)]}
        if array.dtype.kind == "U":
            # As numbers: strings are padded to the longest, and memory must match the file size.
            codes = np.frombuffer(array.astype(array.dtype.newbyteorder("=")).tobytes(), np.int32)
            width = array.dtype.itemsize // codes.itemsize
            return {"$text": [width, list(array.shape), self._keep(codes, place)]}
        if all(type(item) is str for item in array.ravel().tolist()):
            return {"$strings": [list(array.shape), array.ravel().tolist()]}
        raise TypeError(
            f"An array of {array.dtype} at {place!r} cannot be written, as its items are neither "
            "numbers, strings nor dates of NumPy. If these are labels, convert them before fit, "
            "for example with y.astype(str)."
        )

    def _keep(self, value: Tensor | np.ndarray, place: str) -> str:
        if isinstance(value, np.ndarray):
            value = torch.from_numpy(np.array(value, value.dtype.newbyteorder("="), order="C"))
        if value.layout != torch.strided:
            raise TypeError(f"A tensor with {value.layout} at {place!r} cannot be written.")
        self.tensors[place] = self._own(value.detach().cpu().contiguous())
        return place

    def _own(self, tensor: Tensor) -> Tensor:
        """Return a tensor that shares no memory with those collected, as safetensors demands."""
        memory = tensor.untyped_storage().data_ptr()
        if memory in self.memories:
            return tensor.clone()
        self.memories.add(memory)
        return tensor


def _is_plain_scalar(scalar: np.generic) -> bool:
    plain = type(scalar.item()) in (bool, int, float, str)  # not a long double
    return plain and scalar.dtype.kind in _SCALARS


def _child_path(place: str, key: object) -> str:
    name = str(key).replace("%", "%25").replace("/", "%2F")
    return f"{place}/{name}" if place else name


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
        raise ValueError("not strings")
    return np.array(strings, object).reshape(shape)


def _decode_text(value: Any, tensors: dict[str, Tensor]) -> np.ndarray:
    width, shape, place = value
    codes = tensors.pop(place).numpy()
    if codes.dtype != np.int32 or codes.view(np.uint32).max(initial=0) > _LAST_CHARACTER:
        raise ValueError("not text")
    return codes.view(f"=U{int(width)}").reshape(shape)


def _decode_unsigned(place: Any, tensors: dict[str, Tensor]) -> np.ndarray:
    array = tensors.pop(place).numpy()
    return array.view(f"u{array.itemsize}")


def _decode_times(value: Any, tensors: dict[str, Tensor]) -> np.ndarray:
    dtype = np.dtype(value[0])
    if dtype.kind not in _TIMES:
        raise ValueError(f"not times: {dtype}")
    return tensors.pop(value[1]).numpy().view(dtype.newbyteorder("="))


def _decode_number(value: Any, tensors: dict[str, Tensor]) -> Any:
    dtype = np.dtype(value[0])
    if dtype.kind not in _SCALARS:  # other kinds can have any size
        raise ValueError(f"not a number: {dtype}")
    return dtype.type(value[1])


def _decode_named(place: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    start = _child_path(place, "")
    inside = [key for key in tensors if key.startswith(start)]
    return {
        key.removeprefix(start).replace("%2F", "/").replace("%25", "%"): tensors.pop(key)
        for key in inside
    }


# Each tensor is used only once: copies of a repeated tensor would fill the memory.
_MARKS: dict[str, Callable[[Any, dict[str, Tensor]], Any]] = {
    "$tensor": lambda place, tensors: tensors.pop(place),
    "$tensors": _decode_named,
    "$array": lambda place, tensors: tensors.pop(place).numpy(),
    "$bytes": lambda place, tensors: tensors.pop(place).numpy().tobytes(),
    "$unsigned": _decode_unsigned,
    "$times": _decode_times,
    "$strings": _decode_strings,
    "$text": _decode_text,
    "$number": _decode_number,
    "$tuple": lambda items, tensors: tuple(_decode(item, tensors) for item in items),
    "$dict": lambda pairs, tensors: {
        _decode(key, tensors): _decode(item, tensors) for key, item in pairs
    },
}
