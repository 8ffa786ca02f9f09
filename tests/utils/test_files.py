"""ImageFiles: what slicing gives, what is decoded when, and what lies in the cache."""

import errno
import multiprocessing
import os
import pathlib
import resource
import shutil
import threading
import time
import warnings

import cv2
import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from numpy.testing import assert_array_equal

from sklssl.datasets import load_image_folder
from sklssl.exceptions import ImageFileError
from sklssl.utils import _file_cache, _files
from sklssl.utils._file_cache import file_keys
from sklssl.utils._files import ImageFiles, common_shape, holds_paths

SHAPE = (6, 8, 3)
IMAGES = np.random.default_rng(0).integers(0, 256, (12, *SHAPE), dtype=np.uint8)


def _write(path, image):
    image = image[..., ::-1] if image.ndim == 3 else image
    path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())
    return str(path)


@pytest.fixture
def paths(tmp_path):
    folder = tmp_path / "images" / "all"
    folder.mkdir(parents=True)
    return [_write(folder / f"{i:03}.png", image) for i, image in enumerate(IMAGES)]


@pytest.fixture
def decoded(monkeypatch):
    """Give a list to which every file is added when it is read and decoded."""
    names = []

    def read(path, color):
        names.append(os.path.basename(path))
        return original(path, color)

    original = _files.read_image_file
    monkeypatch.setattr(_files, "read_image_file", read)
    return names


@pytest.fixture(params=[1, 3])
def n_threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def _damage(path):
    content = pathlib.Path(path).read_bytes()
    pathlib.Path(path).write_bytes(content[: len(content) // 2])


def _stored(cache_dir):
    """List what lies in the cache, without the folder of the shape."""
    return sorted(path.name for path in pathlib.Path(cache_dir).glob("*/*"))


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
    with pytest.raises(IndexError, match=r"takes one index"):
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
    assert holds_paths(X)
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
        [["a.png"]],
        np.array([["a.png"]]),
        np.array("a.png"),
        np.zeros(3),
        np.zeros((3, 2, 2)),
        [np.zeros((2, 2))],
        pd.DataFrame({"path": ["a.png"]}),
        pd.Series(["a.png", np.nan]),
        {"a.png": 1},
        torch.zeros(3),
        None,
        3,
    ],
    ids=str,
)
def test_no_paths(X):
    assert not holds_paths(X)
    with pytest.raises(ValueError, match=r"ImageFiles takes a list.*file name.*Got"):
        ImageFiles(X, SHAPE)


def test_arrays_are_not_gone_through():
    class Arrays(list):
        def __iter__(self):
            yield np.zeros((2, 2))
            raise AssertionError

    assert not holds_paths(Arrays([1]))


@pytest.mark.parametrize("shape", [(6, 8), (6, 8, 2), (6, 8, 4), (0, 8, 3), (6.0, 8, 3), (6, 8, 0)])
def test_bad_image_shape(shape):
    with pytest.raises(ValueError, match=r"'image_shape' parameter of ImageFiles.*Got"):
        ImageFiles(["a.png"], shape)


@pytest.mark.parametrize("color", [True, False])
def test_same_pixels_as_the_folder(paths, color):
    folder = pathlib.Path(paths[0]).parent.parent
    _write(folder / "all" / "grey.png", IMAGES[0, ..., 0])
    _write(folder / "all" / "other.jpg", np.tile(IMAGES[1], (3, 5, 1)))
    bunch = load_image_folder(folder, image_size=5, color=color)
    names = [folder / name for name in bunch.filenames]
    files = ImageFiles(names, bunch.images.shape[1:])
    assert_array_equal(files[:], bunch.images)
    files.store()
    assert_array_equal(files[:], bunch.images)


def test_another_size_is_refused(paths, tmp_path):
    other = _write(tmp_path / "other.png", IMAGES[0][:4])
    files = ImageFiles([*paths, other], SHAPE, resize=False)
    assert_array_equal(files[:12], IMAGES)
    message = r"differ in size: '.*other.png' has 4x8 pixels .*, the first .* 6x8. Set image_size"
    with pytest.raises(ValueError, match=message):
        files[:]
    with pytest.raises(ValueError, match=message):
        files.store(on_error="skip")


