import pathlib
import tracemalloc

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from sklssl import RotNetEmbedder
from sklssl._data.arrays import fold_rows, resolve_image_shape, validate_images
from sklssl.utils import check_images


@pytest.mark.parametrize("shape", [(2, 8, 8), (2, 8, 8, 3), (2, 64)])
def test_uint8_is_passed_through(shape):
    X = np.zeros(shape, dtype=np.uint8)
    assert check_images(X) is X


@pytest.mark.parametrize("dtype", [np.int64, np.float64, np.uint16, bool, np.float16])
def test_other_numbers_become_float32_without_wrapping(dtype):
    X = (np.arange(8 * 8) * 5).reshape(1, 8, 8).astype(dtype)
    checked = check_images(X)
    assert checked.dtype == np.float32
    np.testing.assert_array_equal(checked, X.astype(np.float32))


def test_transposed_images_are_not_copied():
    X = np.zeros((500, 3, 32, 32), np.uint8).transpose(0, 2, 3, 1)
    tracemalloc.start()
    validate_images(RotNetEmbedder(), X, reset=True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < X.nbytes / 2


def test_list_of_images():
    assert check_images([np.zeros((8, 8), np.uint8)] * 3).shape == (3, 8, 8)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((0, 8, 8)), "0 sample"),
        (np.zeros((2, 0, 8, 3)), r"at least one pixel.*\(2, 0, 8, 3\)"),
        (np.zeros((2, 8, 8, 0)), "one channel"),
        (np.full((2, 8, 8), np.nan), "NaN"),
        (np.full((2, 8, 8), np.inf), "infinity"),
        (np.zeros((2, 3, 32, 32)), r"channels first. Use X.transpose\(0, 2, 3, 1\)"),
        (np.zeros((2, 2, 8, 8, 3)), r"but X has shape \(2, 2, 8, 8, 3\)"),
        ([np.zeros((8, 8)), np.zeros((9, 8))], r"one size.*\(8, 8\).*\(9, 8\)"),
        (["a.png", "b.png"], "X contains strings.*load_images"),
        ("a.png", r"X is one name: pass \['a.png'\]"),
        (iter([1, 2]), r"not a generator. Pass list\(X\)"),
        (np.array(["a.png"]), "X contains strings"),
        (np.zeros(5), "2D array, got 1D array"),
    ],
)
def test_bad_input_is_named(X, message):
    with pytest.raises(ValueError, match=message):
        check_images(X, estimator=RotNetEmbedder())


class _Unreadable:
    def __array__(self, dtype=None, copy=None):
        raise KeyError("nothing here")


@pytest.mark.parametrize(
    ("X", "kind"),
    [
        ([{}, {}], TypeError),
        ([[10**400, 1], [2, 3]], ValueError),  # numpy raises OverflowError
        (np.zeros((2, 8, 8), complex), ValueError),
        (np.zeros((2, 8), [("a", "u1"), ("b", "f4")]), TypeError),
        (np.ma.masked_array(np.zeros((2, 8), [("a", "u1"), ("b", "f4")])), TypeError),
        (np.array([[1, "a"], [2, "b"]], dtype=object), ValueError),
        (torch.zeros(2, 8, 8, requires_grad=True), TypeError),  # torch raises RuntimeError
        (torch.zeros(2, 8, 8, dtype=torch.bfloat16), TypeError),
        ([_Unreadable(), _Unreadable()], TypeError),
        ([np.zeros((8, 8)), None], (TypeError, ValueError)),
    ],
)
def test_what_numpy_trips_over_is_named(X, kind):
    with pytest.raises(
        kind, match="^RotNetEmbedder expects an array of images.*but X cannot be converted to one: "
    ):
        check_images(X, estimator=RotNetEmbedder())


def test_one_path_is_told_from_images():
    with pytest.raises(ValueError, match="X is one name"):
        check_images(pathlib.Path("a.png"))


def test_hidden_values_are_refused():
    X = np.ma.masked_array(np.ones((2, 8, 8)), False)
    assert check_images(X).shape == (2, 8, 8)
    X[0, 0, 0] = np.ma.masked
    for hidden in (X, X.astype(object)):
        with pytest.raises(ValueError, match="masked array that hides some"):
            check_images(hidden)


def test_infinities_of_both_signs_warn_of_nothing():
    X = np.full((2, 8, 8), np.inf)
    X[0] = -np.inf
    with pytest.raises(ValueError, match="infinity"):
        check_images(X)


def test_object_array_of_images():
    X = np.empty(2, dtype=object)
    X[:] = [np.zeros((8, 8)), np.ones((8, 8))]
    assert check_images(X)[:, 0, 0].tolist() == [0, 1]
    X[1] = np.ma.masked_array(X[1], X[1] > 0)
    with pytest.raises(ValueError, match="masked array that hides some"):
        check_images(X)


def test_object_array_of_different_images():
    X = np.empty(2, dtype=object)
    X[:] = [np.zeros((8, 8)), np.zeros((4, 4))]
    with pytest.raises(ValueError, match="RotNetEmbedder needs images of one size"):
        check_images(X, estimator="RotNetEmbedder")


def test_sparse_is_refused():
    with pytest.raises(TypeError, match="Sparse data was passed"):
        check_images(csr_array(np.eye(4)))


@pytest.mark.parametrize(
    ("shape", "image_shape", "expected"),
    [
        ((5, 64), None, (8, 8, 1)),
        ((5, 8, 6), None, (8, 6, 1)),
        ((5, 8, 6, 2), None, (8, 6, 2)),
        ((5, 48), (4, 4, 3), (4, 4, 3)),
        ((5, 48), (6, 8), (6, 8, 1)),
        ((5, 6, 8), (6, 8), (6, 8, 1)),
        ((5, 7), None, (3, 3, 1)),
    ],
)
def test_image_shape(shape, image_shape, expected):
    assert resolve_image_shape(shape, image_shape, estimator="E") == expected


@pytest.mark.parametrize(
    ("shape", "image_shape", "message"),
    [
        ((5, 50), (4, 4, 3), r"'image_shape' parameter of E is \(4, 4, 3\).*rows of 50.*= 48"),
        ((5, 8, 8, 3), (8, 8), r"is \(8, 8\), but X holds images of shape \(8, 8, 3\)"),
        ((5, 64), (64,), r"must be \(height, width\)"),
        ((5, 64), (8, 0, 1), "all positive"),
        ((5, 64), (8.0, 8.0), r"Got \(8.0, 8.0\)"),
        ((5, 64), np.array(8), r"must be \(height, width\)"),
    ],
)
def test_bad_image_shape(shape, image_shape, message):
    with pytest.raises(ValueError, match=message):
        resolve_image_shape(shape, image_shape, estimator="E")


def test_rows_that_are_no_square_warn():
    with pytest.warns(UserWarning, match=r"3072 values.*padded.*56x56.*image_shape="):
        assert resolve_image_shape((2, 3072), None, estimator="E") == (56, 56, 1)


def test_folding_pads_with_zeros_and_keeps_the_order():
    folded = fold_rows(np.arange(1, 8)[None], (3, 3, 1))
    assert folded[0, ..., 0].tolist() == [[1, 2, 3], [4, 5, 6], [7, 0, 0]]
