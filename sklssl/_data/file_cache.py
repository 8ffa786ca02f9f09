"""A cache of decoded images in files, which several processes can read and extend."""

import errno
import io
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any, TypeAlias
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from sklssl._data.decode import errors_name_file
from sklssl.exceptions import ImageFileError

__all__ = ["ImageCache", "file_keys"]

_KEY_BYTES = 16
# Partial files older than this are assumed to be abandoned by a process that died.
_LEFTOVER_SECONDS = 24 * 3600
_SMALL_BYTES = 2**18
_NO_SPACE = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG)

_Batches: TypeAlias = Iterable[tuple[np.ndarray, np.ndarray]]  # positions, images


def file_keys(paths: Iterable[str], errors: dict[int, str] | None = None) -> np.ndarray:
    """Identify each file by a hash of its absolute path, size and modification time.

    Parameters
    ----------
    paths : iterable of n str

    errors : dict, default=None
        If given, errors of files that do not exist are stored here by position. None raises them.

    Returns
    -------
    keys : ndarray of shape (n, 16), uint8
        The keys; zeros for files that do not exist.
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


def _file_key(path: str) -> bytes:
    with errors_name_file(path):
        status = os.stat(path)
        text = f"{os.path.abspath(path)}\0{status.st_size}\0{status.st_mtime_ns}"
        return blake2b(os.fsencode(text), digest_size=_KEY_BYTES).digest()


class ImageCache:
    """A cache of decoded images of one shape and dtype, indexed by the keys of their files.

    Images are stored in immutable shards: ``<name>.npy`` holds images, ``<name>.keys.npy`` their
    keys. Both files are written atomically, the keys last, and a shard is used once its keys exist.
    Therefore no locks are needed: if two processes write the same images at the same time, the
    images are stored twice, which is harmless.

    Parameters
    ----------
    image_shape : tuple of int
        (height, width, channels).

    dtype : dtype, default=uint8

    folder : str, default=None
        The folder of the shards, created on the first write. None keeps them in unnamed temporary
        files for the lifetime of this object.

    Attributes
    ----------
    shards : list of ndarray of shape (n, H, W, C)
        Memory-mapped, unless small.
    """

    def __init__(
        self, image_shape: Iterable[int], folder: str | None = None, dtype: npt.DTypeLike = np.uint8
    ) -> None:
        self.image_shape = tuple(image_shape)
        self.dtype = np.dtype(dtype)
        self.folder = folder
        self.shards: list[np.ndarray] = []
        self._keys: list[np.ndarray] = []
        self._opened: set[str] = set()
        self._index()

    def refresh(self) -> None:
        """Open the shards written by other processes; corrupt shards are ignored."""
        if self.folder is None:
            return
        with suppress(OSError):  # the folder may not exist yet
            for name in sorted(os.listdir(self.folder)):
                if name.endswith(".keys.npy") and name not in self._opened:
                    self._open(name)
        self._index()

    def find(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Look up images by the keys of their files.

        Parameters
        ----------
        keys : ndarray of shape (n, 16), uint8

        Returns
        -------
        shard, row : ndarray of shape (n,), int64
            The position of each image; -1 if it is not in the cache.
        """
        shard, row = np.full((2, len(keys)), -1)
        if len(self._first_half) and len(keys):
            at = np.searchsorted(self._first_half, _first_half(keys))
            at = self._order[np.minimum(at, len(self._first_half) - 1)]
            hit = (self._all_keys[at] == keys).all(axis=1)
            shard[hit], row[hit] = self._shard[at[hit]], self._row[at[hit]]
        return shard, row

    def gather(self, shard: np.ndarray, row: np.ndarray) -> np.ndarray:
        """Copy images out of the shards.

        Parameters
        ----------
        shard, row : ndarray of shape (n,), int64
            Positions returned by :meth:`find`. Images at -1 have arbitrary values.

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

    def prepare(self, n_images: int) -> None:
        """Create the folder, and raise an OSError if so many images do not fit.

        The message has the folder and the number of bytes.
        """
        with self._explain_errors(n_images):
            if self.folder is not None:
                os.makedirs(self.folder, exist_ok=True)
                _remove_leftovers(self.folder)
            free = shutil.disk_usage(self.folder or tempfile.gettempdir()).free
            if free < n_images * self.image_bytes:  # fail now instead of after hours
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def write(self, batches: _Batches, n_images: int, keys: np.ndarray) -> None:
        """Store images as a new shard, after :meth:`prepare`.

        Parameters
        ----------
        batches : iterable of (positions, images)
            Images (m, H, W, C) in pieces, with the indices of their `keys`. If an error is raised
            meanwhile, nothing is stored.

        n_images : int
            Maximum number of images.

        keys : ndarray of shape (n_images, 16), uint8

        Raises
        ------
        OSError
            If the images cannot be written. The message has the folder and the number of bytes.
        """
        write = self._write_temporary if self.folder is None else self._write_shard
        write(batches, n_images, keys)
        self._index()

    def _write_temporary(self, batches: _Batches, n_images: int, keys: np.ndarray) -> None:
        # Unbuffered, here and below: on a full disk, closing would try to write the buffer again.
        with tempfile.TemporaryFile(buffering=0) as file:
            done = self._write_images(file, batches, n_images)
            self._add_written(file, keys[done])

    def _write_shard(self, batches: _Batches, n_images: int, keys: np.ndarray) -> None:
        name = uuid4().hex
        images, marks = (Path(self.folder or "", name + end) for end in (".npy", ".keys.npy"))
        parts = [path.with_name(path.name + ".part") for path in (images, marks)]
        try:
            with self._create(parts[0], n_images) as file:
                done = self._write_images(file, batches, n_images, sync=True)
            if len(done) == 0:
                return
            with self._explain_errors(n_images):
                _write_keys(parts[1], keys[done])
                os.replace(parts[0], images)  # closed, or Windows would refuse it
                os.replace(parts[1], marks)
            self._opened.add(marks.name)
            with open(images, "rb") as file:
                self._add_written(file, keys[done])
        finally:
            with suppress(OSError):
                for path in (*parts, *([] if marks.exists() else [images])):
                    path.unlink(missing_ok=True)

    def _create(self, path: Path, n_images: int) -> io.FileIO:
        with self._explain_errors(n_images):
            return open(path, "x+b", buffering=0)

    def _write_images(
        self, file: IO[bytes], batches: _Batches, n_images: int, sync: bool = False
    ) -> np.ndarray:
        """Write batches and return the positions of the images that were written."""
        done = [np.empty(0, np.int64)]
        with self._explain_errors(n_images):
            _write_header(file, (n_images, *self.image_shape), self.dtype)
        for positions, images in batches:
            with self._explain_errors(n_images):
                _write_all(file, images)
            done.append(positions)
        rows = np.concatenate(done)
        with self._explain_errors(n_images):
            file.seek(0)  # NumPy pads both headers to the same length
            _write_header(file, (len(rows), *self.image_shape), self.dtype)
            if sync:
                os.fsync(file.fileno())
        return rows

    def _add_written(self, file: IO[bytes], keys: np.ndarray) -> None:
        """Map the images of an open file."""
        if len(keys) == 0:
            return
        shape = (len(keys), *self.image_shape)
        start = os.fstat(file.fileno()).st_size - len(keys) * self.image_bytes
        # Not written through the map, since a full disk would kill the process.
        self._add(np.asarray(np.memmap(file, self.dtype, "r", offset=start, shape=shape)), keys)

    def _open(self, name: str) -> None:
        self._opened.add(name)
        path = os.path.join(self.folder or "", name)
        try:
            keys = np.lib.format.open_memmap(path, mode="r")
            images: np.ndarray = np.lib.format.open_memmap(
                path.removesuffix(".keys.npy") + ".npy", mode="r"
            )
            whole = keys.shape == (len(images), _KEY_BYTES) and images.shape[1:] == self.image_shape
        except Exception:  # NumPy may raise anything for a corrupt header
            return
        if whole and keys.dtype == np.uint8 and images.dtype == self.dtype:
            # A map keeps its file open, and the number of open files is limited.
            images = np.array(images) if images.nbytes <= _SMALL_BYTES else np.asarray(images)
            self._add(images, np.array(keys, order="C"))

    def _add(self, images: np.ndarray, keys: np.ndarray) -> None:
        self.shards.append(images)
        self._keys.append(keys)

    def _index(self) -> None:
        """Sort all keys by their first half; the second half is compared on lookup."""
        sizes = [len(keys) for keys in self._keys]
        self._all_keys = np.concatenate([np.empty((0, _KEY_BYTES), np.uint8), *self._keys])
        self._shard = np.repeat(np.arange(len(sizes)), sizes)
        self._row = np.concatenate([np.empty(0, np.int64), *map(np.arange, sizes)])
        head = _first_half(self._all_keys)
        self._order = np.argsort(head, kind="stable")
        self._first_half = head[self._order]

    @property
    def image_bytes(self) -> int:
        """The size of an image."""
        return int(np.prod(self.image_shape)) * self.dtype.itemsize

    @contextmanager
    def _explain_errors(self, n_images: int) -> Iterator[None]:
        """Add the folder and the required space to errors of writing."""
        try:
            yield
        except OSError as error:
            size = n_images * self.image_bytes
            if self.folder is None:
                place, other = f"the temporary folder {tempfile.gettempdir()!r}", "a cache_dir"
            else:
                place, other = f"cache_dir {self.folder!r}", "another cache_dir"
            remedy = "Free space there" if error.errno in _NO_SPACE else "Make it writable"
            raise OSError(
                error.errno,
                f"{error.strerror or error}: could not store {n_images} decoded images in "
                f"{place}, which needs {size:,} bytes. {remedy} or set "
                f"{other}.",
            ) from error


def _first_half(keys: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(keys).view(np.uint64)[:, 0]


def _write_keys(path: Path, keys: np.ndarray) -> None:
    with open(path, "xb", buffering=0) as file:
        _write_header(file, keys.shape, keys.dtype)
        _write_all(file, keys)
        os.fsync(file.fileno())


def _write_header(file: IO[bytes], shape: tuple[int, ...], dtype: np.dtype) -> None:
    header = io.BytesIO()
    fields = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, fields)
    _write_all(file, header.getvalue())


def _write_all(file: IO[bytes], data: Any) -> None:
    """Write bytes or an array completely; the system may write only a part at a time."""
    data = memoryview(data).cast("B")
    while len(data):
        data = data[file.write(data) :]


def _remove_leftovers(folder: str) -> None:
    """Remove files left by killed processes: partial files, and images without keys."""
    for path in Path(folder).iterdir():
        if path.name.endswith((".part", ".npy")) and not path.name.endswith(".keys.npy"):
            with suppress(OSError):
                is_old = time.time() - path.stat().st_mtime > _LEFTOVER_SECONDS
                if is_old and not path.with_suffix(".keys.npy").exists():
                    path.unlink()