def test_resized_images_do_not_pass_for_images_of_the_size(paths, tmp_path):
    other = _write(tmp_path / "other.png", IMAGES[0][:4])
    ImageFiles([other], SHAPE, cache_dir=tmp_path / "cache").store()
    with pytest.raises(ValueError, match=r"differ in size"):
        ImageFiles([other], SHAPE, cache_dir=tmp_path / "cache", resize=False).store()


def test_common_shape(paths, tmp_path):
    assert common_shape(paths) == (6, 8)
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    content = cv2.imencode(".jpg", IMAGES[0])[1].tobytes()
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    (tmp_path / "a.jpg").write_bytes(content[:2] + segment + content[2:])
    assert common_shape([tmp_path / "a.jpg"]) == (8, 6)
    assert ImageFiles([tmp_path / "a.jpg"], (8, 6, 1), resize=False)[:].shape == (1, 8, 6, 1)


def test_common_shape_of_bad_files(paths, tmp_path):
    _damage(paths[0])
    with pytest.raises(ImageFileError, match=r"000.png' is damaged.*on_error=\"skip\""):
        common_shape(paths)
    assert common_shape(paths, on_error="skip") == (6, 8)
    with pytest.raises(ImageFileError, match=r"None of the 2 .*gone' cannot be read"):
        common_shape(["gone", "lost"], on_error="skip")


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


def test_cache_outlives_the_object(paths, tmp_path, decoded):
    ImageFiles(paths[:8], SHAPE, cache_dir=tmp_path / "cache").store()
    del decoded[:]
    files = ImageFiles(paths[::-1], SHAPE, cache_dir=str(tmp_path / "cache"))
    assert_array_equal(files[4:], IMAGES[:8][::-1])
    assert decoded == []
    assert_array_equal(files[:], IMAGES[::-1])
    assert sorted(decoded) == ["008.png", "009.png", "010.png", "011.png"]
    assert len(_stored(tmp_path / "cache")) == 2  # slicing wrote nothing
    del decoded[:]
    files.store()
    assert sorted(decoded) == ["008.png", "009.png", "010.png", "011.png"]
    assert len(_stored(tmp_path / "cache")) == 4


def test_images_of_several_shards(paths, tmp_path, decoded):
    order = np.random.default_rng(0).permutation(12)
    for part in np.array_split(order, 4):
        ImageFiles([paths[i] for i in part], SHAPE, cache_dir=tmp_path).store()
    del decoded[:]
    files = ImageFiles(paths, SHAPE, cache_dir=tmp_path)
    assert len(files._cache.shards) == 4
    for rows in np.random.default_rng(0).integers(0, 12, (5, 7)):
        assert_array_equal(files[rows], IMAGES[rows])
    assert decoded == []


def test_shards_are_plain_arrays(paths, tmp_path):
    files = ImageFiles(paths, SHAPE, cache_dir=tmp_path / "cache")
    files.store()
    folder = tmp_path / "cache" / "6x8x3-v1"
    keys, images = sorted(folder.iterdir())
    assert keys.name == images.stem + ".keys.npy"
    assert_array_equal(np.load(images, mmap_mode="r", allow_pickle=False), IMAGES)
    assert_array_equal(np.load(keys, allow_pickle=False), file_keys(paths))


def test_relative_and_absolute_names_are_the_same(paths, tmp_path, decoded, monkeypatch):
    ImageFiles(paths, SHAPE, cache_dir=tmp_path / "cache").store()
    monkeypatch.chdir(os.path.dirname(paths[0]))
    del decoded[:]
    names = [os.path.basename(path) for path in paths]
    assert_array_equal(ImageFiles(names, SHAPE, cache_dir=tmp_path / "cache")[:], IMAGES)
    assert decoded == []


def test_shapes_are_kept_apart(paths, tmp_path):
    for shape in [SHAPE, (6, 8, 1), (4, 4, 3)]:
        ImageFiles(paths, shape, cache_dir=tmp_path / "cache").store()
    names = {path.name for path in (tmp_path / "cache").iterdir()}
    assert names == {"6x8x3-v1", "6x8x1-v1", "4x4x3-v1"}
    files = ImageFiles(paths, (4, 4, 3), cache_dir=tmp_path / "cache")
    assert_array_equal(files[:], ImageFiles(paths, (4, 4, 3))[:])


