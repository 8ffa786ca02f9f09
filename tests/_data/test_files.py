"""ImageFiles: what slicing gives, what is decoded when, and what is said of bad files."""

import errno
import os
import pathlib
import shutil
import warnings

import cv2
import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from numpy.testing import assert_array_equal

from sklssl import RotNetEmbedder
from sklssl._data.columns import is_path_sequence
from sklssl._data.files import ImageFiles, first_image
from sklssl.datasets import load_image_folder
from sklssl.exceptions import ImageFileError
from tests._data._image_files import IMAGES, SHAPE, damage, list_stored, write

INDICES = [
    slice(None),
    slice(2, 9),
    slice(None, None, -2),
    slice(5, 5),
    np.array([3, 0, 3, 11]),
    np.array([-1, 4]),
    np.array([], dtype=int),
    [7, 1],
    np.arange(12) % 3 == 0,
    4,
    np.int64(-2),
]


@pytest.mark.parametrize("index", INDICES, ids=str)
@pytest.mark.parametrize("stored", [False, True])
def test_indexes_like_an_array(paths, index, stored, n_threads):
    files = ImageFiles(paths, SHAPE)
    if stored:
        assert_array_equal(files.store(), np.arange(12))
    images = files[index]
    assert images.dtype == np.uint8
    assert images.flags.writeable
    assert_array_equal(images, IMAGES[index], strict=True)


def test_looks_like_an_array(paths):
    files = ImageFiles(paths, SHAPE)
    assert files.shape == (12, 6, 8, 3)
    assert files.dtype == np.uint8
    assert (files.ndim, len(files)) == (4, 12)
    with pytest.raises(IndexError, match=r"out of bounds"):
        files[[12]]
    with pytest.raises(IndexError, match=r"expects one index"):
        files[np.zeros((2, 2), dtype=int)]


def _as_paths(paths):
    return [
        paths,
        tuple(map(pathlib.Path, paths)),
        np.array(paths),
        np.array([pathlib.Path(path) for path in paths], dtype=object),
        pd.Series(paths, index=range(5, 5 + len(paths))),
        pl.Series(paths),
    ]


@pytest.mark.parametrize("kind", range(6))
def test_kinds_of_sequences(paths, kind):
    X = _as_paths(paths)[kind]
    assert is_path_sequence(X)
    assert_array_equal(ImageFiles(X, SHAPE)[:], IMAGES)


@pytest.mark.parametrize(
    "X",
    [
        [],
        np.array([], dtype=str),
        "a.png",
        b"a.png",
        pathlib.Path("a.png"),
        [b"a.png"],
        ["a.png", 1],
        ["a.png", None],
        np.array([["a.png", "b.png"]]),
        np.array("a.png"),
        np.zeros(3),
        np.zeros((3, 2, 2)),
        [np.zeros((2, 2))],
        pd.DataFrame({"path": ["a.png"], "other": ["b.png"]}),
        pd.Series(["a.png", np.nan]),
        {"a.png": 1},
        torch.zeros(3),
        None,
        3,
    ],
    ids=str,
)
def test_no_paths(X):
    assert not is_path_sequence(X)
    with pytest.raises(ValueError, match=r"ImageFiles expects a list.*file name.*Got"):
        ImageFiles(X, SHAPE)


def test_arrays_are_not_gone_through():
    class Arrays(list):
        def __iter__(self):
            yield np.zeros((2, 2))
            raise AssertionError

    assert not is_path_sequence(Arrays([1]))


@pytest.mark.parametrize("shape", [(6, 8), (0, 8, 3), (6.0, 8, 3), (6, 8, 0)])
def test_bad_image_shape(shape):
    with pytest.raises(ValueError, match=r"'image_shape' parameter of ImageFiles.*Got"):
        ImageFiles(["a.png"], shape)


@pytest.mark.parametrize("color", [True, False])
def test_same_pixels_as_the_folder(paths, color):
    folder = pathlib.Path(paths[0]).parent.parent
    write(folder / "all" / "grey.png", IMAGES[0, ..., 0])
    write(folder / "all" / "other.jpg", np.tile(IMAGES[1], (3, 5, 1)))
    bunch = load_image_folder(folder, image_size=5, color=color)
    names = [folder / name for name in bunch.filenames]
    files = ImageFiles(names, bunch.images.shape[1:])
    assert_array_equal(files[:], bunch.images)
    files.store()
    assert_array_equal(files[:], bunch.images)


