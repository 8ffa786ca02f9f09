"""Write files atomically."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

__all__ = ["check_writable", "write_atomically"]


def check_writable(path: str | os.PathLike[str]) -> Path:
    """Return the file that would be written, or raise an error if it certainly cannot be.

    Parameters
    ----------
    path : str or path-like
        The file; "~" is expanded, and links are followed.

    Raises
    ------
    OSError
        If its folder does not exist or is read-only, or it is a folder, a device or a read-only
        file.
    """
    target = Path(os.path.realpath(os.path.expanduser(path)))
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "There is no such folder", str(target.parent))
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    if target.exists() and not target.is_file():
        raise OSError(errno.EINVAL, "It is not a regular file", str(target))
    if target.exists() and not target.stat().st_mode & 0o222:  # which root can write, too
        raise PermissionError(errno.EACCES, "The file is read-only", str(target))
    if not os.access(target.parent, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(target.parent))
    return target


def write_atomically(path: str | os.PathLike[str], write: Callable[[Path], object]) -> None:
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
    target = check_writable(path)  # an error of `write` would name the temporary file
    part = target.with_name(f".{target.name[:40]}.{uuid4().hex}.part")  # at most 255 bytes
    try:
        with _errors_name(target):
            write(part)
            _sync(part)
            if target.exists():  # others may have been kept from reading it
                shutil.copymode(target, part)
            os.replace(part, target)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # not every system can open folders
        _sync(target.parent)


@contextlib.contextmanager
def _errors_name(target: Path) -> Iterator[None]:
    """Let errors such as that of a full disk say which file could not be written."""
    try:
        yield
    except OSError as error:
        if error.filename is not None and not str(error.filename).endswith(".part"):
            raise
        number = error.errno or errno.EIO
        raise type(error)(number, error.strerror or str(error), str(target)) from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