def test_changed_file_is_read_again(paths, tmp_path, decoded):
    ImageFiles(paths, SHAPE, cache_dir=tmp_path / "cache").store()
    _write(pathlib.Path(paths[3]), 255 - IMAGES[3])
    os.utime(paths[3], ns=(0, os.stat(paths[3]).st_mtime_ns + 1))
    del decoded[:]
    files = ImageFiles(paths, SHAPE, cache_dir=tmp_path / "cache")
    files.store()
    assert decoded == ["003.png"]
    assert_array_equal(files[3], 255 - IMAGES[3])
    assert_array_equal(files[4], IMAGES[4])


@pytest.mark.parametrize("where", ["temporary", "folder"])
def test_file_named_twice_is_decoded_once(paths, where, tmp_path, decoded):
    names = [paths[1], paths[0], paths[1], paths[1]]
    files = ImageFiles(names, SHAPE, cache_dir=None if where == "temporary" else tmp_path / "cache")
    files.store()
    assert sorted(decoded) == ["000.png", "001.png"]
    assert_array_equal(files[:], IMAGES[[1, 0, 1, 1]])


@pytest.mark.parametrize("where", ["temporary", "folder"])
@pytest.mark.parametrize("spoil", [_damage, os.remove])
def test_bad_file_raises_and_leaves_nothing(paths, where, spoil, tmp_path, monkeypatch, n_threads):
    monkeypatch.setattr(_files, "_BATCH_IMAGES", 2)
    cache_dir = None if where == "temporary" else tmp_path / "cache"
    for i in (7, 10):
        spoil(paths[i])
    files = ImageFiles(paths, SHAPE, cache_dir=cache_dir)
    with pytest.raises(ImageFileError, match=r"'.*007.png' .*With on_error=\"skip\", fit leaves"):
        files.store()
    assert len(files) == 12
    assert_array_equal(files[:7], IMAGES[:7])
    with pytest.raises(ImageFileError, match=r"007.png' [^=]*$"):
        files[:]
    assert cache_dir is None or _stored(cache_dir) == []


