"""Decoded images in files, which any number of processes may read and add to."""

import errno
import io
import os
import shutil
import tempfile
import time
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from uuid import uuid4

import numpy as np

from sklssl._data.decode import errors_name_file
from sklssl.exceptions import ImageFileError

__all__ = ["ImageCache", "file_keys"]

_KEY_BYTES = 16
# What a writer that is still alive leaves untouched for so long is none of a living writer.
_LEFTOVER_SECONDS = 24 * 3600
_SMALL_BYTES = 2**18
_NO_SPACE = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG)


def file_keys(paths, errors=None):
    """Name each file by a hash of its absolute path, size and time of change.

    Parameters
    ----------
    paths : iterable of n str

    errors : dict, default=None
        Takes, for each file that is not there, its position and what is wrong. None raises that.

    Returns
    -------
    keys : ndarray of shape (n, 16), uint8
        Zeros for a file that is not there.
    """
    keys = []
    for i, path in enumerate(paths):
        try:
            keys.append(_file_key(path))
        except ImageFileError as error:
            if errors is None:
                raise
            errors[i] = str(error)
            keys.append(bytes(_KEY_BYTES))
    return np.frombuffer(b"".join(keys), np.uint8).reshape(-1, _KEY_BYTES)


def _file_key(path):
    with errors_name_file(path):
        status = os.stat(path)
        text = f"{os.path.abspath(path)}\0{status.st_size}\0{status.st_mtime_ns}"
        return blake2b(os.fsencode(text), digest_size=_KEY_BYTES).digest()