def test_another_size_is_refused(paths, tmp_path):
    other = write(tmp_path / "other.png", IMAGES[0][:4])
    files = ImageFiles([*paths, other], SHAPE, resize=False)
    assert_array_equal(files[:12], IMAGES)
    message = r"differ in size: '.*other.png' has 4x8 pixels .*, the first .* 6x8. Set image_size"
    with pytest.raises(ValueError, match=message):
        files[:]
    with pytest.raises(ValueError, match=message):
        files.store(on_error="skip")


def test_first_image(paths, tmp_path):
    assert first_image(paths, 3)[1].shape == (6, 8, 3)
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    content = cv2.imencode(".jpg", IMAGES[0])[1].tobytes()
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    (tmp_path / "a.jpg").write_bytes(content[:2] + segment + content[2:])
    assert first_image([tmp_path / "a.jpg"], 1)[1].shape == (8, 6, 1)
    assert ImageFiles([tmp_path / "a.jpg"], (8, 6, 1), resize=False)[:].shape == (1, 8, 6, 1)


def test_first_image_of_bad_files(paths, tmp_path):
    damage(paths[0])
    with pytest.raises(ImageFileError, match=r"000.png' is corrupt.*on_error=\"skip\""):
        first_image(paths, 3)
    assert first_image(paths, 1, on_error="skip")[1].shape == (6, 8, 1)
    with pytest.raises(ImageFileError, match=r"None of the 2 .*gone' cannot be read"):
        first_image(["gone", "lost"], 3, on_error="skip")


@pytest.mark.parametrize("where", ["temporary", "folder"])
def test_everything_is_decoded_once(paths, where, tmp_path, decoded, n_threads):
    files = ImageFiles(paths, SHAPE, cache_dir=None if where == "temporary" else tmp_path / "cache")
    files.store()
    assert sorted(decoded) == [f"{i:03}.png" for i in range(12)]
    assert_array_equal(files.store(), np.arange(12))
    shutil.rmtree(os.path.dirname(paths[0]))
    for rows in np.random.default_rng(0).integers(0, 12, (5, 4)):
        assert_array_equal(files[rows], IMAGES[rows])
    assert len(decoded) == 12


