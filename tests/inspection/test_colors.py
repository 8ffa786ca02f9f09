import numpy as np
import pytest

from sklssl.inspection._colors import UNLABELLED, class_colors


@pytest.mark.parametrize("n", [1, 10, 11, 200])
def test_distinct_colors(n):
    colors = class_colors(np.repeat(np.arange(n), 2))
    assert list(colors) == list(range(n))
    assert len(set(colors.values())) == n
    assert all(len(color) == 7 and int(color[1:], 16) >= 0 for color in colors.values())


def test_no_label_is_grey():
    assert class_colors([1, -1, 0])[-1] == UNLABELLED
    assert UNLABELLED not in class_colors(["a", "b"]).values()
