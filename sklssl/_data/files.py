"""Image files as an array that is decoded on indexing."""

import copy
import os
import reprlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from sklssl._data.columns import is_path_sequence, to_path_string, unwrap_images
from sklssl._data.decode import (
    N_DECIDING,
    depth_mismatch_message,
    first_of_usual_depth,
    no_readable_file_error,
    read_image_file,
    resize_image,
    warn_skipped_files,
    warn_unread_pages,
)
from sklssl._data.file_cache import ImageCache, file_keys
from sklssl.exceptions import ImageFileError
from sklssl.utils._whole import is_whole

__all__ = ["ImageFiles", "first_image"]

# Images between two writes: enough for all threads, little compared with training.
_BATCH_IMAGES = 1024
_BATCH_BYTES = 2**26
_FIRST_PART_BYTES = 2**26
_PIECE = 16  # images per task of a thread
_UNKNOWN, _ABSENT = -2, -1


def first_image(
    paths: Sequence[str | os.PathLike[str]],
    channels: int,
    on_error: str = "raise",
    multipage: list[tuple[str, int]] | None = None,
) -> tuple[str, np.ndarray]:
    """Decode the first image, which determines the size and bit depth of all images.

    Parameters
    ----------
    paths : sequence of str or path-like

    channels : int
        Number of channels; see :class:`ImageFiles`.

    on_error : {"raise", "skip"}, default="raise"
        Whether to raise if the first file cannot be read, or to use the first readable file with
        the bit depth that most of the first nine have: a single odd one does not decide.

    multipage : list, default=None
        If only the first of several pages is read, and the list is empty, (name, number of pages)
        is appended.

    Returns
    -------
    path : str
        The name of the file that was read.

    image : ndarray of shape (H, W, channels), uint8, uint16 or float32
        The image, after any EXIF rotation.

    Raises
    ------
    ImageFileError
        If the file, or with "skip" every file, cannot be read.
    """
    problem = None
    found: list[tuple[str, np.ndarray]] = []
    for path in map(to_path_string, paths):
        try:
            found.append((path, read_image_file(path, channels, multipage=multipage)))
        except ImageFileError as error:
            if on_error == "raise":
                raise _with_hint(error) from error
            problem = problem or str(error)
        if on_error == "raise" or len(found) == N_DECIDING:
            break
    if not found:
        raise no_readable_file_error(len(paths), problem)
    return first_of_usual_depth(found)


