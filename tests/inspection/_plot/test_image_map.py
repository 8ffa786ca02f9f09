import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

from sklssl import PatchDictionaryEmbedder
from sklssl.inspection import ImageMapDisplay
from sklssl.inspection._colors import UNLABELLED
from sklssl.inspection._plot._layout import choose_apart
from tests._seed import SEED

pytestmark = pytest.mark.usefixtures("pyplot")


@pytest.fixture(scope="module")
def embedder(digits):
    return PatchDictionaryEmbedder(32, random_state=0).fit(digits[0][:300])


def test_neighbours_on_the_map_are_of_the_same_class(embedder, digits):
    X, y = digits[0][:300], digits[1][:300]
    display = ImageMapDisplay.from_estimator(embedder, X, y, random_state=SEED)
    nearest = KNeighborsClassifier(5).fit(display.positions, y)
    assert nearest.score(display.positions, y) > 0.9
    assert len(display.images_) == len(display.shown_)
    assert len(display.dots_.get_offsets()) == 300 - len(display.shown_)
    assert display.figure_ is display.ax_.figure
    names = [text.get_text() for text in display.legend_.texts]
    assert names == [str(digit) for digit in range(10)]


def test_pictures_are_at_their_places_without_overlaps(digits):
    positions = np.random.default_rng(SEED).normal(size=(200, 2))
    display = ImageMapDisplay.from_features(positions, digits[0][:200], image_size=0.1)
    np.testing.assert_array_equal(display.positions, positions)
    boxes = np.array([image.get_extent() for image in display.images_])
    middles = np.column_stack([boxes[:, :2].mean(axis=1), boxes[:, 2:].mean(axis=1)])
    np.testing.assert_allclose(middles, positions[display.shown_], atol=1e-8)
    for i, (left, right, low, high) in enumerate(boxes):
        others = np.delete(boxes, i, axis=0)
        apart = (others[:, 0] > right) | (others[:, 1] < left)
        assert (apart | (others[:, 2] > high) | (others[:, 3] < low)).all()
    # No other picture would fit.
    gap = np.abs(positions[:, None] - positions[display.shown_]).max(axis=2).min(axis=1)
    assert gap.max() <= 0.1 * np.ptp(positions, axis=0).max()
    x, y = display.ax_.get_xlim(), display.ax_.get_ylim()
    assert boxes[:, 0].min() > x[0]
    assert boxes[:, 1].max() < x[1]
    assert boxes[:, 2].min() > y[0]
    assert boxes[:, 3].max() < y[1]


def test_wide_pictures_keep_their_proportions():
    X = np.zeros((3, 10, 20), np.uint8)
    display = ImageMapDisplay.from_features(np.eye(3)[:, :2], X)
    left, right, low, high = display.images_[0].get_extent()
    assert (right - left) / (high - low) == pytest.approx(2)
    assert display.ax_.get_aspect() == 1


def test_the_first_of_those_too_close_is_kept():
    positions = np.array([[0.0, 0.0], [0.5, 0.5], [0.5, 2.0], [3.0, 2.0]])
    assert choose_apart(positions, 1.0).tolist() == [0, 2, 3]


def test_a_random_sample_is_embedded(embedder, digits):
    class Counting:
        def transform(self, X):
            self.n_images = len(X)
            return embedder.transform(X)

    counting = Counting()
    X, y = digits[0][:100], digits[1][:100]
    display = ImageMapDisplay.from_estimator(counting, X, y, n_images=30, random_state=SEED)
    assert counting.n_images == len(display.pictures) == 30
    assert [display.class_names[i] for i in display.labels] == [str(y[i]) for i in display.rows]
    np.testing.assert_array_equal(display.pictures[3][..., 0], X[display.rows[3]][..., 0])
    again = ImageMapDisplay.from_estimator(counting, X, y, n_images=30, random_state=SEED)
    np.testing.assert_array_equal(again.positions, display.positions)


def test_another_reducer(embedder, digits):
    Z, reducer = embedder.transform(digits[0][:50]), PCA(2)
    display = ImageMapDisplay.from_features(Z, digits[0][:50], reducer=reducer)
    assert not hasattr(reducer, "components_")
    assert abs(display.positions.mean(axis=0)).max() < 1e-4
    spread = display.positions.std(axis=0)
    assert spread[0] > spread[1] > 0
    with pytest.raises(ValueError, match=r"'reducer' .* two finite columns.* \(50, 3\)"):
        ImageMapDisplay.from_features(Z, digits[0][:50], reducer=PCA(3))


