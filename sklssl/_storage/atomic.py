"""Files that are there as a whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

__all__ = ["write_atomically"]


def write_atomically(path: str | os.PathLike[str], write: Callable[[Path], None]) -> None:
    """Let `write` make a file, which takes the place of `path` once it is safe on the disk.

    Parameters
    ----------
    path : str or path-like
        What is to be written; "~" is the user's folder. A link keeps pointing to its target, which
        is replaced.

    write : callable
        Called with the path of a file in the same folder, which it makes.

    Raises
    ------
    OSError
        If it cannot be written. `path` is then as it was, and nothing is left beside it.
    """
    target = Path(os.path.realpath(os.path.expanduser(path)))
    if not target.parent.is_dir():  # else the error would name a file that nobody asked for
        raise FileNotFoundError(errno.ENOENT, "There is no such folder", str(target.parent))
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    part = target.with_name(f".{target.name[:100]}.{uuid4().hex}.part")
    try:
        write(part)
        _sync(part)
        os.replace(part, target)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # not every system opens folders
        _sync(target.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
