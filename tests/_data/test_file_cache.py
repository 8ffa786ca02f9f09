"""The files in which decoded images are kept: found again, shared, full disks, damage."""

import errno
import multiprocessing
import os
import pathlib
import resource
import shutil
import threading
import time

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklssl._data import file_cache
from sklssl._data.file_cache import file_keys
from sklssl._data.files import ImageFiles
from tests._data._image_files import IMAGES, SHAPE, list_stored, write


def test_resized_images_do_not_pass_for_images_of_the_size(paths, tmp_path):
    other = write(tmp_path / "other.png", IMAGES[0][:4])
    ImageFiles([other], SHAPE, cache_dir=tmp_path / "cache").store()
    with pytest.raises(ValueError, match=r"differ in size"):
        ImageFiles([other], SHAPE, cache_dir=tmp_path / "cache", resize=False).store()


def test_cache_outlives_the_object(paths, tmp_path, decoded):
    ImageFiles(paths[:8], SHAPE, cache_dir=tmp_path / "cache").store()
    del decoded[:]
    files = ImageFiles(paths[::-1], SHAPE, cache_dir=str(tmp_path / "cache"))
    assert_array_equal(files[4:], IMAGES[:8][::-1])
    assert decoded == []
    assert_array_equal(files[:], IMAGES[::-1])
    assert sorted(decoded) == ["008.png", "009.png", "010.png", "011.png"]
    assert len(list_stored(tmp_path / "cache")) == 2  # slicing wrote nothing
    del decoded[:]
    files.store()
    assert sorted(decoded) == ["008.png", "009.png", "010.png", "011.png"]
    assert len(list_stored(tmp_path / "cache")) == 4


@pytest.mark.parametrize("small", [0, 1000])
def test_images_of_several_shards(paths, small, tmp_path, decoded, monkeypatch):
    monkeypatch.setattr("sklssl._data.file_cache._SMALL_BYTES", small)
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
    write(pathlib.Path(paths[3]), 255 - IMAGES[3])
    os.utime(paths[3], ns=(0, os.stat(paths[3]).st_mtime_ns + 1))
    del decoded[:]
    files = ImageFiles(paths, SHAPE, cache_dir=tmp_path / "cache")
    files.store()
    assert decoded == ["003.png"]
    assert_array_equal(files[3], 255 - IMAGES[3])
    assert_array_equal(files[4], IMAGES[4])


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
    assert not [name for name in list_stored(tmp_path / "cache") if name.endswith(".part")]
    assert_array_equal(ImageFiles(paths, SHAPE, cache_dir=tmp_path / "cache")[:], IMAGES)


def _full(*args):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("step", ["_write_all", "_write_keys", "os.fsync", "os.replace"])
@pytest.mark.parametrize("before", [False, True])
def test_full_disk(paths, step, before, tmp_path, monkeypatch):
    cache_dir = tmp_path / "cache"
    if before:
        ImageFiles(paths[:5], SHAPE, cache_dir=cache_dir).store()
    stored = list_stored(cache_dir)
    files = ImageFiles(paths[5:], SHAPE, cache_dir=cache_dir)
    with monkeypatch.context() as patch:
        patch.setattr(step if "." in step else f"{file_cache.__name__}.{step}", _full)
        message = (
            r"No space left on device: could not store 7 decoded images in cache_dir "
            r"'.*cache/6x8x3-v1', which needs 1,008 bytes. Free space there or set another"
        )
        with pytest.raises(OSError, match=message) as caught:
            files.store()
    assert caught.value.errno == errno.ENOSPC
    assert list_stored(cache_dir) == stored
    assert_array_equal(files[:], IMAGES[5:])
    files.store()
    assert len(list_stored(cache_dir)) == len(stored) + 2


def test_second_rename_fails(paths, tmp_path, monkeypatch):
    def replace(source, target):
        if str(target).endswith(".keys.npy"):
            _full()
        original(source, target)

    original = os.replace
    monkeypatch.setattr("os.replace", replace)
    with pytest.raises(OSError, match=r"No space left"):
        ImageFiles(paths, SHAPE, cache_dir=tmp_path / "cache").store()
    assert list_stored(tmp_path / "cache") == []


@pytest.mark.parametrize("where", ["temporary", "folder"])
def test_disk_that_ends_within_an_image(paths, where, tmp_path, monkeypatch):
    monkeypatch.setattr("sklssl._data.files._BATCH_IMAGES", 2)
    cache_dir = None if where == "temporary" else tmp_path / "cache"
    files = ImageFiles(paths, SHAPE, cache_dir=cache_dir)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(
            OSError, match=r"File too large: could not store 12 decoded .* needs 1,728 bytes"
        ):
            files.store()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert cache_dir is None or list_stored(cache_dir) == []
    files.store()
    assert_array_equal(files[:], IMAGES)


def test_too_little_space_is_said_before_decoding(paths, decoded, monkeypatch, tmp_path):
    usage = shutil.disk_usage(tmp_path)._replace(free=1727)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with pytest.raises(OSError, match=r"No space.*cache_dir '.*cache/6x8x3-v1'.* another cache_d"):
        ImageFiles(paths, SHAPE, cache_dir=tmp_path / "cache").store()
    with pytest.raises(OSError, match=r"No space.* the temporary folder '.*', .*set a cache_dir"):
        ImageFiles(paths, SHAPE).store()
    assert decoded == []


def test_cache_that_cannot_be_written(paths, tmp_path, monkeypatch, decoded):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"cache_dir '.*file/6x8x3-v1'.*Make it writable or set an"):
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
    kept = set(list_stored(cache_dir))
    for day in ("old", "new"):
        for end in (".npy.part", ".keys.npy.part", ".npy", ".txt"):
            (folder / (day + end)).write_bytes(b"half")
    for path in folder.iterdir():
        if not path.name.startswith("new"):
            os.utime(path, (0, time.time() - 25 * 3600))
    ImageFiles(paths[:3], SHAPE, cache_dir=cache_dir).store()  # writes nothing
    assert len(list_stored(cache_dir)) == len(kept) + 8
    ImageFiles(paths[3:5], SHAPE, cache_dir=cache_dir).store()
    names = set(list_stored(cache_dir))
    assert kept <= names
    assert {name for name in names if name.startswith("old")} == {"old.txt"}
    assert len([name for name in names if name.startswith("new")]) == 4
    assert len(names) == len(kept) + 2 + 1 + 4


def test_interruption_leaves_nothing(paths, tmp_path, monkeypatch):
    def interrupt(file, data):
        if len(data) == 2:
            raise KeyboardInterrupt
        original(file, data)

    original = file_cache._write_all
    monkeypatch.setattr("sklssl._data.file_cache._write_all", interrupt)
    monkeypatch.setattr("sklssl._data.files._BATCH_IMAGES", 2)
    with pytest.raises(KeyboardInterrupt):
        ImageFiles(paths, SHAPE, cache_dir=tmp_path / "cache").store()
    assert list_stored(tmp_path / "cache") == []


def test_keys_with_one_head_are_told_apart(tmp_path):
    keys = np.zeros((3, 16), np.uint8)
    keys[:, 15] = [1, 2, 3]
    cache = file_cache.ImageCache(SHAPE)
    cache.write([(np.arange(2), IMAGES[:2])], 2, keys[:2])
    shard, row = cache.find(keys)
    assert (shard[0], row[0]) == (0, 0)
    assert shard[2] == -1
