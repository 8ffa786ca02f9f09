import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sklssl._data.thumbnails import make_thumbnails
from sklssl.exceptions import ImageFileError

rng = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(5, 12, 9), (5, 12, 9, 1), (5, 12, 9, 3)])
def test_uint8_is_shown_as_it_is(shape):
    X = rng.integers(0, 256, shape, dtype=np.uint8)
    pictures = make_thumbnails(X, np.array([3, 1]))
    assert [picture.shape for picture in pictures] == [(12, 9, 3)] * 2
    np.testing.assert_array_equal(pictures[0][..., 0], X[3].reshape(12, 9, -1)[..., 0])


def test_rows_and_tables_of_rows():
    X = rng.integers(0, 256, (4, 16), dtype=np.uint8)
    (picture,) = make_thumbnails(pd.DataFrame(X), np.array([2]))
    np.testing.assert_array_equal(picture[..., 1], X[2].reshape(4, 4))
    (wide,) = make_thumbnails(X, np.array([0]), image_shape=(2, 8))
    assert wide.shape == (2, 8, 3)


def test_floats_share_one_scale():
    X = np.zeros((2, 8, 8), np.float32)
    X[0], X[1] = 100.0, 300.0
    dark, bright = make_thumbnails(X, np.arange(2))
    assert (dark == 0).all()
    assert (bright == 255).all()
    half = make_thumbnails(np.full((1, 8, 8), 0.5), np.array([0]))[0]
    assert (half == 128).all()


def test_hot_pixels_do_not_darken_the_rest():
    X = rng.uniform(0, 1000, (4, 40, 40)).astype(np.uint16)
    X[0, 0, 0] = 65535
    assert np.median(make_thumbnails(X, np.arange(4))[1]) > 100


def test_constant_images():
    assert make_thumbnails(np.full((1, 8, 8), 7.5), np.array([0]))[0].dtype == np.uint8


def test_dim_floats_look_like_the_same_integers():
    X = rng.integers(0, 4000, (4, 20, 20)).astype(np.uint16)
    for same in ((X / 65535).astype(np.float32), X.astype(np.float64) - 7000):
        shown, expected = (make_thumbnails(x, np.arange(4)) for x in (same, X))
        np.testing.assert_allclose(shown, expected, atol=1)
    assert np.max(shown) == 255


@pytest.mark.parametrize("n_images", [3, 40])
def test_one_overexposed_image_does_not_darken_the_others(n_images):
    X = rng.uniform(0, 1000, (n_images, 20, 20))
    X[1] *= 50
    shown = make_thumbnails(X, np.arange(n_images))
    assert np.median(shown[0]) > 50
    assert shown[1].max() == 255


def test_empty_images_do_not_overexpose_the_others():
    X = rng.uniform(0, 1000, (40, 20, 20))
    X[:30] /= 100
    assert 100 < np.median(make_thumbnails(X, np.arange(40))[-1]) < 150


@pytest.mark.parametrize(("channels", "shown"), [(2, [0, 1, 0]), (4, [0, 1, 2]), (7, [0, 1, 2])])
def test_other_channels(channels, shown):
    X = rng.integers(0, 256, (1, 8, 8, channels), dtype=np.uint8)
    (picture,) = make_thumbnails(X, np.array([0]))
    np.testing.assert_array_equal(picture, X[0][..., shown])


def test_channels_of_other_units_are_scaled_separately():
    X = rng.uniform(0, 1, (3, 20, 20, 5)) * [1000, 1, 10, 1, 1]
    for picture in make_thumbnails(X, np.arange(3)):
        assert picture.max(axis=(0, 1)).min() > 240
    colours = rng.uniform(0, 1, (3, 20, 20, 3)) * [1, 1, 0.1]  # a yellow picture stays yellow
    assert make_thumbnails(colours, np.arange(3))[0][..., 2].max() < 30


def test_files_of_any_size_are_shrunk_in_proportion(tmp_path):
    paths = []
    for i, shape in enumerate([(40, 80, 3), (10, 12, 3)]):
        paths.append(str(tmp_path / f"{i}.png"))
        cv2.imwrite(paths[-1], np.full(shape, 50 + i, np.uint8))
    paths.append("missing.png")  # is not read
    large, small = make_thumbnails(paths, np.array([0, 1]), longest=20)
    assert large.shape == (10, 20, 3)
    assert small.shape == (10, 12, 3)
    (second,) = make_thumbnails(pd.Series(paths, index=[5, 6, 0]), np.array([1]))
    np.testing.assert_array_equal(second, small)
    with pytest.raises(ImageFileError, match="missing"):
        make_thumbnails(paths, np.array([2]))


def test_pil_images():
    pictures = [Image.fromarray(np.full((8, 8 + i), i, np.uint8)) for i in range(3)]
    shown = make_thumbnails(pictures, np.array([2, 0]))
    assert [picture.shape for picture in shown] == [(8, 10, 3), (8, 8, 3)]


def test_arrays_of_different_sizes():
    X = [rng.integers(0, 256, (8 + i, 9, 3), dtype=np.uint8) for i in range(3)]
    (picture,) = make_thumbnails(X, np.array([2]))
    np.testing.assert_array_equal(picture, X[2])


def test_names_its_caller_in_errors():
    with pytest.raises(ValueError, match="SomeDisplay"):
        make_thumbnails(np.array([["a", "b"]]), np.array([0]), owner="SomeDisplay")


def test_transparent_files_and_pictures_are_shown_over_grey(tmp_path):
    alpha = np.where(np.eye(8), 255, 0).astype(np.uint8)
    expected = np.repeat(np.where(alpha > 0, 0, 128)[..., np.newaxis], 3, axis=2)
    for i, stored in enumerate((np.zeros((8, 8, 3)), np.zeros((8, 8, 1)))):
        picture = Image.fromarray(np.dstack([stored.astype(np.uint8), alpha]))
        path = str(tmp_path / f"{i}.png")
        picture.save(path)
        for X in ([path], [picture]):
            np.testing.assert_array_equal(make_thumbnails(X, np.array([0]))[0], expected)
