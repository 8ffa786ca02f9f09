"""HarrisCornerMasker against the definition of the detector."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.ndimage import correlate

from sklssl.preprocessing import HarrisCornerMasker
from tests._seed import SEED
from tests.preprocessing._common import make_images


def harris_by_hand(grey):
    """The response det(M) - k trace(M)^2, M summed over 3x3 pixels, from Sobel derivatives."""
    sobel = np.outer([1, 2, 1], [-1, 0, 1])
    dx, dy = (correlate(grey, kernel, mode="mirror") for kernel in (sobel, sobel.T))
    xx, yy, xy = (correlate(d, np.ones((3, 3)), mode="mirror") for d in (dx * dx, dy * dy, dx * dy))
    return xx * yy - xy**2 - 0.04 * (xx + yy) ** 2


@pytest.mark.parametrize("threshold", [0.03, 0.3])
def test_against_the_formula(threshold):
    X = make_images(n=4, shape=(24, 30, 3))
    masked = HarrisCornerMasker(threshold=threshold).fit_transform(X)
    for old, new in zip(X, masked, strict=True):
        response = harris_by_hand(old @ np.array([0.299, 0.587, 0.114]))
        corners = response > threshold * response.max()
        assert 0 < corners.mean() < 0.5
        assert_array_equal(new, np.where(corners[..., np.newaxis], 255, old))


def test_a_higher_threshold_finds_fewer_corners():
    X = make_images() // 2
    counts = [
        (HarrisCornerMasker(threshold=threshold).fit_transform(X) == 255).sum()
        for threshold in (0.0, 0.1, 0.5, 0.9)
    ]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1] > 0


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 9, 1), (9, 1, 3), (8, 8, 1)])
def test_images_without_corners_stay(shape):
    flat = np.full((1, *shape), 7, np.uint8)
    assert_array_equal(HarrisCornerMasker(threshold=0.0).fit_transform(flat), flat)


@pytest.mark.parametrize("shape", [(1, 9, 1), (9, 1, 3)])
def test_a_line_has_no_corners(shape):
    X = make_images(shape=shape)
    assert_array_equal(HarrisCornerMasker(threshold=0.0).fit_transform(X), X)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_contrast_and_brightness_do_not_matter(scale):
    X = make_images()
    expected = HarrisCornerMasker().fit_transform(X // 2) == 255
    shifted = scale * (X // 2 + 100.0)
    # A white that no pixel has already.
    masked = HarrisCornerMasker().fit(2 * shifted).transform(shifted)
    assert_array_equal(masked != shifted, expected)


def test_white_of_floats_is_the_largest_value_in_fit():
    X = make_images(dtype=np.float64)
    masker = HarrisCornerMasker().fit(3 * X)
    assert masker.white_ == 3 * X.max()
    masked = masker.transform(X)
    assert_array_equal(masked[masked != X], 3 * X.max())
    assert (masked != X).any()


def test_white_does_not_come_from_padding():
    rows = -1 - make_images(shape=(4, 4, 1), dtype=np.float64).reshape(6, -1)[:, :15]
    assert HarrisCornerMasker().fit(rows).white_ == rows.max()


def test_uint8_and_floats_do_not_mix():
    X = make_images()
    with pytest.raises(ValueError, match=r"X holds float64.*fitted on uint8.*white is 255"):
        HarrisCornerMasker().fit(X).transform(X / 255)
    with pytest.raises(ValueError, match=r"X holds uint8.*fitted on float64.*white is 1.0"):
        HarrisCornerMasker().fit(X / 255).transform(X)


def masked_rows(X, **params):
    return (HarrisCornerMasker(**params).fit_transform(X) != X).any(axis=(1, 2, 3))


def test_fraction_masks_about_that_many_images():
    X = make_images(n=1000, shape=(9, 9, 1))
    assert masked_rows(X).all()
    assert not masked_rows(X, fraction=0.0).any()
    # Four standard deviations of a binomial.
    assert abs(masked_rows(X, fraction=0.3, random_state=SEED).mean() - 0.3) < 0.058


def test_fraction_is_settled_by_the_image_and_the_seed():
    X = make_images(n=50)
    order = np.random.default_rng(SEED).permutation(50)
    first = masked_rows(X, fraction=0.5, random_state=SEED)
    assert_array_equal(masked_rows(X, fraction=0.5, random_state=SEED), first)
    assert_array_equal(masked_rows(X[order], fraction=0.5, random_state=SEED), first[order])
    assert (masked_rows(X, fraction=0.5, random_state=SEED + 1) != first).any()
    larger = masked_rows(X, fraction=0.8, random_state=SEED)
    assert (larger >= first).all()
    assert larger.sum() > first.sum()
    assert_array_equal(masked_rows(X.astype(float), fraction=0.5, random_state=SEED), first)


def test_global_random_state_is_left_alone():
    np.random.seed(0)  # noqa: NPY002 - the global state is what this is about
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002
    HarrisCornerMasker(fraction=0.5, random_state=SEED).fit_transform(make_images())
    assert np.random.random() == expected  # noqa: NPY002
