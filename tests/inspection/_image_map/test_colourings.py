import numpy as np
import pandas as pd
import pytest

from sklssl.inspection._colors import UNLABELLED
from sklssl.inspection._image_map.colourings import make_colourings

pytest.importorskip("plotly")


def make(y, n, **settings):
    return make_colourings(y, n, **{"target_names": None, "owner": "f", **settings})


def labels_of(by):
    return [by["classes"][code] for code in by["codes"]]


def test_no_labels():
    assert make(None, 3)[0]["codes"] == [0, 0, 0]


@pytest.mark.parametrize("y", [[10, 9, -1, 10], ["10", "9", "-1", "10"], [10, 9, None, 10]])
def test_classes(y):
    (by,) = make(y, 4)
    assert labels_of(by) == ["10", "9", "unlabelled", "10"]
    assert by["colors"][by["codes"][2]] == UNLABELLED
    assert len(set(by["colors"])) == 3


def test_integers_are_sorted_as_numbers():
    assert make([10, 9, 2], 3)[0]["classes"] == ["2", "9", "10"]


def test_two_hundred_classes():
    (by,) = make([f"class {i}" for i in range(200)], 200)
    assert len(by["classes"]) == 200
    assert len(set(by["colors"])) > 150


def test_numbers():
    (by,) = make(np.array([0.5, np.nan, 1.5, 1.0, -np.inf]), 5)
    assert by["codes"][:4] == [0, 64, 63, 32]
    assert by["values"] == ["0.5", None, "1.5", "1", None]
    assert by["ends"] == ["0.5", "1.5"]
    assert by["colors"][64] == UNLABELLED


@pytest.mark.parametrize(
    ("dtype", "end"),
    [
        (np.float16, np.finfo(np.float16).max),
        (np.float32, np.finfo(np.float32).max),
        (np.float64, np.finfo(np.float64).max),
        (np.float64, 5e-324),
        (np.longdouble, np.finfo(np.longdouble).max),
    ],
)
def test_numbers_whose_difference_is_too_large_or_small(dtype, end):
    (by,) = make(np.array([-end, 0, end, np.nan], dtype), 4)
    assert by["codes"] == [0, 32, 63, 64]


@pytest.mark.parametrize("value", [3.0, np.nan])
def test_equal_numbers(value):
    (by,) = make(np.full(3, value), 3)
    assert len(set(by["codes"])) == 1


def test_a_table_has_a_colouring_per_column():
    table = pd.DataFrame({"kind": pd.Series(["a", None], dtype="string"), "size": [1.0, 2.5]})
    kind, size = make(table, 2)
    assert [kind["name"], size["name"]] == ["kind", "size"]
    assert labels_of(kind) == ["a", "unlabelled"]
    assert size["ends"] == ["1", "2.5"]


def test_target_names():
    (by,) = make([1, 0, -1], 3, target_names=["cat", "dog"])
    assert labels_of(by) == ["dog", "cat", "unlabelled"]
    assert make({"a": ["x", "y"]}, 2, target_names=["cat"])[0]["classes"] == ["x", "y"]


@pytest.mark.parametrize(
    "classes",
    [
        ["day-1", "day-2", "day-10"],
        ["2024-01-09", "2024-01-10", "2024-11-02"],
        ["-10", "-2", "3", "10"],
    ],
)
def test_a_hyphen_is_a_minus_sign_of_whole_numbers_alone(classes):
    assert make(classes[::-1], len(classes))[0]["classes"] == classes


@pytest.mark.parametrize("unit", ["ns", "s", "D"])
def test_dates_are_texts(unit):
    y = np.array(["2024-01-10", "NaT", "2024-01-09"], f"datetime64[{unit}]")
    (by,) = make(y, 3)
    assert by["classes"] == ["2024-01-09", "2024-01-10", "unlabelled"]
    assert labels_of(by)[1] == "unlabelled"


def test_masked_labels():
    with pytest.raises(ValueError, match="y is a masked array"):
        make(np.ma.array([0, 1], mask=[0, 1]), 2)
