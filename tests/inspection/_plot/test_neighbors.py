import itertools

import cv2
import numpy as np
import pytest

from sklssl import PatchDictionaryEmbedder, RotNetEmbedder
from sklssl.inspection import ImageMapDisplay, NeighborsDisplay, ViewsDisplay
from sklssl.metrics import knn_score
from tests._seed import SEED

pytestmark = pytest.mark.usefixtures("pyplot")


def test_neighbours_against_a_slow_loop(digits):
    X, y = digits[0][:80], digits[1][:80]
    Z = np.random.default_rng(SEED).normal(size=(80, 6)) * [1, 100, 1, 1, 1, 1] + 3
    Z[:, 4] = 7  # constant, and so ignored
    display = NeighborsDisplay.from_features(Z, X, y, rows=[5, 70], n_neighbors=4)
    scaled = np.delete(Z, 4, axis=1)
    scaled = (scaled - scaled.mean(axis=0)) / scaled.std(axis=0)
    for line, cosines in zip(display.neighbors, display.similarities, strict=True):
        query = scaled[line[0]]
        expected = [
            z @ query / np.linalg.norm(z) / np.linalg.norm(query) if i != line[0] else 2
            for i, z in enumerate(scaled)
        ]
        assert line.tolist() == np.argsort(-np.array(expected))[:5].tolist()
        np.testing.assert_allclose(cosines[1:], np.sort(expected)[::-1][1:5])
        assert cosines[0] == pytest.approx(1)
    assert display.neighbors[:, 0].tolist() == [5, 70]
    np.testing.assert_array_equal(
        display.is_other, y[display.neighbors] != y[display.neighbors[:, :1]]
    )


def test_agrees_with_the_score_of_one_neighbour(digits):
    X, y = digits[0][:200], digits[1][:200]
    embedder = PatchDictionaryEmbedder(8, random_state=0).fit(X)
    display = NeighborsDisplay.from_estimator(embedder, X, y, rows=np.arange(30), n_neighbors=1)
    Z = embedder.transform(X)
    every = NeighborsDisplay.from_features(Z, X, y, rows=np.arange(200), n_neighbors=1)
    np.testing.assert_array_equal(every.neighbors[:30], display.neighbors)
    assert 1 - every.is_other[:, 1].mean() == pytest.approx(knn_score(Z, y, n_neighbors=1))


def test_the_grid(digits):
    X, y = digits[0][:60], digits[1][:60].copy()
    y[50:] = -1
    Z = np.random.default_rng(SEED).normal(size=(60, 4))
    names = [f"digit{i}" for i in range(60)]
    display = NeighborsDisplay.from_features(Z, X, y, rows=4, names=names, random_state=SEED)
    assert display.axes_.shape == (4, 7)
    assert len(display.images_) == 28
    for axes, line, other in zip(display.axes_, display.neighbors, display.is_other, strict=True):
        assert axes[0].spines["left"].get_visible()
        for ax, row, is_other in zip(axes, line, other, strict=True):
            assert ax.get_title() == (names[row] if y[row] == -1 else str(y[row]))
            assert is_other == (y[row] != y[line[0]] and -1 not in (y[row], y[line[0]]))
            assert is_other == (ax.title.get_color() != "black")
            np.testing.assert_array_equal(ax.images[0].get_array()[..., 0], X[row][..., 0])
        frames = [ax.spines["left"].get_visible() for ax in axes[1:]]
        assert frames == other[1:].tolist()
    display.figure_.canvas.draw()


@pytest.mark.parametrize("shape", [(12, 400, 3), (400, 12, 3), (12, 12, 3)])
@pytest.mark.parametrize("display", [NeighborsDisplay, ImageMapDisplay])
def test_frames_leave_pictures_visible(display, shape):
    green = np.zeros((30, *shape), np.uint8)
    green[..., 1] = 255
    Z = np.random.default_rng(SEED).normal(size=(30, 2))
    drawn = display.from_features(Z, green, np.arange(30) % 3)
    if display is ImageMapDisplay:
        drawn.plot(image_size=0.15)
    drawn.figure_.canvas.draw()
    pixels = np.asarray(drawn.figure_.canvas.buffer_rgba()).astype(int)
    for image in drawn.images_:
        box = image.get_window_extent()
        x, y = (box.x0 + box.x1) / 2, len(pixels) - (box.y0 + box.y1) / 2
        near = pixels[int(y) - 2 : int(y) + 3, int(x) - 2 : int(x) + 3]
        assert (near[..., 1] - near[..., [0, 2]].max(axis=2)).max() > 120


def test_fewer_images_than_asked(digits):
    display = NeighborsDisplay.from_features(np.eye(3), digits[0][:3], rows=9, n_neighbors=9)
    assert display.neighbors.shape == (3, 3)
    assert all(sorted(line) == [0, 1, 2] for line in display.neighbors.tolist())


