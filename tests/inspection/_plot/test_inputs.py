import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklssl import PatchDictionaryEmbedder, SemiSupervisedClassifier
from sklssl._data.columns import is_path_sequence
from sklssl.inspection._plot._inputs import (
    check_inputs,
    choose_places,
    embed_images,
    find_image_shape,
)
from sklssl.metrics import rankme_scorer

X = np.zeros((6, 4, 4), np.uint8)


def check(X=X, y=None, **others):
    return check_inputs("SomeDisplay", X, y, **others)


def test_labels_become_codes():
    images = check(y=["b", "a", "-1", "b", "<b>", "$x_1$"])
    assert images.class_names == ["$x_1$", "<b>", "a", "b"]
    assert images.codes.tolist() == [3, 2, -1, 3, 1, 0]
    assert [images.caption(row) for row in (0, 2)] == ["b", "row 2"]


def test_target_names_are_those_of_the_numbers_of_classes():
    images = check(y=[2, 0, 2, -1, 0, 2], target_names=["cat", "dog", "elk"])
    assert images.class_names == ["cat", "dog", "elk"]  # a class that is absent keeps its colour
    assert images.codes.tolist() == [2, 0, 2, -1, 0, 2]
    with pytest.raises(ValueError, match="'target_names' argument of SomeDisplay.* classes 0 to 0"):
        check(y=[1] * 6, target_names=["cat"])
    with pytest.raises(ValueError, match="target_names"):
        check(y=["cat"] * 6, target_names=["cat"])


def test_names(tmp_path):
    paths = [str(tmp_path / "one.png"), tmp_path / "two.png"]
    assert check(paths).names == ["one.png", "two.png"]
    assert check(pd.DataFrame({"file": paths}, index=[7, 8])).names[1] == "two.png"
    assert check(names=range(10, 16)).names[1] == "11"
    assert check(names=list("abcdef")).take(np.array([4, 2])).names == ["e", "c"]
    assert check().take(np.array([4, 2])).names == ["row 4", "row 2"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": [0, 1]}, "'y' argument of SomeDisplay must hold one value .* Got 2 values for 6"),
        ({"y": np.zeros((6, 2))}, "'y' argument of SomeDisplay must hold the class of each image"),
        ({"y": [0, 1, np.nan, 0, 0, 0]}, "'y' .* Got nan in 1 of 6 rows, first in row 2"),
        ({"y": np.ma.array([0] * 6, mask=[1] + [0] * 5)}, "SomeDisplay needs all.* masked array"),
        (
            {"y": np.array(["a", 1, 1, 1, 1, 1], object)},
            "'y' argument of Some.* labels of one type",
        ),
        ({"names": ["a"]}, "'names' argument of SomeDisplay"),
        ({"X": []}, "SomeDisplay got an empty X"),
        ({"X": np.zeros((0, 4, 4))}, "'X' argument of SomeDisplay must hold at least one image"),
        ({"X": "picture.png"}, "SomeDisplay expects images"),
        ({"X": 3}, "'X' argument of SomeDisplay must hold at least one image"),
    ],
)
def test_what_does_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        check(**arguments)


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r'SomeDisplay needs matplotlib.*"sklssl\[viz\]"'):
        check()


def test_one_row_of_each_class_first():
    codes = np.repeat([-1, 0, 1, 2], [50, 5, 5, 1])
    images = check(np.zeros((61, 4, 4)), codes)
    for seed in range(5):
        rng = np.random.RandomState(seed)
        chosen = choose_places(4, images, rng, "SomeDisplay")
        assert sorted(set(codes[chosen]) - {-1}) == [0, 1, 2]
        assert len(set(choose_places(100, images, rng, "SomeDisplay"))) == len(codes)
        assert len(set(codes[choose_places(2, images, rng, "SomeDisplay")])) == 2
    assert choose_places([7, 3, 3], images, rng, "SomeDisplay").tolist() == [7, 3, 3]


@pytest.mark.parametrize("rows", [0, -1, True, [], [6], [-1], [0.5], "all", [[1, 2]], None])
def test_rows_that_are_not_there(rows):
    with pytest.raises(ValueError, match="'rows' argument of SomeDisplay.* from 0 to 5"):
        choose_places(rows, check(), np.random.RandomState(0), "SomeDisplay")