class ImageCache:
    """Decoded images of one shape and dtype, found by the keys of their files.

    They lie in immutable shards: ``<name>.npy`` holds images, ``<name>.keys.npy`` their keys. A
    shard counts once its keys are there, and both appear complete, the keys last. So nobody has
    to wait for anybody: two who write the same images at once store them twice, which is harmless.

    Parameters
    ----------
    image_shape : tuple of int
        (height, width, channels).

    dtype : dtype, default=uint8

    folder : str, default=None
        Where the shards lie; it is made when something is written. None keeps them in temporary
        files without names, for as long as this object lives.

    Attributes
    ----------
    shards : list of ndarray of shape (n, H, W, C)
        Memory-mapped, unless small.
    """

    def __init__(self, image_shape, folder=None, dtype=np.uint8):
        self.image_shape = tuple(image_shape)
        self.dtype = np.dtype(dtype)
        self.folder = folder
        self.shards = []
        self._keys = []
        self._opened = set()
        self._index()

    def refresh(self):
        """Open the shards that others have written; damaged ones are passed over."""
        if self.folder is None:
            return
        with suppress(OSError):  # no such folder yet
            for name in sorted(os.listdir(self.folder)):
                if name.endswith(".keys.npy") and name not in self._opened:
                    self._open(name)
        self._index()

    def find(self, keys):
        """Find images by the keys of their files.

        Parameters
        ----------
        keys : ndarray of shape (n, 16), uint8

        Returns
        -------
        shard, row : ndarray of shape (n,), int64
            Where each image is; -1 for one that is not there.
        """
        shard, row = np.full((2, len(keys)), -1)
        if len(self._head) and len(keys):
            at = np.searchsorted(self._head, _head(keys))
            at = self._order[np.minimum(at, len(self._head) - 1)]
            hit = (self._all_keys[at] == keys).all(axis=1)
            shard[hit], row[hit] = self._shard[at[hit]], self._row[at[hit]]
        return shard, row

    def gather(self, shard, row):
        """Copy images out of the shards.

        Parameters
        ----------
        shard, row : ndarray of shape (n,), int64
            As :meth:`find` gives them. Where they are -1, the images have any values.

        Returns
        -------
        images : ndarray of shape (n, H, W, C)
        """
        if len(shard) and shard[0] >= 0 and (shard == shard[0]).all():
            return self.shards[shard[0]][row]
        images = np.empty((len(shard), *self.image_shape), self.dtype)
        for number in np.unique(shard[shard >= 0]):
            here = shard == number
            images[here] = self.shards[number][row[here]]
        return images

    def write(self, batches, n_images, keys):
        """Store images as a new shard.

        Parameters
        ----------
        batches : iterable of (positions, images)
            The images (m, H, W, C) in pieces, and which of `keys` are theirs. An error that is
            raised in between leaves no trace.

        n_images : int
            How many there are at most.

        keys : ndarray of shape (n_images, 16), uint8

        Raises
        ------
        OSError
            If they cannot be written; says where and how many bytes are needed.
        """
        with self._explain_errors(n_images):
            if self.folder is not None:
                os.makedirs(self.folder, exist_ok=True)
                _remove_leftovers(self.folder)
            free = shutil.disk_usage(self.folder or tempfile.gettempdir()).free
            if free < n_images * self._image_bytes:  # better said now than after hours
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write = self._write_temporary if self.folder is None else self._write_shard
        write(batches, n_images, keys)
        self._index()

    def _write_temporary(self, batches, n_images, keys):
        # Without a buffer, here and below: on a full disk, closing would try to write it again.
        with tempfile.TemporaryFile(buffering=0) as file:
            done = self._write_images(file, batches, n_images)
            self._add_written(file, keys[done])

    def _write_shard(self, batches, n_images, keys):
        name = uuid4().hex
        images, marks = (Path(self.folder, name + end) for end in (".npy", ".keys.npy"))
        parts = [path.with_name(path.name + ".part") for path in (images, marks)]
        try:
            with self._create(parts[0], n_images) as file:
                done = self._write_images(file, batches, n_images, sync=True)
                if len(done) == 0:
                    return
                with self._explain_errors(n_images):
                    _write_keys(parts[1], keys[done])
                    os.replace(parts[0], images)
                    os.replace(parts[1], marks)
                self._opened.add(marks.name)
                self._add_written(file, keys[done])
        finally:
            with suppress(OSError):
                for path in (*parts, *([] if marks.exists() else [images])):
                    path.unlink(missing_ok=True)

    def _create(self, path, n_images):
        with self._explain_errors(n_images):
            return open(path, "x+b", buffering=0)

    def _write_images(self, file, batches, n_images, sync=False):
        """Write batches one after the other and return the positions of what was written."""
        done = [np.empty(0, np.int64)]
        with self._explain_errors(n_images):
            _write_header(file, (n_images, *self.image_shape), self.dtype)
        for positions, images in batches:
            with self._explain_errors(n_images):
                _write(file, images)
            done.append(positions)
        done = np.concatenate(done)
        with self._explain_errors(n_images):
            file.seek(0)
            _write_header(
                file, (len(done), *self.image_shape), self.dtype
            )  # numpy makes both equally long
            if sync:
                os.fsync(file.fileno())
        return done

    def _add_written(self, file, keys):
        """Map the images of an open file."""
        if len(keys) == 0:
            return
        shape = (len(keys), *self.image_shape)
        start = os.fstat(file.fileno()).st_size - len(keys) * self._image_bytes
        # They were not written through a map: a full disk would have killed the process.
        self._add(np.asarray(np.memmap(file, self.dtype, "r", offset=start, shape=shape)), keys)

    def _open(self, name):
        self._opened.add(name)
        path = os.path.join(self.folder, name)
        try:
            keys = np.lib.format.open_memmap(path, mode="r")
            images = np.lib.format.open_memmap(path.removesuffix(".keys.npy") + ".npy", mode="r")
            whole = keys.shape == (len(images), _KEY_BYTES) and images.shape[1:] == self.image_shape
        except Exception:  # whatever a damaged header makes numpy trip over
            return
        if whole and keys.dtype == np.uint8 and images.dtype == self.dtype:
            # A map keeps its file open, and of open files there may be some thousand.
            images = np.array(images) if images.nbytes <= _SMALL_BYTES else np.asarray(images)
            self._add(images, np.array(keys, order="C"))

    def _add(self, images, keys):
        self.shards.append(images)
        self._keys.append(keys)

    def _index(self):
        """Sort all keys by their first half; the second half is compared when one is found."""
        sizes = [len(keys) for keys in self._keys]
        self._all_keys = np.concatenate([np.empty((0, _KEY_BYTES), np.uint8), *self._keys])
        self._shard = np.repeat(np.arange(len(sizes)), sizes)
        self._row = np.concatenate([np.empty(0, np.int64), *map(np.arange, sizes)])
        head = _head(self._all_keys)
        self._order = np.argsort(head, kind="stable")
        self._head = head[self._order]

    @property
    def _image_bytes(self):
        return int(np.prod(self.image_shape)) * self.dtype.itemsize

    @contextmanager
    def _explain_errors(self, n_images):
        """Say where and how much was to be written when that fails."""
        try:
            yield
        except OSError as error:
            size = n_images * self._image_bytes
            if self.folder is None:
                place, other = f"the temporary folder {tempfile.gettempdir()!r}", "a cache_dir"
            else:
                place, other = f"cache_dir {self.folder!r}", "another cache_dir"
            remedy = "Free space there" if error.errno in _NO_SPACE else "Make it writable"
            raise OSError(
                error.errno,
                f"{error.strerror or error}: {n_images} decoded images were to be stored in "
                f"{place}, which takes {size:,} bytes. {remedy} or give "
                f"{other}.",
            ) from error


def _head(keys):
    return np.ascontiguousarray(keys).view(np.uint64)[:, 0]


def _write_keys(path, keys):
    with open(path, "xb", buffering=0) as file:
        _write_header(file, keys.shape, keys.dtype)
        _write(file, keys)
        os.fsync(file.fileno())


def _write_header(file, shape, dtype):
    header = io.BytesIO()
    fields = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, fields)
    _write(file, header.getvalue())


def _write(file, data):
    """Write bytes or an array; the system may take it in parts."""
    data = memoryview(data).cast("B")
    while len(data):
        data = data[file.write(data) :]


def _remove_leftovers(folder):
    """Remove what killed processes left: unfinished files, and images that got no keys."""
    for path in Path(folder).iterdir():
        if path.name.endswith((".part", ".npy")) and not path.name.endswith(".keys.npy"):
            with suppress(OSError):
                is_old = time.time() - path.stat().st_mtime > _LEFTOVER_SECONDS
                if is_old and not path.with_suffix(".keys.npy").exists():
                    path.unlink()
