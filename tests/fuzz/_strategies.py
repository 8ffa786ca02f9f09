"""Whatever a user may call images."""

import datetime
import pathlib
import tempfile

import numpy as np
import pandas as pd
import polars as pl
import scipy.sparse as sp
import torch
from hypothesis import strategies as st
from PIL import Image

__all__ = ["good_images", "images", "things"]

_INTEGERS = ["i1", "u2", "i2", "u4", "i4", "u8", "i8", ">i2", ">u4"]
_FLOATS = ["f2", "f4", "f8", "g", ">f4", ">f8"]
_OTHERS = [
    "c8",
    "c16",
    "M8[s]",
    "m8[s]",
    "U4",
    "S4",
    "O",
    "O text",
    "V4",
    [("a", "u1"), ("b", "f4")],
]
_DTYPES = st.one_of(
    st.just("u1"),
    st.just("u1"),
    st.sampled_from(_FLOATS),
    st.sampled_from(_INTEGERS),
    st.sampled_from(["?", *_OTHERS]),
)
_SIDES = st.one_of(st.integers(1, 12), st.integers(1, 64), st.sampled_from([8, 16, 32]))
_NUMBERS = st.integers(0, 12)
_VALUES = st.sampled_from(
    [
        *["random"] * 4,
        "constant",
        "zeros",
        "images constant",
        "nan",
        "one nan",
        "inf",
        "-inf",
        "large",
        "huge",
        "largest",
        "tiny",
        "far from zero",
        "outlier",
        "negative",
    ]
)
_LAYOUTS = st.sampled_from(
    [
        *(["C"] * 4),
        "F",
        "every other",
        "reversed",
        "transposed",
        "broadcast",
        "read-only",
        "file",
        "file, mode c",
        "writable file",
        "view",
    ]
)
_FORMS = st.sampled_from(
    [
        *(["array"] * 8),
        "list",
        "tuple",
        "list of lists",
        "masked",
        "matrix",
        "torch",
        "torch grad",
        "pandas",
        "pandas names",
        "polars",
        "csr",
        "coo",
        "objects",
        "pil",
        "subclass",
    ]
)


class _Array(np.ndarray):
    """Somebody's own kind of array."""


@st.composite
def _shapes(draw):
    """Square images mostly: the others are refused by most embedders."""
    n, height = draw(_NUMBERS), draw(_SIDES)
    width = draw(st.one_of(st.just(height), st.just(height), _SIDES))
    kind = draw(st.sampled_from(["hw", "hwc", "hwc", "rows", "rows", "chw", "other", "empty"]))
    channels = draw(st.sampled_from([1, 3, 3, 4, 2, 5]))
    if kind == "empty":
        shape = [n, height, width, channels][: draw(st.integers(2, 4))]
        shape[draw(st.integers(0, len(shape) - 1))] = 0
        return tuple(shape)
    return {
        "hw": (n, height, width),
        "hwc": (n, height, width, channels),
        "chw": (n, channels, height, width),
        "rows": (n, draw(st.sampled_from([height**2, height * width, height]))),
        "other": draw(st.sampled_from([(), (n,), (height,), (n, 2, 4, 4, 3), (1,) * 6])),
    }[kind]


def _values(kind, shape, dtype, rng):
    """Fill an array by a pattern that `dtype` can hold, or that overflows it."""
    floats = np.asarray(rng.random(shape))
    if kind in ("constant", "zeros"):
        return np.full(shape, 0.0 if kind == "zeros" else 37.0)
    if kind == "images constant" and shape:
        return np.zeros(shape) + rng.integers(0, 9, shape[:1] + (1,) * (len(shape) - 1))
    if kind in ("nan", "one nan", "inf", "-inf"):
        bad = {"inf": np.inf, "-inf": -np.inf}.get(kind, np.nan)
        floats[... if kind == "nan" or not all(shape) else (0,) * len(shape)] = bad
        return floats
    largest = float(np.finfo(dtype).max) if dtype.kind == "f" and dtype.itemsize <= 8 else 1e300
    tiny = 1e-40 if dtype.itemsize == 4 else 1e-310  # denormal
    scales = {"large": 1e19, "huge": 1e38, "largest": largest, "tiny": tiny, "negative": -40.0}
    if kind in ("large", "huge", "largest"):
        return (2 * floats - 1) * scales[kind]
    if kind == "far from zero":
        return 1e8 + floats
    if kind == "outlier" and all(shape):
        floats[(0,) * len(shape)] = 1e30
        return floats
    return floats * scales.get(kind, 255.0)


