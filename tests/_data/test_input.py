"""Images as people have them: deep files, stacks, tables, pictures; and how mistakes are told."""

import sys
import types
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from PIL import Image
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklssl import FineTuneClassifier, ImageResizer, SemiSupervisedClassifier
from sklssl.datasets import load_image_folder, load_images
from sklssl.exceptions import ImageFileError
from sklssl.inspection import layer_scores
from sklssl.utils import check_images
from tests._estimators import quick
from tests._seed import SEED

COLOURS = np.random.default_rng(0).integers(0, 256, (24, 10, 10, 3), dtype=np.uint8)
DEEP = np.random.default_rng(1).integers(0, 4096, (24, 10, 10, 1), dtype=np.uint16)  # 12 bits


def write_all(folder, images, extension=".png"):
    paths = [str(folder / f"{i:02}{extension}") for i in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        cv2.imwrite(path, image[..., ::-1] if image.shape[-1] == 3 else image)
    return paths


@pytest.fixture
def paths(tmp_path):
    return write_all(tmp_path, COLOURS)


# Bits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("extension", [".png", ".tif"])
@pytest.mark.parametrize("cached", [False, True])
def test_deep_files_are_as_their_arrays(extension, cached, tmp_path):
    paths = write_all(tmp_path, DEEP, extension)
    params = {"image_shape": (10, 10, 1), "cache_dir": tmp_path / "cache" if cached else None}
    of_files, of_arrays = quick(**params).fit(paths), quick().fit(DEEP)
    assert of_files.value_range_ == of_arrays.value_range_ == (DEEP.min(), DEEP.max())
    assert_array_equal(of_files.transform(paths), of_arrays.transform(DEEP))
    assert_array_equal(of_files.transform(DEEP), of_arrays.transform(DEEP))
    assert_array_equal(load_images(paths, color=False), DEEP)


def test_float_files_are_as_their_arrays(tmp_path):
    images = np.random.default_rng(0).normal(size=DEEP.shape).astype(np.float32)
    paths = write_all(tmp_path, images, ".tif")
    embedder = quick(image_shape=(10, 10, 1)).fit(paths)
    assert_array_equal(embedder.transform(paths), quick().fit(images).transform(images))


def test_files_of_different_depths_are_refused(tmp_path):
    paths = write_all(tmp_path, DEEP)
    cv2.imwrite(paths[7], COLOURS[0, ..., 0])
    message = r"images differ in bit depth: .*07.png' has 8 bits, .* has 16 bits. Convert"
    with pytest.raises(ValueError, match=message):
        quick(image_shape=(10, 10, 1)).fit(paths)
    folder = tmp_path / "set" / "a"
    folder.mkdir(parents=True)
    write_all(folder, DEEP)
    cv2.imwrite(str(folder / "07.png"), COLOURS[0, ..., 0])
    with pytest.raises(ValueError, match=r"'a/00.png' has 16 bits, 'a/07.png' has 8 bits"):
        load_image_folder(tmp_path / "set")
    with pytest.warns(UserWarning, match="1 of 24 image files cannot be read.*differ in bit depth"):
        assert len(load_image_folder(tmp_path / "set", on_error="skip").images) == 23


def test_a_cache_keeps_depths_apart(tmp_path):
    deep = write_all(tmp_path, DEEP)
    (tmp_path / "shallow").mkdir()
    shallow = write_all(tmp_path / "shallow", COLOURS)
    cache = {"cache_dir": tmp_path / "cache", "image_shape": (10, 10, 1)}
    quick(**cache).fit(shallow)
    assert quick(**cache).fit(deep).value_range_[1] == DEEP.max()
    assert len(list((tmp_path / "cache").iterdir())) == 2


@pytest.mark.parametrize("dtype", [np.int64, np.uint32, np.float64])
def test_rounded_values_are_told(dtype):
    levels = np.arange(20 * 64).reshape(20, 8, 8, 1)
    images = (levels + (2**40 if dtype == np.float64 else 2**30)).astype(dtype)
    with pytest.warns(UserWarning, match="rounds.*to float32.*Subtract"):
        check_images(images)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_images(levels.astype(dtype))


def test_stacks_in_files(tmp_path):
    paths = [str(tmp_path / f"{i}.tif") for i in range(6)]
    stacks = np.random.default_rng(0).integers(0, 4096, (6, 5, 10, 10)).astype(np.uint16)
    for path, stack in zip(paths, stacks, strict=True):
        first, *others = map(Image.fromarray, stack)
        first.save(path, save_all=True, append_images=others)
    with pytest.warns(UserWarning, match=r"0.tif' has 5 pages.*load_images\(files, pages=") as told:
        quick(image_shape=(10, 10, 1)).fit(paths)
    assert len(told) == 1
    embedder = quick(image_shape=(10, 10, 5)).fit(paths)  # as many channels as pages
    channels_last = stacks.transpose(0, 2, 3, 1)
    assert_array_equal(embedder.transform(paths), embedder.transform(channels_last))
    assert_array_equal(load_images(paths, pages="max", color=False)[..., 0], stacks.max(axis=1))
    assert_array_equal(load_images(paths, pages="channels"), channels_last)
    picked = load_images(paths, pages="channels", channels=[4, 0])
    assert_array_equal(picked, channels_last[..., [4, 0]])
    assert_array_equal(load_images(paths, pages=3, color=False)[..., 0], stacks[:, 3])
    with pytest.raises(ImageFileError, match="has no page 5"):
        load_images(paths, pages=5)
    with pytest.warns(UserWarning, match="has 5 pages"):
        load_images(paths)


def test_bands_in_files(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    bands = np.random.default_rng(0).integers(0, 4096, (6, 10, 10, 13)).astype(np.uint16)
    paths = [str(tmp_path / f"{i}.tif") for i in range(6)]
    for path, image in zip(paths, bands, strict=True):
        tifffile.imwrite(path, image, photometric="minisblack", planarconfig="contig")
    embedder = quick(image_shape=(10, 10, 13)).fit(paths)
    assert_array_equal(embedder.transform(paths), quick().fit(bands).transform(bands))
    assert_array_equal(load_images(paths, channels=[3, 2, 1]), bands[..., [3, 2, 1]])
    with pytest.raises(ImageFileError, match="has 13 channels, but 3 were requested"):
        quick().fit(paths)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"pages": "all"}, "'pages' parameter of load_images must be 'first'.*Got 'all'"),
        ({"pages": -1}, "'pages' parameter"),
        ({"channels": []}, "'channels' parameter of load_images must be None.*Got"),
        ({"channels": "red"}, "'channels' parameter"),
        ({"image_size": 0}, "'image_size' parameter of load_images"),
    ],
)
def test_bad_parameters_of_load_images(params, message, paths):
    with pytest.raises(ValueError, match=message):
        load_images(paths, **params)


