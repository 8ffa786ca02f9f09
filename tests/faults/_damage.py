"""What can happen to a file: bytes that a disk, a copy or somebody has changed."""

import io
import itertools
import pickle
import zipfile

import joblib
import numpy as np
import torch
from PIL import Image

__all__ = ["HOW", "damaged", "foreign", "tampered"]

_BLOCK = 512


def _cut(good, other, at, rng):
    return good[:at]


def _flip(good, other, at, rng):
    return good[:at] + bytes([good[at] ^ 1 << rng.integers(8)]) + good[at + 1 :]


def _zero(good, other, at, rng):
    size = min(_BLOCK, len(good) - at)
    return good[:at] + bytes(size) + good[at + size :]


def _noise(good, other, at, rng):
    size = min(int(rng.integers(1, _BLOCK)), len(good) - at)
    return good[:at] + rng.bytes(size) + good[at + size :]


def _swap(good, other, at, rng):
    blocks = [good[i : i + _BLOCK] for i in range(0, len(good), _BLOCK)]
    i, j = at // _BLOCK, int(rng.integers(len(blocks)))
    blocks[i], blocks[j] = blocks[j], blocks[i]
    return b"".join(blocks)


def _remove(good, other, at, rng):
    return good[:at] + good[at + int(rng.integers(1, _BLOCK)) :]


def _insert(good, other, at, rng):
    return good[:at] + rng.bytes(int(rng.integers(1, _BLOCK))) + good[at:]


def _append(good, other, at, rng):
    return good + (good, other, b"\0", rng.bytes(_BLOCK))[rng.integers(4)]


def _tear(good, other, at, rng):
    return other[:at] + good[at:]


def _splice(good, other, at, rng):
    start = 8 + int.from_bytes(other[:8], "little")
    return good[: 8 + int.from_bytes(good[:8], "little")] + other[start:]


HOW = (_cut, _flip, _zero, _noise, _swap, _remove, _insert, _append, _tear, _splice)


def damaged(good, other, n, seed):
    """Yield `n` times how a file was damaged, and its bytes; `other` is a whole file like it.

    A third of the damage begins in the length of the header, a third in the header.
    """
    rng = np.random.default_rng(seed)
    ends = (8, 8 + int.from_bytes(good[:8], "little"), len(good))
    for how in itertools.cycle(HOW):
        if n == 0:
            return
        at = int(rng.integers(ends[rng.integers(len(ends))]))
        data = how(good, other, at, rng)
        if data not in (good, other):
            n -= 1
            yield f"{how.__name__} at {at}", data


class _Marker:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def foreign(marker, rng):
    """Yield files of other formats; those that hold code would make the file `marker`."""
    bad = _Marker(str(marker))
    yield "nothing", b""
    yield "pickle", pickle.dumps(bad)
    for name, write in {"torch": torch.save, "joblib": joblib.dump}.items():
        file = io.BytesIO()
        write(bad, file)
        yield name, file.getvalue()
    file = io.BytesIO()
    np.save(file, np.array([bad], object), allow_pickle=True)
    yield "npy", file.getvalue()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("data.pkl", pickle.dumps(bad))
    yield "zip", file.getvalue()
    file = io.BytesIO()
    Image.new("L", (8, 8)).save(file, "png")
    yield "png", file.getvalue()
    yield "text", b"checkpoint"
    for size in (1, 7, 8, 9, 100, 10_000):
        yield f"{size} zeros", bytes(size)
        yield f"{size} random bytes", rng.bytes(size)


def tampered(tree, n, seed):
    """Yield `n` copies of a tree, in each of which one place is missing or holds something else."""
    rng = np.random.default_rng(seed)
    places = list(_places(tree))
    values = (None, "text", -1, 2**70, 0.5, True, b"\1", [], {}, [1, [2]], {"a": 1}, torch.ones(3))
    for _ in range(n):
        place = places[rng.integers(len(places))]
        i = int(rng.integers(len(values) + 1))
        what = "missing" if i == len(values) else repr(values[i])
        yield f"{place}: {what}", _changed(tree, place, values[i : i + 1])


def _places(tree, place=()):
    if place:
        yield place
    keys = tree if isinstance(tree, dict) else range(len(tree) if isinstance(tree, list) else 0)
    for key in keys:
        yield from _places(tree[key], (*place, key))


def _changed(tree, place, value):
    """Copy a tree as far as it changes."""
    if not place:
        return value[0]
    key, *rest = place
    tree = type(tree)(tree)
    if rest or value:
        tree[key] = _changed(tree[key], rest, value)
    else:
        del tree[key]
    return tree