def test_features_of_what_wraps_an_embedder(digits):
    X, y = digits[0][:60].reshape(60, -1), digits[1][:60]
    embedder = PatchDictionaryEmbedder(8, image_shape=(8, 8), random_state=0).fit(X)
    Z = embedder.transform(X)
    frozen = FrozenEstimator(embedder)
    few = SemiSupervisedClassifier(frozen).fit(X, y)
    pipe = make_pipeline(frozen, LogisticRegression(max_iter=1000)).fit(X, y)
    for estimator in (embedder, frozen, few, pipe):
        np.testing.assert_allclose(embed_images(estimator, X, "SomeDisplay"), Z)
        assert check(X, estimator=estimator).image_shape == (8, 8, 1)
    with pytest.raises(TypeError, match="'estimator' argument of SomeDisplay.from_estimator"):
        embed_images(LogisticRegression(), X, "SomeDisplay")


def test_the_shape_of_rows_that_pass_through_other_steps(digits):
    X = np.random.default_rng(0).random((20, 64))
    embedder = PatchDictionaryEmbedder(8, image_shape=(4, 16), random_state=0)
    same, other = FunctionTransformer(), FunctionTransformer(lambda rows: np.repeat(rows, 2, 1))
    pipe = make_pipeline(same, clone(embedder)).fit(X)
    search = GridSearchCV(pipe, {}, scoring=rankme_scorer, cv=2).fit(X)
    for estimator in (pipe, FrozenEstimator(pipe), search):
        assert find_image_shape(estimator, X) == (4, 16, 1)
    assert find_image_shape(pipe, list(X)) == (4, 16, 1)
    assert find_image_shape(pipe, X.reshape(20, 8, 8)) is None  # already images
    doubled = make_pipeline(other, clone(embedder).set_params(image_shape=(8, 16))).fit(X)
    assert find_image_shape(doubled, X) is None


def test_names_of_many_files_are_found_once(monkeypatch):
    n_calls = []
    monkeypatch.setattr(
        "sklssl.inspection._plot._inputs.is_path_sequence",
        lambda X: n_calls.append(len(X)) or is_path_sequence(X),
    )
    images = check([f"{i}.png" for i in range(100)]).take(np.arange(50))
    assert [images.caption(place) for place in range(50)] == [f"{i}.png" for i in range(50)]
    assert len(n_calls) == 1


def test_unreadable_files_are_left_out_with_their_labels(digits, tmp_path):
    import cv2

    paths = [str(tmp_path / f"{i}.png") for i in range(5)]
    for path, image in zip(paths, digits[0], strict=False):
        cv2.imwrite(path, image)
    (tmp_path / "1.png").write_bytes(b"no image")
    embedder = PatchDictionaryEmbedder(8, on_error="skip", random_state=0)
    with pytest.warns(UserWarning, match="1"):
        images = check(paths, [0, 1, 2, 3, 4], names=list("abcde"), estimator=embedder)
    assert images.names == ["a", "c", "d", "e"]
    assert [images.caption(row) for row in range(4)] == ["0", "2", "3", "4"]
    assert [path[-5] for path in images.X] == ["0", "2", "3", "4"]
    assert images.rows.tolist() == [0, 2, 3, 4]
    rng = np.random.RandomState(0)
    assert choose_places([4, 2], images, rng, "SomeDisplay").tolist() == [3, 1]
    with pytest.raises(ValueError, match="'rows' argument of SomeDisplay .* file of row 1 was sk"):
        choose_places([0, 1], images, rng, "SomeDisplay")


def test_minus_one_marks_no_label_in_any_dtype(pyplot):
    X = np.zeros((3, 8, 8), np.uint8)
    for y in ([-1.0, 0.0, 1.0], [-1, 0, 1], ["-1", "a", "b"], np.array([-1, "a", "b"], object)):
        images = check_inputs("SomeDisplay", X, y)
        assert images.codes.tolist() == [-1, 0, 1]


def test_numbers_that_are_no_classes(pyplot):
    X = np.zeros((3, 8, 8), np.uint8)
    with pytest.raises(ValueError, match=r"'y' argument of Some.*such as 2\.5.*scale"):
        check_inputs("SomeDisplay", X, [1.0, 2.5, 3.0])
    assert check_inputs("SomeDisplay", X, [0.0, 2.0, 1.0]).class_names == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("y", "shown"),
    [
        (pd.Series(["a", None, "b"], dtype="string"), "<NA>"),
        (pd.Series(["a", None, "b"], dtype=object), "None"),
        (pd.Series([1, None, 2], dtype="Int64"), "nan|<NA>"),
        (["a", "", "b"], "''"),
        ([1.0, np.inf, 2.0], "inf"),
    ],
)
def test_gaps_in_the_labels_are_told(y, shown):
    with pytest.raises(ValueError, match=f"'y' argument of Some.* Got ({shown}) in 1 of 3 .*row 1"):
        check_inputs("SomeDisplay", np.zeros((3, 8, 8), np.uint8), y)
