"""Image files as an array that is decoded when it is sliced."""

import copy
import os
import reprlib
import warnings
from concurrent.futures import ThreadPoolExecutor
from numbers import Integral

import numpy as np
import torch

from sklssl._data.columns import as_images, full_name, holds_paths
from sklssl._data.decode import (
    different_depths,
    none_left,
    read_image_file,
    resize_image,
    say_left_out,
    say_pages,
)
from sklssl._data.file_cache import ImageCache, file_keys
from sklssl.exceptions import ImageFileError

__all__ = ["ImageFiles", "first_image"]

# Between two writes: enough to keep all threads busy, little beside what training takes.
_BATCH_IMAGES = 1024
_BATCH_BYTES = 2**26
_PIECE = 16  # images that a thread takes at a time
_UNKNOWN, _ABSENT = -2, -1


def first_image(paths, channels, on_error="raise", told=None):
    """Decode the first image: it tells the size and the depth that all should have.

    Parameters
    ----------
    paths : sequence of str or path-like

    channels : int
        How many are wanted; see :class:`ImageFiles`.

    on_error : {"raise", "skip"}, default="raise"
        Whether to raise if the first file cannot be read, or to take the first one that can.

    told : list, default=None
        Gets the name and the number of pages of a file of which only the first page is taken.

    Returns
    -------
    path : str
        The file that was read.

    image : ndarray of shape (H, W, channels), uint8, uint16 or float32
        As the image is shown, after any rotation.

    Raises
    ------
    ImageFileError
        If the file, or with "skip" every file, cannot be read.
    """
    first = None
    for path in paths:
        try:
            return full_name(path), read_image_file(full_name(path), channels, told=told)
        except ImageFileError as error:
            if on_error == "raise":
                raise _with_hint(error) from error
            first = first or str(error)
    raise none_left(len(paths), first)


