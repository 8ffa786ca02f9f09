"""What holds for every image to image transformer, beyond scikit-learn's own checks."""

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    estimator_checks_generator,
)

from sklssl.preprocessing import HarrisCornerMasker, ImageResizer, PseudoGrayscaler
from tests.preprocessing._common import TRANSFORMERS, make_images

# tests/test_common.py runs scikit-learn's checks on the default parameters.
OTHER_PARAMETERS = [HarrisCornerMasker(fraction=0.5), ImageResizer((3, 5))]

every_transformer = pytest.mark.parametrize("transformer", TRANSFORMERS, ids=str)


@pytest.mark.parametrize(
    ("estimator", "check"),
    [pair for est in OTHER_PARAMETERS for pair in estimator_checks_generator(est)],
    ids=lambda value: str(value) if isinstance(value, BaseEstimator) else value.func.__name__,
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@every_transformer
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_layouts_agree_and_dtype_stays(transformer, dtype, channels):
    X = make_images(shape=(12, 9, channels), dtype=dtype)
    expected = clone(transformer).fit_transform(X)
    assert expected.ndim == 4
    assert expected.dtype == dtype
    assert expected.shape[-1] == channels

    rows = clone(transformer).set_params(image_shape=X.shape[1:]).fit_transform(X.reshape(6, -1))
    assert_array_equal(rows, expected.reshape(6, -1))
    assert rows.dtype == dtype
    if channels == 1:
        assert_array_equal(clone(transformer).fit_transform(X[..., 0]), expected[..., 0])


@every_transformer
@pytest.mark.parametrize("dtype", [np.int64, bool])
def test_other_dtypes_become_float64(transformer, dtype):
    X = (make_images() > 99).astype(dtype)
    assert clone(transformer).fit_transform(X).dtype == np.float64


@every_transformer
@pytest.mark.parametrize("shape", [(12, 12, 3), (16, 16, 1), (5, 20, 1)])
def test_X_is_never_changed_nor_given_back(transformer, shape):
    X = make_images(shape=shape)
    expected = clone(transformer).fit_transform(X)
    frozen = X.copy()
    frozen.flags.writeable = False
    result = clone(transformer).fit_transform(frozen)
    assert_array_equal(result, expected)
    assert_array_equal(frozen, X)
    assert not np.shares_memory(result, frozen)


@every_transformer
def test_memory_layout_does_not_matter(transformer):
    X = make_images(shape=(12, 12, 3))
    expected = clone(transformer).fit_transform(X)
    strided = np.zeros((6, 24, 12, 3), np.uint8)[:, ::-2]
    strided[:] = X
    assert_array_equal(clone(transformer).fit_transform(strided), expected)
    assert_array_equal(clone(transformer).fit_transform(np.asfortranarray(X)), expected)


@every_transformer
def test_an_image_does_not_see_its_neighbours(transformer):
    X = make_images(n=8)
    fitted = clone(transformer).fit(X)
    together = fitted.transform(X)
    for i in (7, 0, 3):
        assert_array_equal(fitted.transform(X[[i]])[0], together[i])


@every_transformer
def test_pickle_and_refit(transformer):
    X = make_images()
    fitted = clone(transformer).fit(X)
    expected = fitted.transform(X)
    assert_array_equal(pickle.loads(pickle.dumps(fitted)).transform(X), expected)
    other_size = make_images(shape=(8, 8, 1))
    assert fitted.fit(other_size).image_shape_ == (8, 8, 1)
    assert_array_equal(fitted.fit(X).transform(X), expected)


@every_transformer
def test_failed_fit_leaves_the_estimator_alone(transformer):
    X = make_images()
    fitted = clone(transformer).fit(X)
    before = pickle.dumps(vars(fitted))
    empty, not_finite = X[:0], np.full((2, 4, 4), np.nan)
    for bad, message in [(empty, "0 sample"), (not_finite, "contains NaN"), (["a"], "strings")]:
        with pytest.raises(ValueError, match=message):
            fitted.fit(bad)
        assert pickle.dumps(vars(fitted)) == before


@pytest.mark.parametrize("transformer", [HarrisCornerMasker(), PseudoGrayscaler()], ids=str)
def test_other_shape_than_fitted_is_refused(transformer):
    X = make_images()
    fitted = clone(transformer).fit(X)
    with pytest.raises(ValueError, match=r"shape \(9, 12, 3\).*fitted on images of shape \(12, 9"):
        fitted.transform(X.transpose(0, 2, 1, 3))


@every_transformer
def test_transform_needs_fit(transformer):
    with pytest.raises(NotFittedError):
        clone(transformer).transform(make_images())


@every_transformer
def test_non_square_rows_are_padded_and_cropped(transformer):
    rows = make_images(shape=(7, 7, 1)).reshape(6, -1)[:, :45]
    transformer = clone(transformer)
    padded = np.pad(rows, [(0, 0), (0, 4)]).reshape(6, 7, 7)
    result = transformer.fit_transform(rows)
    images = clone(transformer).fit_transform(padded).reshape(6, -1)
    assert transformer.image_shape_ == (7, 7, 1)
    assert_array_equal(result, images[:, : result.shape[1]])
    resizes = isinstance(transformer, ImageResizer)
    assert result.shape[1] == (images.shape[1] if resizes else 45)


@every_transformer
def test_feature_names_count_the_values_of_an_image(transformer):
    X = make_images()
    fitted = clone(transformer).fit(X)
    assert len(fitted.get_feature_names_out()) == fitted.transform(X)[0].size


def make_chain():
    return make_pipeline(PseudoGrayscaler(), HarrisCornerMasker(), ImageResizer(16))


def test_pipeline_of_all():
    X = make_images(shape=(32, 32, 3))
    result = make_chain().fit_transform(X)
    assert result.shape == (6, 16, 16, 3)
    assert result.dtype == np.uint8
    step_by_step = X
    for step in (PseudoGrayscaler(), HarrisCornerMasker(), ImageResizer(16)):
        step_by_step = step.fit_transform(step_by_step)
    assert_array_equal(result, step_by_step)


def test_pandas_output_leaves_images_alone():
    X = make_images(shape=(32, 32, 3))
    expected = make_chain().fit_transform(X)
    with sklearn.config_context(transform_output="pandas"):
        assert_array_equal(make_chain().fit_transform(X), expected)
    chain = make_chain().set_output(transform="pandas")
    result = chain.fit_transform(X)
    assert isinstance(result, np.ndarray)
    assert_array_equal(result, expected)


def test_column_names_are_checked():
    rows = make_images(shape=(4, 4, 1)).reshape(6, -1)
    frame = pd.DataFrame(rows, columns=[f"pixel{i}" for i in range(16)])
    fitted = PseudoGrayscaler().fit(frame)
    assert_array_equal(fitted.transform(frame), rows)
    assert_array_equal(fitted.get_feature_names_out(), frame.columns)
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.transform(frame[frame.columns[::-1]])


def test_set_params_through_a_pipeline():
    chain = make_chain().set_params(harriscornermasker__fraction=0.0, imageresizer__image_size=8)
    X = make_images(shape=(16, 16, 3))
    expected = ImageResizer(8).fit_transform(PseudoGrayscaler().fit_transform(X))
    assert_array_equal(chain.fit_transform(X), expected)


@pytest.mark.parametrize(
    ("transformer", "message"),
    [
        (HarrisCornerMasker(fraction=1.5), "'fraction' parameter of HarrisCornerMasker.*Got 1.5"),
        (HarrisCornerMasker(threshold=1.0), "'threshold' parameter of HarrisCornerMasker"),
        (HarrisCornerMasker(random_state="a"), "'random_state' parameter of HarrisCornerMasker"),
        (PseudoGrayscaler(image_shape=32), "'image_shape' parameter of PseudoGrayscaler"),
        (PseudoGrayscaler(image_shape=(4, 4, 3)), "'image_shape' parameter of PseudoGrayscaler"),
        (ImageResizer(0), "'image_size' parameter of ImageResizer.*Got 0"),
        (ImageResizer((4, 0)), r"'image_size' parameter of ImageResizer.*Got \(4, 0\)"),
        (ImageResizer((4, 4, 3)), r"'image_size' parameter of ImageResizer.*Got \(4, 4, 3\)"),
        (ImageResizer((4, 4.0)), r"'image_size' parameter of ImageResizer.*Got \(4, 4.0\)"),
    ],
    ids=str,
)
def test_bad_parameters(transformer, message):
    with pytest.raises(ValueError, match=message):
        transformer.fit(make_images())
    assert not hasattr(transformer, "n_features_in_")


def test_a_parameter_changed_after_fit_is_checked():
    X = make_images()
    masker = HarrisCornerMasker().fit(X).set_params(threshold="high")
    with pytest.raises(ValueError, match="'threshold' parameter of HarrisCornerMasker"):
        masker.transform(X)


@pytest.mark.parametrize("transformer", [ImageResizer(4), PseudoGrayscaler(), HarrisCornerMasker()])
def test_wrong_names_of_columns_are_told_before_wrong_values(transformer):
    """Such as the NaN that pandas puts where it finds no column of a name."""
    check_dataframe_column_names_consistency(type(transformer).__name__, clone(transformer))
    frame = pd.DataFrame(np.arange(640.0).reshape(10, 64), columns=[f"p{i}" for i in range(64)])
    renamed = frame.rename(columns={"p3": "q3"}).reindex(columns=["q3", *frame.columns[1:]])
    with pytest.raises(ValueError, match="feature names should match"):
        transformer.fit(frame).transform(renamed * np.nan)


@pytest.mark.parametrize(
    "transformer",
    [HarrisCornerMasker(), PseudoGrayscaler(), *(ImageResizer(side) for side in (6, 9, 16))],
    ids=repr,
)
def test_the_image_does_not_show_which_way_it_was_turned(transformer):
    """Or a network predicts rotations without looking at what the image shows."""
    X = make_images(n=40, shape=(12, 12, 3))
    expected = transformer.fit_transform(X).astype(int)
    for turns in (1, 2, 3):
        turned = transformer.fit_transform(np.rot90(X, turns, axes=(1, 2)).copy())
        difference = np.abs(turned - np.rot90(expected, turns, axes=(1, 2)))
        assert (difference > 1).mean() < 0.001  # but for rounding