def test_channels_that_differ(tmp_path):
    paths = write_all(tmp_path, COLOURS)
    Image.fromarray(np.dstack([COLOURS[0], COLOURS[0, ..., :1]])).save(paths[1])
    with pytest.raises(ValueError, match="differ in channels: .*00.png' has 3, .*01.png' has 4"):
        load_images(paths, channels="all")
    assert load_images(paths, channels=np.arange(2)).shape == (24, 10, 10, 2)


def test_load_images_takes_names():
    with pytest.raises(ValueError, match="'paths' parameter of load_images.*Got"):
        load_images(COLOURS)


# Tables -------------------------------------------------------------------------------------


def frames(paths):
    import pandas as pd

    yield pd.DataFrame({"file": paths})
    yield pd.DataFrame({"file": pd.array(paths, dtype="string")}, index=range(7, 7 + len(paths)))
    yield pd.DataFrame({"file": list(map(Path, paths))})
    yield np.array(paths, dtype=object)[:, None]
    yield np.array(paths)[:, None]


def test_a_column_of_names(paths):
    expected = quick().fit(paths).transform(paths)
    for table in frames(paths):
        assert_array_equal(quick().fit(table).transform(table), expected)
    y = np.arange(24) % 2
    table = next(frames(paths))
    for model in (
        FineTuneClassifier(quick(), max_epochs=1, random_state=SEED),
        SemiSupervisedClassifier(quick(), LogisticRegression(C=0.01)),
    ):
        assert_array_equal(model.fit(table, y).predict(table), model.predict(paths))
    assert layer_scores(quick().fit(paths), table, y, cv=2)


