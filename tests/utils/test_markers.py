import numpy as np
import pandas as pd
import pytest

from sklssl.utils._markers import check_no_missing, is_unlabelled, missing_rows


@pytest.mark.parametrize(
    "y",
    [
        np.array([-1, 1, 0]),
        np.array([-1.0, 1.0, 0.0]),
        np.array(["-1", "1", "cat"]),
        np.array([-1.0, 1.0, 0.0]).astype(str),
        np.array(["-1.0", "1.0", "cat"], dtype=object),
        np.array([-1, "1", "cat"], dtype=object),
        np.array(["-1", 1, None], dtype=object),
    ],
)
def test_the_marker_is_a_number_or_a_string(y):
    assert is_unlabelled(y).tolist() == [True, False, False]


@pytest.mark.parametrize("missing", [None, np.nan])
def test_a_missing_value_is_no_marker(missing):
    with pytest.raises(ValueError, match=r"^The y of it contains .* in 1 of 2 rows"):
        check_no_missing(np.array(["cat", missing], dtype=object), "it")
    check_no_missing(np.array(["cat", -1], dtype=object), "it")


@pytest.mark.parametrize(
    "values",
    [
        ["a", "", "b"],
        ["a", "  ", "b"],
        np.array(["a", None, "b"], object),
        np.array(["a", "nan", "b"], object),
        np.array([1.0, np.nan, 2.0]),
        np.array([1.0, np.nan, 2.0]).astype(str),
        np.array(["2020-01-01", "NaT", "2020-01-02"], "M8[D]"),
        pd.array(["a", None, "b"], dtype="string").to_numpy(),
        pd.array(["a", None, "b"], dtype="string").astype(str).to_numpy(),
    ],
)
def test_missing_labels_of_any_kind(values):
    y = np.asarray(values)
    assert missing_rows(y).tolist() == [1]
    with pytest.raises(ValueError, match="The y of somebody contains .* in 1 of 3 rows"):
        check_no_missing(y, "somebody")


def test_names_that_are_no_missing_labels():
    assert not missing_rows(np.array(["none", "None", "nano", "n/a", "0"])).size


def test_markers_with_spaces():
    for dtype in (str, object):
        assert is_unlabelled(np.array([" -1", "a", "-1 ", "1"], dtype)).tolist() == [1, 0, 1, 0]