def test_two_hundred_classes():
    rng = np.random.default_rng(SEED)
    y = np.concatenate([np.arange(200), np.arange(12), [-1]])
    X = np.zeros((len(y), 8, 8), np.uint8)
    display = ImageMapDisplay.from_features(rng.normal(size=(len(y), 2)), X, y)
    texts = [text.get_text() for text in display.legend_.texts]
    assert texts == [*map(str, range(10)), "other classes", "unlabelled"]
    box = display.legend_.get_window_extent()
    assert box.width < display.figure_.bbox.width


def test_a_class_has_the_same_colour_in_every_map():
    X, Z = np.zeros((4, 8, 8), np.uint8), np.eye(4)[:, :2]
    colors = []
    for y in ([0, 1, 2, 3], [1, 3, 3, 1]):
        display = ImageMapDisplay.from_features(Z, X, y, target_names=["a", "b", "c", "d"])
        marks = zip(display.legend_.texts, display.legend_.legend_handles, strict=True)
        colors.append({text.get_text(): mark.get_color() for text, mark in marks})
    assert colors[1] == {name: colors[0][name] for name in "bd"}


def test_a_legend_in_small_axes(pyplot):
    figure, axes = pyplot.subplots(1, 3, figsize=(9, 4))
    y = [f"a class with number {i}" for i in range(9)]
    X, Z = np.zeros((9, 8, 8), np.uint8), np.random.default_rng(0).normal(size=(9, 2))
    display = ImageMapDisplay.from_features(Z, X, y, ax=axes[1])
    figure.canvas.draw()
    assert display.legend_.get_window_extent().width < 1.3 * axes[1].get_window_extent().width


def test_names_are_not_formulas():
    display = ImageMapDisplay.from_features(
        np.eye(3)[:, :2], np.zeros((3, 8, 8), np.uint8), ["$x_1$", "<b>", "a" * 99]
    )
    assert [text.get_text() for text in display.legend_.texts[:2]] == ["$x_1$", "<b>"]
    assert len(display.legend_.texts[2].get_text()) == 24
    assert not any(text.get_parse_math() for text in display.legend_.texts)
    display.figure_.canvas.draw()


def test_without_labels(digits):
    for y in (None, np.full(20, -1)):
        Z = np.random.default_rng(0).normal(size=(20, 2))
        display = ImageMapDisplay.from_features(Z, digits[0][:20], y)
        assert display.legend_ is None
        assert display.ax_.patches[0].get_edgecolor() == pytest.approx(
            [int(UNLABELLED[i : i + 2], 16) / 255 for i in (1, 3, 5)] + [1]
        )


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7])
def test_few_images(n, digits):
    Z = np.random.default_rng(SEED).normal(size=(n, 5))
    display = ImageMapDisplay.from_features(Z, digits[0][:n], random_state=0)
    assert display.positions.shape == (n, 2)
    assert np.isfinite(display.positions).all()
    assert len(display.shown_) >= 1
    display.figure_.canvas.draw()


def test_images_that_are_all_the_same(digits):
    display = ImageMapDisplay.from_features(np.ones((20, 5)), digits[0][:20])
    assert len(display.shown_) == 1
    display.figure_.canvas.draw()
    one_feature = ImageMapDisplay.from_features(np.arange(20.0)[:, None], digits[0][:20])
    assert one_feature.positions.shape == (20, 2)


def test_axes_of_the_user(pyplot, digits):
    _, axes = pyplot.subplots(1, 2)
    display = ImageMapDisplay.from_features(np.eye(5)[:, :2], digits[0][:5], ax=axes[1])
    assert display.ax_ is axes[1]
    assert display.plot(ax=axes[0], image_size=0.2) is display
    assert display.ax_ is axes[0]


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"Z": np.ones((4, 3))}, ValueError, "'Z' .*ImageMapDisplay.* Got 4 rows for 5 images"),
        ({"Z": np.full((5, 3), np.nan)}, ValueError, "'Z' argument of ImageMapDisplay.*NaN"),
        ({"n_images": 0}, ValueError, "'n_images' argument of ImageMapDisplay"),
        ({"image_size": 0}, ValueError, "'image_size' argument of ImageMapDisplay"),
        ({"image_size": "small"}, ValueError, "'image_size' argument of ImageMapDisplay"),
        ({"reducer": "umap"}, TypeError, "'reducer' argument of ImageMapDisplay.*Got 'umap'"),
        ({"reducer": PCA}, TypeError, "'reducer' argument of ImageMapDisplay"),
    ],
)
def test_what_does_not_fit(arguments, kind, message, digits):
    with pytest.raises(kind, match=message):
        ImageMapDisplay.from_features(**{"Z": np.eye(5), "X": digits[0][:5], **arguments})
