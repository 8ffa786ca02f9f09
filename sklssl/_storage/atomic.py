"""Write files atomically."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

__all__ = ["write_atomically"]


def write_atomically(path: str | os.PathLike[str], write: Callable[[Path], None]) -> None:
    """Write a file with `write`, and move it to `path` once it is safely on disk.

    Parameters
    ----------
    path : str or path-like
        The file to write; "~" is expanded. If it is a link, its target is replaced.

    write : callable
        Called with a temporary path in the same folder, to which it writes.

    Raises
    ------
    OSError
        If it cannot be written. `path` is then unchanged, and no temporary file remains.
    """
    target = Path(os.path.realpath(os.path.expanduser(path)))
    if not target.parent.is_dir():  # otherwise the error would name the temporary file
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
    with contextlib.suppress(OSError):  # not every system can open folders
        _sync(target.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