def _cast(values, name):
    values = np.asarray(values)
    if name == "O":
        return values.astype(object)
    if name == "O text":
        return values.astype("U4").astype(object)
    if name in ("M8[s]", "m8[s]"):
        return np.zeros(values.shape, name)
    if isinstance(name, list) or name == "V4":
        return np.zeros(values.shape, name)
    with np.errstate(all="ignore"):
        return values.astype(name)


def _arrange(array, layout):
    """Give the same values in another layout, or others of the same shape."""
    if layout == "F":
        return np.asfortranarray(array)
    if layout == "every other" and array.ndim:
        return np.repeat(array, 2, axis=0)[::2]
    if layout == "reversed" and array.ndim:
        return array[tuple([slice(None, None, -1)] * array.ndim)]
    if layout == "transposed" and array.ndim > 2:
        return np.swapaxes(np.ascontiguousarray(np.swapaxes(array, 1, 2)), 1, 2)
    if layout == "broadcast" and array.ndim and len(array):
        return np.broadcast_to(array[:1], array.shape)
    if layout == "view":
        return array[...]
    if layout == "read-only":
        array = array.copy()
        array.flags.writeable = False
    if "file" in layout and array.size and not array.dtype.hasobject:
        mode = {"file": "r", "file, mode c": "c"}.get(layout, "r+")
        with tempfile.NamedTemporaryFile(suffix=".npy") as file:  # mapped, it lives on
            np.save(file, array)
            file.flush()
            return np.lib.format.open_memmap(file.name, mode=mode)
    return array


def _form(array, form):
    """Give an array as something else, if it can be."""
    rows = array.reshape(len(array), -1) if array.ndim and array.size else array
    is_table = rows.ndim == 2 and rows.size and rows.shape[1] <= 300
    if form == "masked":
        return np.ma.masked_array(array, np.arange(array.size).reshape(array.shape) % 5 == 0)
    if form in ("list", "tuple") and array.ndim:
        return (list if form == "list" else tuple)(array)
    if form == "list of lists" and array.size < 2000:
        return array.tolist()
    if form == "subclass":
        return array.view(_Array)
    if form == "objects" and array.ndim:
        out = np.empty(len(array), dtype=object)
        out[:] = list(array)
        return out
    if form == "matrix" and is_table and array.dtype.kind in "uif":
        return sp.csr_array(rows.astype(float)).todense()
    if form in ("csr", "coo") and is_table and array.dtype.kind in "uif":
        return (sp.csr_array if form == "csr" else sp.coo_matrix)(rows.astype(float))
    is_plain = array.dtype.kind in "uif" and array.dtype.isnative and array.dtype.itemsize <= 8
    if form.startswith("torch") and is_plain:
        tensor = torch.from_numpy(np.array(array))
        grad = form == "torch grad" and array.dtype.kind == "f"
        return tensor.requires_grad_() if grad else tensor
    if form.startswith("pandas") and is_table and array.dtype.kind != "V" and rows.dtype.isnative:
        columns = [f"p{i}" for i in range(rows.shape[1])] if form == "pandas names" else None
        return pd.DataFrame(rows, columns=columns)
    if form == "polars" and is_table and array.dtype.kind in "uif" and rows.dtype.isnative:
        return pl.DataFrame(np.ascontiguousarray(rows.astype("f8")))
    if form == "pil" and array.dtype == np.uint8 and array.ndim == 3 and array.size:
        return [Image.fromarray(np.ascontiguousarray(image)) for image in array]
    return array


