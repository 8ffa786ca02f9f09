"""ImageResizer against averages and interpolation by hand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from sklssl import PatchDictionaryEmbedder
from sklssl.preprocessing import ImageResizer
from tests.preprocessing._common import make_images


@pytest.mark.parametrize("channels", [1, 3, 5, 9])
def test_shrinking_averages_areas(channels):
    X = make_images(shape=(12, 8, channels), dtype=np.float64)
    expected = X.reshape(6, 4, 3, 4, 2, channels).mean(axis=(2, 4))
    assert_allclose(ImageResizer(4).fit_transform(X), expected)


@pytest.mark.parametrize("channels", [1, 5])
def test_enlarging_interpolates_between_pixel_centres(channels):
    X = make_images(shape=(4, 5, channels), dtype=np.float64)
    result = ImageResizer((4, 15)).fit_transform(X)
    centres = (np.arange(15) + 0.5) / 3 - 0.5
    for new, old in zip(
        np.moveaxis(result, 2, -1).reshape(-1, 15),
        np.moveaxis(X, 2, -1).reshape(-1, 5),
        strict=True,
    ):
        assert_allclose(new, np.interp(centres, np.arange(5), old), atol=1e-6)


def test_one_side_shrinks_while_the_other_grows():
    X = make_images(shape=(12, 4, 3), dtype=np.float64)
    result = ImageResizer((4, 8)).fit_transform(X)
    averaged = X.reshape(6, 4, 3, 4, 3).mean(axis=2)
    assert_allclose(result, ImageResizer((4, 8)).fit_transform(averaged))


def test_same_size_changes_nothing():
    X = make_images()
    assert_array_equal(ImageResizer((12, 9)).fit_transform(X), X)


def test_an_int_is_a_square():
    X = make_images()
    resizer = ImageResizer(np.int64(10)).fit(X)
    assert resizer.image_size_ == (10, 10)
    assert_array_equal(resizer.transform(X), ImageResizer([10, 10]).fit_transform(X))


@pytest.mark.parametrize("size", [10**6, (5, 2**40), np.int64(2**31)])
def test_a_size_beyond_all_memory_is_refused(size):
    with pytest.raises(ValueError, match="'image_size' parameter of ImageResizer"):
        ImageResizer(size).fit(make_images())


def test_size_is_settled_in_fit():
    X = make_images()
    resizer = ImageResizer(10).fit(X).set_params(image_size=20)
    assert resizer.transform(X).shape == (6, 10, 10, 3)
    assert len(resizer.get_feature_names_out()) == 300


def test_images_of_any_height_and_width_after_fit():
    X = make_images()
    pictures = [Image.fromarray(x) for x in X]
    other = make_images(n=2, shape=(20, 5, 3))
    for fitted_on in (X, list(X), pictures, [X[0], *other]):
        resizer = ImageResizer(10, image_shape=(12, 9, 3)).fit(fitted_on)
        assert resizer.image_shape_ == (12, 9, 3)
        assert resizer.n_features_in_ == 12 * 9 * 3
        expected = ImageResizer(10).fit_transform(X)
        for same in (X, list(X), pictures):
            assert_array_equal(resizer.transform(same), expected)
        assert_array_equal(resizer.transform(X.reshape(6, -1)), expected.reshape(6, -1))
        assert_array_equal(resizer.transform(other), ImageResizer(10).fit_transform(other))


def test_images_with_other_channels_than_in_fit():
    resizer = ImageResizer(10).fit(make_images())
    for grey in (make_images()[..., 0], make_images(shape=(5, 8, 1)), list(make_images()[..., 0])):
        with pytest.raises(ValueError, match=r"ImageResizer was fitted on .*\(12, 9, 3\).*hannels"):
            resizer.transform(grey)


def test_lists_of_images_of_different_sizes():
    arrays = [make_images(shape=(8 + i, 12, 3), dtype=np.uint8)[0] for i in range(4)]
    expected = np.stack([ImageResizer(6).fit_transform(x[np.newaxis])[0] for x in arrays])
    assert_array_equal(ImageResizer(6).fit_transform(arrays), expected)
    pictures = [Image.fromarray(x) for x in arrays]
    assert_array_equal(ImageResizer(6).fit_transform(pictures), expected)
    grey = [x[..., 0] for x in arrays]
    assert_array_equal(ImageResizer(6).fit_transform(grey), expected[..., :1])
    embedder = PatchDictionaryEmbedder(8, image_size=8, random_state=0)
    eight = ImageResizer(8).fit_transform(arrays)
    assert_array_equal(embedder.fit_transform(arrays), embedder.fit_transform(eight))
