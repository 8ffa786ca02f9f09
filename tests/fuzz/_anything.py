"""Values that any parameter may be given, right for few of them."""

import pathlib
from fractions import Fraction

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from sklssl import RotNetEmbedder

__all__ = ["ANYTHING"]


def _raising(*args, **kwargs):
    raise RuntimeError("refused by the user's own function")


class _Odd:
    def __eq__(self, other):
        raise RuntimeError("not to be compared")

    __hash__ = None

    def __repr__(self):
        return "_Odd()"


ANYTHING = [
    None,
    True,
    False,
    -1,
    0,
    1,
    2,
    3,
    2**31,
    2**63,
    10**30,
    -(10**30),
    0.0,
    -0.0,
    0.5,
    1.0,
    1.5,
    -1.5,
    1e-320,
    1e300,
    float("nan"),
    float("inf"),
    float("-inf"),
    1j,
    Fraction(1, 3),
    np.int8(3),
    np.uint8(3),
    np.int64(2),
    np.uint64(3),
    np.float16(0.5),
    np.float32(0.5),
    np.float64("nan"),
    np.bool_(True),
    np.array(3),
    np.array([]),
    np.array([1, 2]),
    np.array([[1.0]]),
    torch.tensor(2),
    "",
    "x",
    "auto",
    "None",
    "\0",
    "a\nb",
    "\udcff",
    "x" * 5000,
    b"x",
    (),
    [],
    {},
    set(),
    [1],
    [None],
    [[]],
    ["x"],
    (0.5, 1.0),
    (1.0,) * 3,
    {"x": 1},
    range(3),
    iter([1]),
    object(),
    object,
    int,
    len,
    print,
    _raising,
    _Odd(),
    np.random.RandomState(0),
    np.random.default_rng(0),
    np.random.SeedSequence(0),
    pathlib.Path("nowhere/x"),
    pathlib.Path("x\0y"),
    torch.float32,
    torch.device("cpu"),
    torch.device("meta"),
    nn.Linear(2, 2),
    nn.Linear,
    LogisticRegression(),
    RotNetEmbedder(),
    RotNetEmbedder,
]