def test_images_that_are_all_the_same(digits):
    display = NeighborsDisplay.from_features(np.ones((9, 3)), digits[0][:9], rows=[8])
    assert display.neighbors[0, 0] == 8
    assert len(set(display.neighbors[0])) == 7
    display.figure_.canvas.draw()


def test_two_hundred_classes():
    X = np.zeros((400, 4, 4), np.uint8)
    Z = np.random.default_rng(0).normal(size=(400, 3))
    y = np.repeat(np.arange(200), 2)
    display = NeighborsDisplay.from_features(Z, X, y, rows=6, random_state=SEED)
    assert len(set(y[display.neighbors[:, 0]])) == 6


def test_captions_that_would_overlap_are_shortened(pyplot, digits):
    names = ["$x_1$ <b>" + "very" * 9 + str(i) for i in range(20)]
    figure = pyplot.figure(figsize=(8, 4))
    display = NeighborsDisplay.from_features(
        np.random.default_rng(0).normal(size=(20, 3)),
        digits[0][:20],
        names,
        ax=figure.add_axes((0, 0, 1, 1)),
    )
    figure.canvas.draw()
    line = [ax.title.get_window_extent() for ax in display.axes_[1]]
    assert all(a.x1 < b.x0 for a, b in itertools.pairwise(line))
    assert "$" in display.axes_[0, 0].get_title()
    assert not display.axes_[0, 0].title.get_parse_math()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"Z": np.ones((4, 3))}, "'Z' argument of NeighborsDisplay.* Got 4 rows for 5 images"),
        ({"Z": np.full((5, 3), np.nan)}, "'Z' argument of NeighborsDisplay.*NaN"),
        ({"n_neighbors": 0}, "'n_neighbors' argument of NeighborsDisplay"),
        ({"n_neighbors": 1.5}, "'n_neighbors' argument of NeighborsDisplay"),
        ({"rows": [5]}, "'rows' argument of NeighborsDisplay"),
        ({"X": np.zeros((1, 4, 4)), "Z": np.eye(1)}, "'X' argument of .* at least two images"),
    ],
)
def test_what_does_not_fit(arguments, message, digits):
    with pytest.raises(ValueError, match=message):
        NeighborsDisplay.from_features(**{"Z": np.eye(5), "X": digits[0][:5], **arguments})


def test_long_classes_that_differ_in_their_middle_stay_apart():
    y = ["kidney_cortex_A_division", "kidney_cortex_B_division"] * 4
    X, Z = np.zeros((8, 8, 8), np.uint8), np.random.default_rng(0).normal(size=(8, 3))
    display = NeighborsDisplay.from_features(Z, X, y, rows=[0, 1])
    titles = {display.axes_[i, 0].get_title() for i in range(2)}
    assert len(titles) == 2
    assert max(map(len, titles)) < 20


def test_an_image_without_class_is_not_named_like_a_class():
    X, Z = np.zeros((8, 8, 8), np.uint8), np.random.default_rng(0).normal(size=(8, 3))
    display = NeighborsDisplay.from_features(Z, X, [1, -1] * 4, rows=[0, 1])
    assert [display.axes_[i, 0].get_title() for i in range(2)] == ["1", "row 1"]


def test_rows_are_those_of_x_where_files_are_skipped(digits, tmp_path):
    paths = [str(tmp_path / f"{i}.png") for i in range(8)]
    for path, image in zip(paths, digits[0], strict=False):
        cv2.imwrite(path, image)
    (tmp_path / "1.png").write_bytes(b"no image")
    embedder = PatchDictionaryEmbedder(8, image_shape=(8, 8, 1), on_error="skip", random_state=0)
    with pytest.warns(UserWarning, match="1.png"):
        embedder.fit(paths)
    with pytest.warns(UserWarning, match="1.png"):
        display = NeighborsDisplay.from_estimator(embedder, paths, rows=[2, 7], n_neighbors=9)
    assert display.neighbors[:, 0].tolist() == [2, 7]
    assert sorted(display.neighbors[0]) == [0, 2, 3, 4, 5, 6, 7]
    for i, j in np.ndindex(display.neighbors.shape):
        row = display.neighbors[i, j]
        assert display.captions[row] == display.axes_[i, j].get_title() == f"{row}.png"
        np.testing.assert_array_equal(display.pictures[row][..., 0], digits[0][row, ..., 0])
    with (
        pytest.warns(UserWarning, match="1.png"),
        pytest.raises(ValueError, match="row 1 was"),
    ):
        NeighborsDisplay.from_estimator(embedder, paths, rows=[1])
    with pytest.warns(UserWarning, match="1.png"):
        points = ImageMapDisplay.from_estimator(embedder, paths)
    assert points.rows.tolist() == [0, 2, 3, 4, 5, 6, 7]
    rotnet = RotNetEmbedder("convnet", image_shape=(8, 8, 1), on_error="skip")
    with pytest.warns(UserWarning, match="1.png"):
        views = ViewsDisplay.from_estimator(rotnet, paths, rows=[2, 7])
    assert views.rows.tolist() == [2, 7]
    assert views.names == ["2.png", "7.png"]