@pytest.mark.parametrize("where", ["temporary", "folder"])
def test_bad_files_are_skipped(paths, where, tmp_path, monkeypatch, decoded, n_threads):
    monkeypatch.setattr(_files, "_BATCH_IMAGES", 3)
    for i in (0, 4, 5):
        _damage(paths[i])
    os.remove(paths[9])
    names = [*paths, paths[4], paths[2]]
    cache_dir = None if where == "temporary" else tmp_path / "cache"
    files = ImageFiles(names, SHAPE, cache_dir=cache_dir)
    message = (
        r"^5 of 14 image files cannot be read and are left out: '.*000.png', '.*004.png', "
        r"'.*005.png' and 2 more. The first: '.*000.png' is damaged"
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
@pytest.mark.parametrize("spoil", [_damage, os.remove])
def test_nothing_left(paths, where, spoil, tmp_path):
    for path in paths:
        spoil(path)
    cache_dir = None if where == "temporary" else tmp_path / "cache"
    files = ImageFiles(paths, SHAPE, cache_dir=cache_dir)
    with pytest.raises(ImageFileError, match=r"None of the 12 image files can be read.*000.png"):
        files.store(on_error="skip")
    assert cache_dir is None or _stored(cache_dir) == []


def test_bad_on_error(paths):
    with pytest.raises(ValueError, match=r"on_error must be 'raise' or 'skip'. Got 'ignore'"):
        ImageFiles(paths, SHAPE).store(on_error="ignore")


def test_shortage_is_no_reason_to_skip(paths, monkeypatch):
    def read(path, color):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(_files, "read_image_file", read)
    with pytest.raises(OSError, match=r"^\[Errno 24\] Too many open files$"):
        ImageFiles(paths, SHAPE).store(on_error="skip")


def test_threads_that_store_at_once(paths, tmp_path):
    def store():
        files = ImageFiles(paths, SHAPE, cache_dir=tmp_path / "cache")
        barrier.wait()
        files.store()
        results.append(files[:])

    barrier, results = threading.Barrier(4), []
    threads = [threading.Thread(target=store) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    for images in results:
        assert_array_equal(images, IMAGES)
    assert_array_equal(ImageFiles(paths, SHAPE, cache_dir=tmp_path / "cache")[:], IMAGES)


def _store_in_process(paths, cache_dir, barrier, queue):
    files = ImageFiles(paths, SHAPE, cache_dir=cache_dir)
    barrier.wait()
    files.store()
    queue.put(int((files[:] == IMAGES[: len(paths)]).all()))


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_processes_that_store_at_once(paths, tmp_path):
    context = multiprocessing.get_context("fork")  # others import torch first, for seconds
    barrier, queue = context.Barrier(2), context.Queue()
    arguments = (paths, str(tmp_path / "cache"), barrier, queue)
    processes = [context.Process(target=_store_in_process, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    assert [queue.get(timeout=60) for _ in processes] == [1, 1]
    for process in processes:
        process.join()
    assert not [name for name in _stored(tmp_path / "cache") if name.endswith(".part")]
    assert_array_equal(ImageFiles(paths, SHAPE, cache_dir=tmp_path / "cache")[:], IMAGES)


def _full(*args):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("step", ["_write", "_write_keys", "os.fsync", "os.replace"])
@pytest.mark.parametrize("before", [False, True])
def test_full_disk(paths, step, before, tmp_path, monkeypatch):
    cache_dir = tmp_path / "cache"
    if before:
        ImageFiles(paths[:5], SHAPE, cache_dir=cache_dir).store()
    stored = _stored(cache_dir)
    files = ImageFiles(paths[5:], SHAPE, cache_dir=cache_dir)
    with monkeypatch.context() as patch:
        patch.setattr(step if "." in step else f"{_file_cache.__name__}.{step}", _full)
        message = (
            r"No space left on device: 7 decoded images were to be stored in cache_dir "
            r"'.*cache/6x8x3-v1', which takes 1,008 bytes. Free space there or give another"
        )
        with pytest.raises(OSError, match=message) as caught:
            files.store()
    assert caught.value.errno == errno.ENOSPC
    assert _stored(cache_dir) == stored
    assert_array_equal(files[:], IMAGES[5:])
    files.store()
    assert len(_stored(cache_dir)) == len(stored) + 2


def test_second_rename_fails(paths, tmp_path, monkeypatch):
    def replace(source, target):
        if str(target).endswith(".keys.npy"):
            _full()
        original(source, target)

    original = os.replace
    monkeypatch.setattr("os.replace", replace)
    with pytest.raises(OSError, match=r"No space left"):
        ImageFiles(paths, SHAPE, cache_dir=tmp_path / "cache").store()
    assert _stored(tmp_path / "cache") == []


@pytest.mark.parametrize("where", ["temporary", "folder"])
def test_disk_that_ends_within_an_image(paths, where, tmp_path, monkeypatch):
    monkeypatch.setattr(_files, "_BATCH_IMAGES", 2)
    cache_dir = None if where == "temporary" else tmp_path / "cache"
    files = ImageFiles(paths, SHAPE, cache_dir=cache_dir)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"File too large: 12 decoded .* takes 1,728 bytes"):
            files.store()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert cache_dir is None or _stored(cache_dir) == []
    files.store()
    assert_array_equal(files[:], IMAGES)


def test_too_little_space_is_said_before_decoding(paths, decoded, monkeypatch, tmp_path):
    usage = shutil.disk_usage(tmp_path)._replace(free=1727)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with pytest.raises(OSError, match=r"No space.*cache_dir '.*cache/6x8x3-v1'.* another cache_d"):
        ImageFiles(paths, SHAPE, cache_dir=tmp_path / "cache").store()
    with pytest.raises(OSError, match=r"No space.* the temporary folder '.*', .*give a cache_dir"):
        ImageFiles(paths, SHAPE).store()
    assert decoded == []


def test_cache_that_cannot_be_written(paths, tmp_path, monkeypatch, decoded):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"cache_dir '.*file/6x8x3-v1'.*Make it writable or give an"):
        ImageFiles(paths, SHAPE, cache_dir=tmp_path / "file").store()
    ImageFiles(paths, SHAPE, cache_dir=tmp_path / "cache").store()
    del decoded[:]
    for name in ("makedirs", "replace", "remove"):
        monkeypatch.setattr(os, name, _full)
    files = ImageFiles(paths, SHAPE, cache_dir=tmp_path / "cache")
    files.store()  # everything is there, nothing to write
    assert_array_equal(files[:], IMAGES)
    assert decoded == []


def _shorten(path):
    path.write_bytes(path.read_bytes()[:-1])


def _other_type(path):
    np.save(path, np.load(path).astype(np.int8))


def _one_less(path):
    np.save(path, np.load(path)[:-1])


def _other_width(path):
    np.save(path, np.load(path)[..., :-1])


def _objects(path):
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)


def _huge(path):
    content = path.read_bytes()
    path.write_bytes(content.replace(b"(12, ", b"(98765432109, ")[: len(content)])


DAMAGES = [
    _shorten,
    _other_type,
    _one_less,
    _other_width,
    _objects,
    _huge,
    os.remove,
    lambda path: path.write_bytes(b""),
    lambda path: path.write_bytes(b"\x93NUMPY\x01\x00v\x00{'descr': "),
    lambda path: path.write_bytes(b"PK\x03\x04" * 50),
    lambda path: path.write_bytes(path.read_bytes()[:60] + b"\xff" * 40 + path.read_bytes()[100:]),
    lambda path: np.save(path, np.uint8(1)),
    lambda path: (path.unlink(), path.mkdir()),
]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("which", ["keys", "images"])
def test_damaged_shards_are_passed_over(paths, damage, which, tmp_path, decoded):
    cache_dir = tmp_path / "cache"
    ImageFiles(paths, SHAPE, cache_dir=cache_dir).store()
    keys, images = sorted((cache_dir / "6x8x3-v1").iterdir())
    damage(keys if which == "keys" else images)
    del decoded[:]
    files = ImageFiles(paths, SHAPE, cache_dir=cache_dir)
    files.store()
    assert len(decoded) == 12
    assert_array_equal(files[:], IMAGES)
    del decoded[:]
    assert_array_equal(ImageFiles(paths, SHAPE, cache_dir=cache_dir)[:], IMAGES)
    assert decoded == []


def test_only_old_leftovers_are_removed(paths, tmp_path):
    cache_dir = tmp_path / "cache"
    ImageFiles(paths[:3], SHAPE, cache_dir=cache_dir).store()
    folder = cache_dir / "6x8x3-v1"
    kept = set(_stored(cache_dir))
    for day in ("old", "new"):
        for end in (".npy.part", ".keys.npy.part", ".npy", ".txt"):
            (folder / (day + end)).write_bytes(b"half")
    for path in folder.iterdir():
        if not path.name.startswith("new"):
            os.utime(path, (0, time.time() - 25 * 3600))
    ImageFiles(paths[:3], SHAPE, cache_dir=cache_dir).store()  # writes nothing
    assert len(_stored(cache_dir)) == len(kept) + 8
    ImageFiles(paths[3:5], SHAPE, cache_dir=cache_dir).store()
    names = set(_stored(cache_dir))
    assert kept <= names
    assert {name for name in names if name.startswith("old")} == {"old.txt"}
    assert len([name for name in names if name.startswith("new")]) == 4
    assert len(names) == len(kept) + 2 + 1 + 4


def test_interruption_leaves_nothing(paths, tmp_path, monkeypatch):
    def interrupt(file, data):
        if len(data) == 2:
            raise KeyboardInterrupt
        original(file, data)

    original = _file_cache._write
    monkeypatch.setattr(_file_cache, "_write", interrupt)
    monkeypatch.setattr(_files, "_BATCH_IMAGES", 2)
    with pytest.raises(KeyboardInterrupt):
        ImageFiles(paths, SHAPE, cache_dir=tmp_path / "cache").store()
    assert _stored(tmp_path / "cache") == []


def test_keys_with_one_head_are_told_apart(tmp_path):
    keys = np.zeros((3, 16), np.uint8)
    keys[:, 15] = [1, 2, 3]
    cache = _file_cache.ImageCache(SHAPE)
    cache.write([(np.arange(2), IMAGES[:2])], 2, keys[:2])
    shard, row = cache.find(keys)
    assert (shard[0], row[0]) == (0, 0)
    assert shard[2] == -1
