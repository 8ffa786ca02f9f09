import itertools

import numpy as np
import pytest

from sklssl.inspection._colors import UNLABELLED, class_colors, largest_classes


@pytest.mark.parametrize("n", [0, 1, 10, 11, 200])
def test_distinct_colors(n):
    colors = class_colors(np.ones(n))
    assert len(colors) == len({*colors, UNLABELLED}) - 1 == n
    assert all(len(color) == 7 and int(color[1:], 16) >= 0 for color in colors)


def test_the_largest_of_many_classes_have_the_colors_of_few():
    sizes = np.array([1, 9, 1, 9, 1, 9, 9, 9, 9, 9, 9, 9, 9, 1])
    largest = largest_classes(sizes)
    assert largest == np.flatnonzero(sizes == 9).tolist()
    assert [class_colors(sizes)[i] for i in largest] == class_colors(np.ones(10))


# What people with other receptors see, in linear RGB: Vienot, Brettel and Mollon, 1999.
SEEN = {
    "all": np.eye(3),
    "no long waves": [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]],
    "no medium waves": [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def to_linear(color):
    rgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)


def to_lab(linear):
    x, y, z = np.cbrt(TO_XYZ @ np.clip(linear, 0, 1) / TO_XYZ.sum(axis=1))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("eyes", SEEN)
def test_ten_colors_can_be_told_apart(eyes):
    colors = [*class_colors(np.ones(10)), UNLABELLED]
    seen = [to_lab(np.array(SEEN[eyes]) @ to_linear(color)) for color in colors]
    distances = [np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)]
    assert min(distances) > 12


@pytest.mark.parametrize("background", ["#ffffff", "#16181d"])
def test_ten_colors_stand_out(background):
    light = [TO_XYZ[1] @ to_linear(color) for color in (*class_colors(np.ones(10)), background)]
    contrasts = [(max(y, light[-1]) + 0.05) / (min(y, light[-1]) + 0.05) for y in light[:-1]]
    assert min(contrasts) > 1.5