class ImageFiles:
    """Image files as an array that is decoded on indexing.

    Parameters
    ----------
    paths : sequence of n str or path-like
        A list, tuple, 1-D array or Series of file names.

    image_shape : tuple of int
        (height, width, channels) of the decoded images; 3 channels for RGB, 1 for grey. Any other
        number must be the number of channels, or of pages, of each file.

    cache_dir : str or path-like, default=None
        Folder in which decoded images are cached for later runs. None keeps the images decoded by
        :meth:`store` in a temporary file, for the lifetime of this object.

    resize : bool, default=True
        Whether to resize every image to height x width, ignoring its aspect ratio. If False, images
        of another size raise an error.

    dtype : dtype, default=uint8
        The expected dtype of decoded files: uint8, uint16 or float32. Files of another bit depth
        raise an error.

    decoded : dict of str to ndarray, default=None
        Images that are already decoded, by file name.

    multipage : list, default=None
        The file with several pages about which a warning has already been issued, if any.

    Attributes
    ----------
    shape : tuple of int
        (n, height, width, channels).

    dtype : dtype
        As given.

    Warns
    -----
    UserWarning
        Once, if only the first page of a file with several pages is read.

    Notes
    -----
    A file is identified by its absolute path, size and modification time. An image that has changed
    is decoded again by new objects, but not by an object that has already looked it up.
    """

    ndim = 4

    def __init__(
        self,
        paths: Any,
        image_shape: Sequence[int],
        *,
        cache_dir: str | os.PathLike[str] | None = None,
        resize: bool = True,
        dtype: npt.DTypeLike = np.uint8,
        decoded: dict[str, np.ndarray] | None = None,
        multipage: list[tuple[str, int]] | None = None,
    ) -> None:
        paths = unwrap_images(paths)
        if not is_path_sequence(paths):
            raise ValueError(
                "ImageFiles expects a list, tuple, 1-D array or Series of at least one file name "
                f"(str or path-like). Got {reprlib.repr(paths)}."
            )
        self._image_shape = _check_image_shape(image_shape)
        self._paths = np.array([to_path_string(path) for path in paths], dtype=object)
        self._resize = resize
        self.dtype = np.dtype(dtype)
        self._decoded = dict(decoded or {})
        self._multipage = [] if multipage is None else multipage  # shared with subsets
        self._cache = ImageCache(self._image_shape, self._cache_folder(cache_dir), self.dtype)
        self._cache.refresh()
        # Without a cache there is nothing to look up.
        start = _UNKNOWN if self._cache.shards else _ABSENT
        self._set_rows(*np.full((2, len(self._paths)), start))

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(n, height, width, channels)."""
        return (len(self), *self._image_shape)

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, item: Any) -> np.ndarray:
        """Decode images, or read them from the cache; `item` is any index of a 1-D array."""
        rows = self._rows[item]
        if rows.ndim == 0:
            return self[rows[np.newaxis]][0]
        if rows.ndim > 1:
            raise IndexError("ImageFiles expects one index: a slice, whole numbers, or booleans.")
        shard = self._shard[rows]
        if shard.min(initial=0) == _UNKNOWN:
            self._look_up(rows[shard == _UNKNOWN])
            shard = self._shard[rows]
        if shard.min(initial=0) >= 0:
            return self._cache.gather(shard, self._row[rows])
        absent = np.flatnonzero(shard == _ABSENT)
        if len(absent) == len(rows):
            return self._decode(rows)
        images = self._cache.gather(shard, self._row[rows])
        images[absent] = self._decode(rows[absent])
        return images

    def subset(self, item: Any) -> Self:
        """Return some of the files, by an index of a 1-D array; the cache is shared."""
        some = copy.copy(self)
        some._paths = self._paths[item]
        some._set_rows(self._shard[item], self._row[item])
        return some

    def store(self, on_error: str = "raise") -> np.ndarray:
        """Decode and store all images that are not stored yet.

        Parameters
        ----------
        on_error : {"raise", "skip"}, default="raise"
            Whether a file that cannot be read raises an error or is skipped with a warning.
            Skipped files are removed from this object.

        Returns
        -------
        rows : ndarray of int
            Indices of the remaining images.

        Raises
        ------
        ImageFileError
            If a file cannot be read, or with "skip" no file can be read.
        OSError
            If there is not enough space to store the images.
        """
        if on_error not in ("raise", "skip"):
            raise ValueError(f"on_error must be 'raise' or 'skip'. Got {on_error!r} instead.")
        errors: dict[int, str] | None = None if on_error == "raise" else {}
        rows = np.flatnonzero(self._shard < 0)
        try:
            self._store(rows, errors)
        except ImageFileError as error:
            raise _with_hint(error) from error
        return self._leave_out(errors) if errors else self._rows.copy()

    def _store(self, rows: np.ndarray, errors: dict[int, str] | None) -> None:
        self._cache.refresh()
        keys = self._look_up(rows, errors)
        absent = [i for i in np.flatnonzero(self._shard[rows] < 0) if rows[i] not in (errors or ())]
        if not absent:
            return
        rows, keys = rows[absent], keys[absent]
        _, first = np.unique(keys, axis=0, return_index=True)  # X may contain a file twice
        first.sort()
        self._cache.prepare(len(first))
        # In parts, which are kept if a later image cannot be read, or if the process is killed.
        # Each is twice as large as the one before, since each keeps a file open.
        start, size = 0, max(1, _FIRST_PART_BYTES // self._cache.image_bytes)
        while start < len(first):
            part = first[start : start + size]
            self._cache.write(self._batches(rows[part], errors), len(part), keys[part])
            start, size = start + size, 2 * size
        self._shard[rows], self._row[rows] = self._cache.find(keys)

    def _look_up(self, rows: np.ndarray, errors: dict[int, str] | None = None) -> np.ndarray:
        """Look up the given rows in the cache, and return the keys of their files."""
        missing: dict[int, str] | None = None if errors is None else {}
        keys = file_keys(self._paths[rows], missing)
        if missing and errors is not None:
            errors.update({rows[i]: reason for i, reason in missing.items()})
        self._shard[rows], self._row[rows] = self._cache.find(keys)
        return keys

    def _batches(
        self, rows: np.ndarray, errors: dict[int, str] | None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Decode rows piece by piece; yield positions in `rows` and images of readable files."""
        size = max(1, min(_BATCH_IMAGES, _BATCH_BYTES // int(np.prod(self._image_shape))))
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            images = self._decode(part, errors)
            good = np.arange(len(part))
            if errors:
                good = np.array([i for i in good if part[i] not in errors], dtype=np.int64)
                images = images[good]
            if len(good):
                yield start + good, images

    def _decode(self, rows: np.ndarray, errors: dict[int, str] | None = None) -> np.ndarray:
        """Decode rows in threads; errors are raised, or stored in `errors` by row."""
        images = np.empty((len(rows), *self._image_shape), self.dtype)
        warned_before = bool(self._multipage)

        def decode(some: Iterable[int]) -> None:
            for i in some:
                try:
                    images[i] = self._read(self._paths[rows[i]])
                except ImageFileError as error:
                    if errors is None:
                        raise
                    errors[rows[i]] = str(error)  # a traceback would keep the file's bytes alive

        _in_threads(decode, len(rows))
        if self._multipage and not warned_before:
            warn_unread_pages(*self._multipage[0])
        return images

    def _read(self, path: str) -> np.ndarray:
        height, width, channels = self._image_shape
        image = self._decoded.pop(path, None)
        if image is None:
            image = read_image_file(path, channels, multipage=self._multipage)
        if image.dtype != self.dtype:
            raise ImageFileError(
                depth_mismatch_message(repr(path), image.dtype, "the first one", self.dtype)
            )
        if self._resize:
            return resize_image(image, (height, width))
        if image.shape == self._image_shape:
            return image
        # Not an ImageFileError: skipping all images of another size would hide a mistake.
        raise ValueError(
            f"The images differ in size: {path!r} has {image.shape[0]}x{image.shape[1]} pixels "
            f"(height x width), the first image of fit {height}x{width}. Set image_size before fit "
            "to resize all images to one size."
        )

    def _leave_out(self, errors: dict[int, str]) -> np.ndarray:
        """Remove the files that could not be read; return the indices of the others."""
        kept = np.flatnonzero(self._shard >= 0)
        warn_skipped_files(self._paths[self._shard < 0], len(self), errors[min(errors)])
        self._paths = self._paths[kept]
        self._set_rows(self._shard[kept], self._row[kept])
        return kept

    def _set_rows(self, shard: np.ndarray, row: np.ndarray) -> None:
        """Set the shard, and the row within it, in which each image is stored."""
        self._shard, self._row = shard, row
        self._rows = np.arange(len(shard))

    def _cache_folder(self, cache_dir: str | os.PathLike[str] | None) -> str | None:
        if cache_dir is None:
            return None
        shape = "x".join(map(str, self._image_shape))
        # Images resized to this shape must not be confused with images that have this shape.
        kind = "" if self._resize else "-exact"
        depth = "" if self.dtype == np.uint8 else f"-{self.dtype}"
        return os.path.join(
            os.path.abspath(os.path.expanduser(cache_dir)), f"{shape}{depth}{kind}-v1"
        )


def _in_threads(work: Callable[[Iterable[int]], None], n: int) -> None:
    """Call `work` with pieces of range(n), in as many threads as torch may use."""
    n_threads = torch.get_num_threads()  # workers of joblib have fewer
    size = min(_PIECE, -(-n // n_threads)) or 1
    pieces = [range(start, min(start + size, n)) for start in range(0, n, size)]
    if n_threads == 1 or len(pieces) < 2:
        for piece in pieces:
            work(piece)
        return
    # A pool costs as much as a few small images; a permanent one would not survive a fork.
    pool = ThreadPoolExecutor(min(n_threads, len(pieces)))
    try:
        for _ in pool.map(work, pieces):  # re-raises the first error
            pass
    finally:
        pool.shutdown(cancel_futures=True)


def _check_image_shape(image_shape: Sequence[int]) -> tuple[int, int, int]:
    if len(image_shape) != 3 or not all(map(is_whole, image_shape)):
        raise ValueError(
            "The 'image_shape' parameter of ImageFiles must be (height, width, channels), all "
            f"positive. Got {image_shape!r}."
        )
    height, width, channels = map(int, image_shape)
    return height, width, channels


def _with_hint(error: ImageFileError) -> ImageFileError:
    return ImageFileError(f'{error} With on_error="skip", fit skips such files.')