def test_a_column_of_names_in_polars(paths):
    polars = pytest.importorskip("polars")
    table = polars.DataFrame({"file": paths})
    expected = quick().fit(paths).transform(paths)
    assert_array_equal(quick().fit(table).transform(table), expected)
    assert_array_equal(quick().fit(table["file"]).transform(paths), expected)


@pytest.mark.parametrize("selected", ["file", ["file"]])
def test_beside_other_columns(selected, paths):
    import pandas as pd

    frame = pd.DataFrame({"file": paths, "age": np.arange(24.0)})
    table = ColumnTransformer(
        [("image", quick(), selected), ("number", StandardScaler(), ["age"])]
    ).set_output(transform="pandas")
    features = table.fit_transform(frame)
    names = list(table.get_feature_names_out())
    assert list(features.columns) == names
    assert names[0] == "image__rotnetembedder0"
    assert names[-1] == "number__age"
    expected = quick().fit(paths).transform(paths)
    assert_array_equal(features.to_numpy()[:, :-1].astype(np.float32), expected)
    model = make_pipeline(table, LogisticRegression(C=0.01)).fit(frame, np.arange(24) % 2)
    assert model.predict(frame.iloc[:3]).shape == (3,)


def test_names_of_features_when_images_were_files(paths):
    embedder = quick().fit(paths)
    expected = embedder.get_feature_names_out()
    assert_array_equal(embedder.get_feature_names_out(["file"]), expected)
    with pytest.raises(ValueError, match="input_features"):
        embedder.get_feature_names_out(["a", "b"])


def test_skrub(paths):
    skrub = pytest.importorskip("skrub")
    import pandas as pd

    frame = pd.DataFrame({"file": paths, "age": np.arange(24.0)})
    features = skrub.ApplyToCols(quick(), cols=["file"]).fit_transform(frame)
    assert features.shape == (24, 1 + len(quick().fit(paths).get_feature_names_out()))


def test_a_column_of_arrays():
    import pandas as pd

    expected = quick().fit(COLOURS).transform(COLOURS)
    for X in (
        pd.DataFrame({"image": list(COLOURS)}),
        pd.Series(list(COLOURS)),
        np.array([*COLOURS, None], dtype=object)[:-1],
        list(COLOURS),
        list(map(torch.from_numpy, COLOURS)),
    ):
        assert_array_equal(quick().fit(X).transform(X), expected)


@pytest.mark.parametrize("wrap", [list, tuple, "series", "frame", "array"])
def test_pictures(wrap, paths):
    import pandas as pd

    pictures = list(map(Image.open, paths))
    if wrap == "array":
        X = np.empty(len(pictures), dtype=object)
        X[:] = pictures
    else:
        wraps = {"series": pd.Series, "frame": lambda x: pd.DataFrame({"image": x})}
        X = wraps.get(wrap, wrap)(pictures)
    for params in ({}, {"image_size": 12}, {"image_shape": (9, 8, 3), "image_size": 8}):
        embedder = quick(**params).fit(paths)
        assert_array_equal(quick(**params).fit(X).transform(X), embedder.transform(paths))
        assert_array_equal(embedder.transform(pictures[0]), embedder.transform(paths[:1]))
    assert quick(image_shape=(10, 10, 1)).fit(X).image_shape_ == (10, 10, 1)


def test_pictures_elsewhere(paths):
    pictures, y = list(map(Image.open, paths)), np.arange(24) % 2
    assert_array_equal(check_images(pictures), COLOURS)
    assert ImageResizer(5).fit_transform(pictures).shape == (24, 5, 5, 3)
    tuned = FineTuneClassifier(quick(), max_epochs=1, random_state=SEED).fit(pictures, y)
    assert_array_equal(tuned.predict(pictures), tuned.predict(paths))
    semi = SemiSupervisedClassifier(quick(), LogisticRegression(C=0.01))
    y[10:] = -1
    assert semi.fit(pictures, y).predict(pictures).shape == (24,)


def test_deep_pictures_keep_their_bits(tmp_path):
    pictures = list(map(Image.open, write_all(tmp_path, DEEP)))
    assert quick(image_shape=(10, 10, 1)).fit(pictures).value_range_ == (DEEP.min(), DEEP.max())


# Mistakes -----------------------------------------------------------------------------------


