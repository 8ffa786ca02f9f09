"""Whatever a user may call labels, answers or weights."""

import numpy as np
import pandas as pd
import polars as pl
import scipy.sparse as sp
import torch
from hypothesis import strategies as st

__all__ = ["labels"]


@st.composite
def labels(draw, n):
    """Draw answers for about `n` images, good and bad."""
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    classes, numbers = rng.integers(0, 2, n), rng.normal(size=n)
    classes[: min(2, n)] = [0, 1][: min(2, n)]
    broken = numbers.copy()
    broken[-1] = draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    text = np.array(["cat", "dog"])[classes]
    choices = [
        classes,
        classes.tolist(),
        np.where(np.arange(n) < n // 2, classes, -1),
        2 * classes - 1,
        classes.astype(bool),
        classes.astype("u1"),
        text,
        text.astype(object),
        text.astype("S3"),
        pd.Series(text),
        pd.Series(classes, index=np.arange(n) + 5),
        pd.Series(pd.Categorical(text)),
        pd.Series(pd.array([*classes[:-1].tolist(), None], dtype="Int64")),
        pl.Series(classes),
        np.array([*text[:-1], None], dtype=object),
        np.array([*text[:-1], np.nan], dtype=object),
        np.array([*text[:-1], 3], dtype=object),
        np.array([-1, *text[1:]], dtype=object),
        numbers,
        numbers.astype("f2"),
        numbers * 1e200,
        numbers * 1e38,
        numbers * 1e-300,
        np.zeros(n),
        np.zeros(n, int),
        np.full(n, -1),
        np.arange(n),
        broken,
        classes[:, None],
        np.stack([numbers, numbers], axis=1),
        np.stack([classes, classes], axis=1),
        np.zeros((n, 0)),
        np.zeros((n, 2, 2)),
        classes[:-1],
        np.append(classes, 1),
        classes + 1j,
        classes.astype("M8[s]"),
        sp.csr_array(classes[:, None]),
        torch.from_numpy(classes),
        torch.from_numpy(numbers).requires_grad_(),
        np.ma.masked_array(classes, classes == 1),
        [],
        None,
        3,
        "labels",
        ["a"] * n,
        [None] * n,
        [{}] * n,
        [[0], [1, 2]] * (n // 2),
        iter([0, 1]),
        {"y": classes},
        object(),
        np.array(1),
        [2**70, 1] * (n // 2),
    ]
    return draw(st.sampled_from(choices))