@st.composite
def images(draw):
    """Draw arrays of all kinds, mostly of images."""
    shape, name, kind = draw(_shapes()), draw(_DTYPES), draw(_VALUES)
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    plain = np.dtype(float if name in ("O", "O text") else name)
    array = _arrange(_cast(_values(kind, shape, plain, rng), name), draw(_LAYOUTS))
    try:
        return _form(array, draw(_FORMS))
    except (TypeError, ValueError, OverflowError):  # pandas and polars have not all dtypes
        return array


def good_images(n=6, side=8):
    """Give a few images that nobody could refuse."""
    return np.random.default_rng(0).integers(0, 256, (n, side, side), dtype=np.uint8)


def _generator():
    yield np.zeros((8, 8))


class _Evil:
    """Says it is an array, and is none."""

    shape = (6, 8, 8)
    ndim = 3

    def __len__(self):
        return 6

    def __array__(self, dtype=None, copy=None):
        raise KeyError("no array today")


def _mixed():
    grey, colour = np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.uint8)
    other, real = np.zeros((9, 8), np.uint8), np.full((8, 8), 0.5)
    tensor, picture = torch.zeros(8, 8), Image.new("L", (8, 8))
    return [
        grey,
        colour,
        other,
        real,
        tensor,
        picture,
        Image.new("L", (9, 8)),
        Image.new("RGB", (8, 8)),
        grey.tolist(),
        grey.astype(object),
        None,
        1,
        1.5,
        float("nan"),
        2**70,
        "a.png",
        b"a.png",
        "",
        "\0",
        pathlib.Path("a.png"),
        {},
        [],
        (),
        [1, 2],
        [[1], [1, 2]],
        datetime.date(2020, 1, 1),
        np.ma.masked,
        pd.NA,
    ]


@st.composite
def things(draw):
    """Draw what is no array: lists of anything, single objects, names of no files."""
    parts = _mixed()
    if draw(st.booleans()):
        which = draw(st.lists(st.integers(0, len(parts) - 1), min_size=1, max_size=4))
        n = draw(st.integers(1, 3))
        made = [parts[i] for i in which] * n
        return draw(st.sampled_from([list, tuple]))(made)
    singles = [
        *parts,
        "images",
        b"images",
        "/",
        ["/"] * 3,
        ["no such file"] * 3,
        pathlib.Path("/nowhere"),
        [b"no.png"] * 3,
        np.array(["no.png"] * 3),
        np.array([["no.png"] * 3] * 3),
        pd.Series(["no.png"] * 3),
        pd.DataFrame({"file": ["no.png"] * 3}),
        pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]}),
        pd.DataFrame({"a": pd.array([1, 2, None], dtype="Int64"), 3: [1, 2, 3]}),
        pd.DataFrame(),
        pd.Series(np.arange(6.0)),
        pd.Series([np.zeros((8, 8))] * 3),
        pl.DataFrame({"file": ["no.png"] * 3}),
        pl.Series([1, 2, 3]),
        {"images": good_images()},
        set(),
        {1, 2},
        range(6),
        iter([1, 2]),
        _generator(),
        map(np.asarray, [[1], [2]]),
        np.float32(3),
        np.array(None),
        np.array("a.png"),
        object(),
        object,
        np.zeros,
        slice(3),
        sp.csr_array((4, 64)),
        torch.zeros(4, 8, 8, dtype=torch.bfloat16),
        torch.zeros(4, 8, 8, dtype=torch.complex64),
        torch.zeros(4, 8, 8, device="meta"),
        torch.zeros(4, 64).to_sparse(),
        memoryview(bytes(64)),
        bytearray(64),
        _Evil(),
        [_Evil()] * 3,
        [[]] * 3,
        [{}] * 3,
        [range(8)] * 3,
        [_generator(), _generator()],
        np.zeros((2, 0), dtype=object),
        np.array([[None, 1], [2, 3]], dtype=object),
        np.array([[1, "a"], [2, "b"]], dtype=object),
        np.array([[2**70, 1], [2, 3]], dtype=object),
        np.array([[10**400, 1], [2, 3]], dtype=object),
        [[10**400, 1], [2, 3]],
        [[1j, 1], [2, 3]],
    ]
    return draw(st.sampled_from(singles))
