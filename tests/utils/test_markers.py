import numpy as np
import pytest

from sklssl.utils._markers import check_no_missing, is_unlabelled


@pytest.mark.parametrize(
    "y",
    [
        np.array([-1, 1, 0]),
        np.array([-1.0, 1.0, 0.0]),
        np.array(["-1", "1", "cat"]),
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
