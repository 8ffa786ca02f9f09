"""Names of image files in the place of images, wherever scikit-learn takes an X."""

import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

import sklssl
from sklssl import (
    FineTuneClassifier,
    HarrisCornerMasker,
    MultiScaleEmbedder,
    SemiSupervisedClassifier,
    SimCLREmbedder,
)
from sklssl._data import files
from sklssl.callbacks import ProbeMonitor
from sklssl.exceptions import ImageFileError
from sklssl.inspection import layer_scores
from tests import _estimators


@pytest.fixture
def colours(X):
    """Forty digits as 10x12 colour images."""
    grey = np.pad(X[..., 0], [(0, 0), (1, 1), (2, 2)])
    return np.stack([grey, grey // 2, 255 - grey], axis=-1)


@pytest.fixture
def paths(tmp_path, colours):
    """The same as lossless files."""
    paths = [str(tmp_path / f"{i}.png") for i in range(len(colours))]
    for path, image in zip(paths, colours, strict=True):
        Image.fromarray(image).save(path)
    return paths


@pytest.fixture
def read(monkeypatch):
    """The files that are read."""
    names = []
    original = files.read_image_file
    monkeypatch.setattr(
        files,
        "read_image_file",
        lambda path, *a, **k: names.append(path) or original(path, *a, **k),
    )
    return names


quick = partial(_estimators.quick, image_size=12)


def test_files_give_what_their_images_give(paths, colours):
    """Bit by bit; without a size, of files that agree in theirs."""
    of_files, of_arrays = (
        MultiScaleEmbedder(quick(image_shape=(10, 12, 3))).fit(X) for X in (paths, colours)
    )
    assert of_files.image_shape_ == of_arrays.image_shape_ == (10, 12, 3)
    np.testing.assert_array_equal(of_files.transform(paths), of_arrays.transform(colours))
    np.testing.assert_array_equal(of_files.transform(colours), of_arrays.transform(paths))
    assert of_files.score(paths) == of_arrays.score(colours)
    blocks = list(of_files.transform_iter(paths))
    np.testing.assert_array_equal(np.concatenate(blocks), of_arrays.transform(colours))


@pytest.mark.parametrize("kind", [list, tuple, np.array, "object", "series", "pathlib"])
def test_any_sequence_of_names(paths, kind):
    import pathlib

    import pandas as pd

    kinds = {
        "object": lambda names: np.array(names, dtype=object),
        "series": pd.Series,
        "pathlib": lambda names: [pathlib.Path(name) for name in names],
    }
    embedder = quick().fit(kinds.get(kind, kind)(paths))
    assert embedder.n_features_in_ == 12 * 12 * 3
    np.testing.assert_array_equal(
        embedder.transform(kinds.get(kind, kind)(paths)), embedder.transform(paths)
    )


def test_image_shape_says_size_and_channels(paths):
    embedder = quick(image_size=None, image_shape=(9, 9, 1)).fit(paths)
    assert embedder.image_shape_ == (9, 9, 1)
    assert embedder.transform(paths).shape[0] == len(paths)
    with pytest.raises(ImageFileError, match="has 3 channels, but 2 were requested.*image_shape"):
        quick(image_shape=(9, 9, 2)).fit(paths)


def test_files_are_read_once_a_fit(paths, read):
    quick(max_epochs=3).fit(paths)
    assert sorted(read) == sorted(paths)


def test_a_cache_serves_later_fits_and_transforms(paths, read, tmp_path):
    embedder = quick(cache_dir=tmp_path / "cache").fit(paths[:30])
    assert len(read) == 30
    embedder.transform(paths[:30])
    quick(cache_dir=tmp_path / "cache").fit(paths)
    # The first one is looked at each time: it tells the depth of all.
    assert sorted(read) == sorted([*paths, *paths[:1] * 2])
    embedder.set_params(cache_dir=None).transform(paths[:5])
    assert len(read) == len(paths) + 2 + 5


def test_a_changed_file_is_read_anew(paths, tmp_path):
    embedder = quick(cache_dir=tmp_path / "cache").fit(paths)
    before = embedder.transform(paths)
    Image.fromarray(np.full((10, 12, 3), 200, dtype=np.uint8)).save(paths[0])
    after = embedder.transform(paths)
    assert not np.array_equal(before[0], after[0])
    np.testing.assert_array_equal(before[1:], after[1:])


def break_file(path):
    with open(path, "wb") as file:
        file.write(b"no image")


def test_a_bad_file_is_named_and_leaves_the_estimator_as_it_was(paths):
    embedder = quick().fit(paths)
    weights = embedder.transform(paths[:20])
    break_file(paths[33])
    with pytest.raises(ImageFileError, match=r"33\.png"):
        embedder.fit(paths)
    np.testing.assert_array_equal(embedder.transform(paths[:20]), weights)
    with pytest.raises(ImageFileError, match=r"33\.png"):
        embedder.set_params(on_error="skip").transform(paths)
    os.remove(paths[34])
    with pytest.raises(ImageFileError, match=r"34\.png"):
        quick().fit(paths[34:])


def test_bad_files_can_be_skipped_in_fit(paths):
    break_file(paths[3])
    good = paths[:3] + paths[4:]
    with pytest.warns(UserWarning, match=r"1 of 40 image files cannot be read.*3\.png"):
        skipping = quick(on_error="skip").fit(paths)
    np.testing.assert_array_equal(skipping.transform(good), quick().fit(good).transform(good))
    with (
        pytest.warns(UserWarning, match="1 of 2"),
        pytest.raises(ValueError, match="at least 2 images"),
    ):
        quick(on_error="skip").fit(paths[3:5])


def test_files_of_different_sizes_need_an_image_size(paths):
    Image.fromarray(np.zeros((20, 20, 3), dtype=np.uint8)).save(paths[7])
    with pytest.raises(ValueError, match=r"7\.png.*Set image_size"):
        SimCLREmbedder(max_epochs=1).fit(paths)


def test_pipelines_searches_and_meta_estimators(paths, y):
    pipe = make_pipeline(quick(), LogisticRegression(max_iter=1000))
    assert np.isfinite(cross_val_score(pipe, paths, y, cv=2, error_score="raise")).all()
    grid = {"rotnetembedder__max_epochs": [0, 1]}
    search = GridSearchCV(pipe, grid, cv=2, error_score="raise").fit(paths, y)
    assert search.predict(paths).shape == y.shape
    fitted = FrozenEstimator(quick().fit(paths))
    make_pipeline(fitted, KMeans(2, n_init=1)).fit(paths)


def test_a_column_of_a_data_frame(paths, y):
    import pandas as pd

    table = pd.DataFrame({"file": paths, "weight": np.arange(len(paths), dtype=float)})
    columns = ColumnTransformer([("image", quick(), "file"), ("number", "passthrough", ["weight"])])
    Z = columns.fit_transform(table)
    assert Z.shape == (40, 2017)
    assert make_pipeline(columns, LogisticRegression(max_iter=5000)).fit(table, y).predict(
        table
    ).shape == (40,)


@pytest.mark.parametrize("kept_back", [True, False])
def test_fine_tuning_on_files(paths, colours, y, kept_back):
    settings = {
        "early_stopping": kept_back,
        "validation_fraction": 0.3,
        "max_epochs": 2,
        "random_state": 0,
    }
    y = y % 2
    embedder = quick(image_shape=(10, 12, 3)).fit(colours)
    tuned = FineTuneClassifier(FrozenEstimator(embedder), **settings).fit(paths, y)
    assert tuned.predict(paths).shape == y.shape
    np.testing.assert_array_equal(tuned.transform(paths), tuned.transform(colours))


def test_fine_tuning_leaves_out_bad_files_with_their_labels(paths, y):
    embedder = quick(on_error="skip").fit(paths)
    settings = {"max_epochs": 2, "random_state": 0}
    good = np.delete(np.arange(40), 3)
    names = np.array(paths)
    expected = FineTuneClassifier(FrozenEstimator(embedder), **settings).fit(names[good], y[good])
    break_file(paths[3])
    with pytest.warns(UserWarning, match="1 of 40"):
        tuned = FineTuneClassifier(FrozenEstimator(embedder), **settings).fit(paths, y)
    assert tuned.score(names[good], y[good]) == pytest.approx(
        expected.score(names[good], y[good]), abs=0.2
    )


def test_few_labels_probes_and_monitors(paths, y):
    few = np.where(np.arange(40) % 2, y, -1)
    monitor = ProbeMonitor(paths[:30], y[:30] % 2, every=1)
    embedder = quick(callbacks=[monitor])
    model = SemiSupervisedClassifier(embedder).fit(paths, few)
    assert model.predict(paths).shape == (40,)
    assert len(layer_scores(model.embedder_, paths, y % 2, cv=2, pool_sizes=(1,))) == 4


@pytest.mark.parametrize("odd", [None, 3.0, b"a.png", np.zeros((8, 8))])
def test_names_and_other_things_do_not_mix(paths, odd):
    with pytest.raises(ValueError, match="sequence of file names.* but item 3 of X is .*"):
        quick().fit([*paths[:3], odd])


def test_names_and_pictures_do_not_mix(paths):
    pictures = [Image.new("L", (12, 12))] * 3
    for X, odd in (([*pictures, paths[3]], "'"), ([*paths[:3], pictures[0]], "<PIL")):
        with pytest.raises(ValueError, match=rf"item 3 of X is {odd}.*Pass either names or images"):
            quick().fit(X)


def test_names_that_are_bytes(paths):
    names = [os.fsencode(path) for path in paths]
    for X in (names, np.array(names)):
        with pytest.raises(ValueError, match=r"item 0 of X is .*b'.*os.fsdecode"):
            quick().fit(X)


def test_files_have_not_four_channels(paths):
    fitted = quick().fit(np.random.default_rng(0).random((4, 12, 12, 4)))
    with pytest.raises(ImageFileError, match="has 3 channels, but 4 were requested"):
        fitted.transform(paths)


def test_a_table_of_several_names_is_refused(paths):
    import pandas as pd

    for table in (pd.DataFrame({"file": paths, "other": paths}), np.array(paths).reshape(-1, 2)):
        with pytest.raises(
            ValueError, match=r"X contains strings.*one-dimensional sequence or one"
        ):
            quick().fit(table)


def test_what_is_no_embedder_says_who_reads_files(paths):
    with pytest.raises(ValueError, match="Embedders accept file names"):
        HarrisCornerMasker().fit(paths)


def test_the_name_of_a_bad_file_is_shown_as_it_is():
    """Not as numpy shows it."""
    with pytest.raises(ImageFileError, match="^'no.png' cannot be read"):
        quick(image_size=None).fit(np.array(["no.png"] * 3))


@pytest.mark.parametrize("name", ["nul\0byte", "\ud800"])
def test_a_cache_dir_that_no_folder_can_be(paths, name):
    with pytest.raises(ValueError, match="'cache_dir' parameter of RotNetEmbedder"):
        quick(cache_dir=name).fit(paths)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("shape", [None, (12, 12, 3)])
def test_a_tilde_is_the_folder_of_the_user(paths, home, shape):
    short = [path.replace(str(home), "~") for path in paths]
    embedder = quick(image_shape=shape, image_size=None if shape else 12).fit(short)
    np.testing.assert_array_equal(embedder.transform(short), embedder.transform(paths))
    assert SimCLREmbedder("convnet", max_epochs=0).fit(short).image_shape_ == (10, 12, 3)
    model = SemiSupervisedClassifier(quick(on_error="skip"), KNeighborsClassifier())
    assert model.fit(short, np.arange(40) % 2).predict(short).shape == (40,)


def test_a_tilde_in_files_that_are_written(X, home):
    pytest.importorskip("onnxscript")
    embedder = quick(image_size=None).fit(X)
    sklssl.save(embedder, "~/model.safetensors")
    assert (home / "model.safetensors").exists()
    loaded = sklssl.load(Path("~/model.safetensors"))
    np.testing.assert_array_equal(loaded.transform(X), embedder.transform(X))
    embedder.export_onnx("~/model.onnx")
    assert (home / "model.onnx").exists()
    with pytest.raises(FileNotFoundError, match=str(home / "nothing")):
        sklssl.load("~/nothing")