def test_pictures_that_differ(paths):
    pictures = list(map(Image.open, paths))
    pictures[3] = pictures[3].resize((4, 6))
    with pytest.raises(ValueError, match=r"has 10x10 pixels .*image 3 of X 6x4. Set image_size"):
        quick().fit(pictures)
    assert quick(image_size=8).fit_transform(pictures).shape[0] == 24
    pictures[3] = Image.fromarray(DEEP[0, ..., 0])
    with pytest.raises(ValueError, match="the first image in X has 8 bits, image 3"):
        quick().fit(pictures)


@pytest.mark.parametrize("as_type", [str, Path])
def test_a_folder_as_X(as_type, tmp_path):
    message = r"is a folder: sklssl.datasets.list_images\('.*'\).paths lists its images"
    for model in (quick(), ImageResizer(5)):
        with pytest.raises(ValueError, match=message):
            model.fit(as_type(tmp_path))


def test_one_name_as_X(paths, tmp_path):
    with pytest.raises(ValueError, match=r"X is one name: pass \['.*00.png'\]"):
        quick().fit(paths[0])
    with pytest.raises(ValueError, match=r"is a zip file: .*load_image_folder"):
        quick().fit(str(tmp_path / "images.zip"))


@pytest.mark.parametrize("hole", [None, np.nan, 3])
def test_a_missing_name(hole, paths):
    import pandas as pd

    holed = [*paths[:5], hole, *paths[6:]]
    frame, array = pd.DataFrame({"file": holed}), np.array(holed, dtype=object)
    for X in (holed, frame["file"], frame, array):
        with pytest.raises(ValueError, match="item 5 of X is .*Replace it with a file name"):
            quick().fit(X)


def test_nothing_and_generators(paths):
    for X in ([], (), np.array([]), np.array([], dtype=object)):
        with pytest.raises(ValueError, match="an empty X.*list_images"):
            quick().fit(X)
    with pytest.raises(ValueError, match=r"not a generator. Pass list\(X\)"):
        quick().fit(path for path in paths)


def test_other_channels_are_not_a_matter_of_size():
    with pytest.raises(ValueError, match="same channels, for example without alpha channel"):
        quick().fit([COLOURS[0], np.zeros((10, 10, 4), np.uint8)])


def test_packages_that_another_thread_is_importing(monkeypatch):
    for name in ("PIL.Image", "IPython"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))  # as yet without contents
    quick(verbose=1).fit(COLOURS)


def test_bytes_after_deep_images_are_told():
    embedder = quick().fit(DEEP)
    with pytest.warns(UserWarning, match=r"from .* to 40\d\d, but X has values from 0 to 255"):
        embedder.transform((DEEP // 16).astype(np.uint8))


@pytest.mark.parametrize("other", [COLOURS[0] / 255, COLOURS[0].astype(np.uint16)])
def test_lists_of_arrays_of_different_kinds_are_refused(other):
    with pytest.raises(ValueError, match="images of uint8 and of .*same dtype and range"):
        quick().fit([*COLOURS[:5], other])


def test_tensors_of_bytes_stay_bytes():
    dark = COLOURS // 3
    assert quick().fit(torch.from_numpy(dark)).value_range_ == (0.0, 255.0)


def test_files_and_pictures_of_another_size_are_refused_after_fit(tmp_path):
    pictures = [Image.fromarray(image) for image in COLOURS]
    other = Image.fromarray(COLOURS[0]).resize((20, 10))
    other.save(tmp_path / "other.png")
    embedder = quick().fit(pictures)
    with pytest.raises(ValueError, match=r"shape \(10, 20, 3\)"):
        embedder.transform([other])
    with pytest.raises(ValueError, match="differ in size.*other.png.*image_size"):
        embedder.transform([str(tmp_path / "other.png")])
    small = quick(image_size=8).fit(pictures)
    assert small.transform([other]).shape == (1, small._n_features_out)


def test_signed_bytes_in_a_tiff_are_floats(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    values = np.tile(np.arange(-4, 4, dtype=np.int8), (8, 1))
    tifffile.imwrite(tmp_path / "signed.tif", values)
    image = load_images([tmp_path / "signed.tif"])[0, ..., 0]
    assert image.dtype == np.float32
    assert_array_equal(image, values)