class ImageFiles:
    """Image files as an array that is decoded when it is sliced.

    Parameters
    ----------
    paths : sequence of n str or path-like
        A list, tuple, 1-D array or Series of file names.

    image_shape : tuple of int
        (height, width, channels) of the images that are wanted; 3 channels are red, green and
        blue, 1 is grey. Another number must be that of the channels, or of the pages, that each
        file has.

    cache_dir : str or path-like, default=None
        Folder in which decoded images are kept for later runs, and looked for. None keeps what
        :meth:`store` decodes in a temporary file, for as long as this object lives.

    resize : bool, default=True
        Whether to bring every image to height x width, whatever its proportions; else images of
        another size are refused.

    dtype : dtype, default=uint8
        What files of the depth that is expected decode to: uint8, uint16 or float32. Files of
        another depth are refused.

    known : dict of str to ndarray, default=None
        Images that were decoded before, by the names of their files.

    told : list, default=None
        Of files with more pages than are taken that the user knows of already.

    Attributes
    ----------
    shape : tuple of int
        (n, height, width, channels).

    dtype : dtype
        As given.

    Warns
    -----
    UserWarning
        Once, if of a file with several pages only the first is taken.

    Notes
    -----
    A file is known by its absolute path, size and time of change. An image that has changed is
    decoded anew by the next object, not by one that has found it already.
    """

    ndim = 4

    def __init__(
        self,
        paths,
        image_shape,
        *,
        cache_dir=None,
        resize=True,
        dtype=np.uint8,
        known=None,
        told=None,
    ):
        paths = as_images(paths)
        if not holds_paths(paths):
            raise ValueError(
                "ImageFiles takes a list, tuple, 1-D array or Series of at least one file name "
                f"(str or path-like). Got {reprlib.repr(paths)}."
            )
        self._image_shape = _check_shape(image_shape)
        self._paths = np.array([full_name(path) for path in paths], dtype=object)
        self._resize = resize
        self.dtype = np.dtype(dtype)
        self._known = dict(known or {})
        self._told = [] if told is None else told  # shared with subsets
        self._cache = ImageCache(self._image_shape, self._cache_folder(cache_dir), self.dtype)
        self._cache.refresh()
        # Where nothing is stored, nothing need be looked for.
        start = _UNKNOWN if self._cache.shards else _ABSENT
        self._set_rows(*np.full((2, len(self._paths)), start))

    @property
    def shape(self):
        """(n, height, width, channels)."""
        return (len(self), *self._image_shape)

    def __len__(self):
        return len(self._paths)

    def __getitem__(self, item):
        """Decode images, or read those that are stored; `item` is what indexes a 1-D array."""
        rows = self._rows[item]
        if rows.ndim == 0:
            return self[rows[np.newaxis]][0]
        if rows.ndim > 1:
            raise IndexError("ImageFiles takes one index: a slice, or whole numbers, or booleans.")
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

    def subset(self, item):
        """Give some of the files, by what indexes a 1-D array; what is stored is shared."""
        some = copy.copy(self)
        some._paths = self._paths[item]
        some._set_rows(self._shard[item], self._row[item])
        return some

    def store(self, on_error="raise"):
        """Decode every image that is not stored yet, once, and store it.

        Parameters
        ----------
        on_error : {"raise", "skip"}, default="raise"
            Whether a file that cannot be read raises an error, or is left out with a warning
            that counts such files. Those are then no longer part of this object.

        Returns
        -------
        rows : ndarray of int
            Which of the images are still part of it.

        Raises
        ------
        ImageFileError
            If a file cannot be read, or with "skip" none can.
        OSError
            If there is no room to store the images.
        """
        if on_error not in ("raise", "skip"):
            raise ValueError(f"on_error must be 'raise' or 'skip'. Got {on_error!r} instead.")
        errors = None if on_error == "raise" else {}
        rows = np.flatnonzero(self._shard < 0)
        try:
            self._store(rows, errors)
        except ImageFileError as error:
            raise _with_hint(error) from error
        return self._leave_out(errors) if errors else self._rows.copy()

    def _store(self, rows, errors):
        self._cache.refresh()
        keys = self._look_up(rows, errors)
        absent = [i for i in np.flatnonzero(self._shard[rows] < 0) if rows[i] not in (errors or ())]
        if not absent:
            return
        rows, keys = rows[absent], keys[absent]
        _, first = np.unique(keys, axis=0, return_index=True)  # X may name a file twice
        first.sort()
        self._cache.write(self._batches(rows[first], errors), len(first), keys[first])
        self._shard[rows], self._row[rows] = self._cache.find(keys)

    def _look_up(self, rows, errors=None):
        """Find out which rows are stored, and return the keys of their files."""
        missing = None if errors is None else {}
        keys = file_keys(self._paths[rows], missing)
        if missing:
            errors.update({rows[i]: reason for i, reason in missing.items()})
        self._shard[rows], self._row[rows] = self._cache.find(keys)
        return keys

    def _batches(self, rows, errors):
        """Decode rows piece by piece; yield positions in `rows` and images, without the bad."""
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

    def _decode(self, rows, errors=None):
        """Decode rows in threads; bad ones raise, or are noted in `errors` and hold any values."""
        images = np.empty((len(rows), *self._image_shape), self.dtype)
        told_before = bool(self._told)

        def decode(some):
            for i in some:
                try:
                    images[i] = self._read(self._paths[rows[i]])
                except ImageFileError as error:
                    if errors is None:
                        raise
                    errors[rows[i]] = str(error)  # no traceback, which would keep the file's bytes

        _in_threads(decode, len(rows))
        if self._told and not told_before:
            say_pages(*self._told[0])
        return images

    def _read(self, path):
        height, width, channels = self._image_shape
        image = self._known.pop(path, None)
        if image is None:
            image = read_image_file(path, channels, told=self._told)
        if image.dtype != self.dtype:
            raise ImageFileError(
                different_depths(repr(path), image.dtype, "the first one", self.dtype)
            )
        if self._resize:
            return resize_image(image, (height, width))
        if image.shape == self._image_shape:
            return image
        # Not an ImageFileError: leaving out all images of another size would hide a mistake.
        raise ValueError(
            f"The images differ in size: {path!r} has {image.shape[0]}x{image.shape[1]} pixels "
            f"(height x width), the first one that was seen {height}x{width}. Set image_size to "
            "bring them all to one size."
        )

    def _leave_out(self, errors):
        """Drop what could not be stored; return what is left."""
        kept = np.flatnonzero(self._shard >= 0)
        bad = self._paths[self._shard < 0]
        reason = errors[min(errors)]
        if len(kept) == 0:
            raise none_left(len(bad), reason)
        warnings.warn(
            say_left_out(bad, len(self), reason),
            UserWarning,
            stacklevel=3,
        )
        self._paths = self._paths[kept]
        self._set_rows(self._shard[kept], self._row[kept])
        return kept

    def _set_rows(self, shard, row):
        """Say for each image where it is stored: in which shard, and at which row of it."""
        self._shard, self._row = shard, row
        self._rows = np.arange(len(shard))

    def _cache_folder(self, cache_dir):
        if cache_dir is None:
            return None
        shape = "x".join(map(str, self._image_shape))
        # What was resized to this shape must not pass for an image that has it.
        kind = "" if self._resize else "-exact"
        depth = "" if self.dtype == np.uint8 else f"-{self.dtype}"
        return os.path.join(os.path.expanduser(cache_dir), f"{shape}{depth}{kind}-v1")


def _in_threads(work, n):
    """Call `work` with pieces of range(n), in as many threads as torch may use."""
    n_threads = torch.get_num_threads()  # joblib's workers have but their share
    size = min(_PIECE, -(-n // n_threads)) or 1
    pieces = [range(start, min(start + size, n)) for start in range(0, n, size)]
    if n_threads == 1 or len(pieces) < 2:
        for piece in pieces:
            work(piece)
        return
    # A pool costs as much as a few small images, and one that is kept would not survive a fork.
    pool = ThreadPoolExecutor(min(n_threads, len(pieces)))
    try:
        for _ in pool.map(work, pieces):  # raises what the first bad piece raised
            pass
    finally:
        pool.shutdown(cancel_futures=True)


def _check_shape(image_shape):
    whole = all(isinstance(side, Integral) and side > 0 for side in image_shape)
    if len(image_shape) != 3 or not whole:
        raise ValueError(
            "The 'image_shape' parameter of ImageFiles must be (height, width, channels), all "
            f"above 0. Got {image_shape!r}."
        )
    return tuple(map(int, image_shape))


def _with_hint(error):
    return ImageFileError(f'{error} With on_error="skip", fit leaves such files out.')