def test_without_a_cache_nothing_is_written(paths, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    files = ImageFiles(paths, SHAPE)
    files[:]
    files.store()
    assert list((tmp_path / "tmp").iterdir()) == []
    ImageFiles(paths, SHAPE, cache_dir=tmp_path / "cache")[:]
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("where", ["temporary", "folder"])
def test_file_named_twice_is_decoded_once(paths, where, tmp_path, decoded):
    names = [paths[1], paths[0], paths[1], paths[1]]
    files = ImageFiles(names, SHAPE, cache_dir=None if where == "temporary" else tmp_path / "cache")
    files.store()
    assert sorted(decoded) == ["000.png", "001.png"]
    assert_array_equal(files[:], IMAGES[[1, 0, 1, 1]])


@pytest.mark.parametrize("where", ["temporary", "folder"])
@pytest.mark.parametrize("spoil", [damage, os.remove])
def test_bad_file_raises_and_leaves_nothing(paths, where, spoil, tmp_path, monkeypatch, n_threads):
    monkeypatch.setattr("sklssl._data.files._BATCH_IMAGES", 2)
    cache_dir = None if where == "temporary" else tmp_path / "cache"
    for i in (7, 10):
        spoil(paths[i])
    files = ImageFiles(paths, SHAPE, cache_dir=cache_dir)
    with pytest.raises(ImageFileError, match=r"'.*007.png' .*With on_error=\"skip\", fit skips"):
        files.store()
    assert len(files) == 12
    assert_array_equal(files[:7], IMAGES[:7])
    with pytest.raises(ImageFileError, match=r"007.png' [^=]*$"):
        files[:]
    assert cache_dir is None or list_stored(cache_dir) == []


@pytest.mark.parametrize("where", ["temporary", "folder"])
def test_bad_files_are_skipped(paths, where, tmp_path, monkeypatch, decoded, n_threads):
    monkeypatch.setattr("sklssl._data.files._BATCH_IMAGES", 3)
    for i in (0, 4, 5):
        damage(paths[i])
    os.remove(paths[9])
    names = [*paths, paths[4], paths[2]]
    cache_dir = None if where == "temporary" else tmp_path / "cache"
    files = ImageFiles(names, SHAPE, cache_dir=cache_dir)
    message = (
        r"^5 of 14 image files cannot be read and are skipped: '.*000.png', '.*004.png', "
        r"'.*005.png' and 2 more. Reason for the first: '.*000.png' is corrupt"
    )
    with pytest.warns(UserWarning, match=message) as warned:
        rows = files.store(on_error="skip")
    assert len(warned) == 1
    assert warned[0].filename == __file__
    good = [1, 2, 3, 6, 7, 8, 10, 11]
    assert_array_equal(rows, [*good, 13])
    assert files.shape == (9, *SHAPE)
    assert_array_equal(files[:], IMAGES[[*good, 2]])
    assert_array_equal(files[[-1, 3]], IMAGES[[2, 6]])
    assert_array_equal(files.store(on_error="skip"), np.arange(9))
    if cache_dir is not None:
        again = ImageFiles(paths[1:4], SHAPE, cache_dir=cache_dir)
        del decoded[:]
        assert_array_equal(again[:], IMAGES[1:4])
        assert decoded == []
        marks, images = sorted((cache_dir / "6x8x3-v1").iterdir())
        assert_array_equal(np.load(images), IMAGES[good])
        assert len(np.load(marks)) == 8


def test_nothing_bad_warns_of_nothing(paths):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_array_equal(ImageFiles(paths, SHAPE).store(on_error="skip"), np.arange(12))


@pytest.mark.parametrize("where", ["temporary", "folder"])
@pytest.mark.parametrize("spoil", [damage, os.remove])
def test_nothing_left(paths, where, spoil, tmp_path):
    for path in paths:
        spoil(path)
    cache_dir = None if where == "temporary" else tmp_path / "cache"
    files = ImageFiles(paths, SHAPE, cache_dir=cache_dir)
    with pytest.raises(ImageFileError, match=r"None of the 12 image files can be read.*000.png"):
        files.store(on_error="skip")
    assert cache_dir is None or list_stored(cache_dir) == []


def test_bad_on_error(paths):
    with pytest.raises(ValueError, match=r"on_error must be 'raise' or 'skip'. Got 'ignore'"):
        ImageFiles(paths, SHAPE).store(on_error="ignore")


def test_shortage_is_no_reason_to_skip(paths, monkeypatch):
    def read(path, *args, **kwargs):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("sklssl._data.files.read_image_file", read)
    with pytest.raises(OSError, match=r"^\[Errno 24\] Too many open files$"):
        ImageFiles(paths, SHAPE).store(on_error="skip")


def test_the_cache_of_fit_serves_transform(paths, tmp_path, decoded):
    embedder = RotNetEmbedder("convnet", max_epochs=1, cache_dir=tmp_path / "cache").fit(paths)
    assert len(decoded) == len(paths)
    embedder.transform(paths)
    assert len(decoded) == len(paths) + 1  # the first file, for its size


def test_what_was_decoded_before_an_error_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("sklssl._data.files._FIRST_PART_BYTES", 2 * 8 * 8 * 3)
    rng = np.random.default_rng(0)
    paths = [str(tmp_path / f"{i:02}.png") for i in range(20)]
    for path in paths[:-1]:
        cv2.imwrite(path, rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    pathlib.Path(paths[-1]).write_bytes(b"no image")
    with pytest.raises(ImageFileError, match="19.png"):
        ImageFiles(paths, (8, 8, 3), cache_dir=tmp_path / "cache").store()
    decoded = []
    read = ImageFiles._read
    monkeypatch.setattr(
        ImageFiles, "_read", lambda self, path: decoded.append(path) or read(self, path)
    )
    again = ImageFiles(paths[:-1], (8, 8, 3), cache_dir=tmp_path / "cache")
    again.store()
    assert len(decoded) == 5  # parts of 2, 4 and 8 images were kept, of the last part nothing
    plain = ImageFiles(paths[:-1], (8, 8, 3))
    assert_array_equal(again[:], plain[:])
