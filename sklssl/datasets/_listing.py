"""List and read the files of a folder or zip file."""

import lzma
import os
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from sklssl._data.decode import check_bytes, errors_name_file, read_bytes
from sklssl.datasets._layout import is_image
from sklssl.exceptions import ImageFileError

__all__ = ["open_folder"]

# Of damaged entries, by the kinds of compression.
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError)
_ZIP_ERRORS = (*_DAMAGED, RuntimeError)  # and of encrypted ones, or of an unknown compression


@contextmanager
def open_folder(path: str | os.PathLike[str]) -> Iterator[tuple[list[str], Callable[[str], bytes]]]:
    """Yield the names of the files in a folder or zip file, and a function that reads one."""
    path = Path(path).expanduser()
    if path.is_dir():
        yield list(_walk(path)), lambda name: read_bytes(path / name, name)
    elif not path.exists():
        raise FileNotFoundError(f"There is no folder or zip file {str(path)!r}.")
    elif not _is_zip(path):
        raise ValueError(f"{str(path)!r} is neither a folder nor a zip file.")
    else:
        with _open_zip(path) as archive:
            entries = list(map(_entry_name, archive.namelist()))
            index = dict(zip(entries, archive.infolist(), strict=True))
            yield entries, lambda name: _read_entry(archive, index[name], name)


def _is_zip(path: Path) -> bool:
    """Return whether a file is a zip file, or the beginning of one."""
    with errors_name_file(str(path)), open(path, "rb") as file:
        return file.read(4) == b"PK\3\4" or zipfile.is_zipfile(file)


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError) as error:
        raise ImageFileError(
            f"The zip file {str(path)!r} cannot be read: {error}. It may be incomplete: download "
            "or write it again."
        ) from error


def _walk(root: Path) -> Iterator[str]:
    """Yield the names of all files below `root`, following links but each folder only once.

    Links come last, so that a folder is found under its own name.
    """
    seen = set()
    for folder, inner, files in os.walk(root, followlinks=True, onerror=_raise_folder_error):
        real = os.path.realpath(folder)
        if real in seen:
            inner.clear()
            if not Path(os.path.realpath(Path(folder).parent)).is_relative_to(real):  # a circle
                warnings.warn(
                    f"The folder {folder!r} is left out: it is a link to {real!r}, whose images "
                    "are there already. Replace it by a copy if they should count twice.",
                    UserWarning,
                    stacklevel=4,
                )
            continue
        seen.add(real)
        inner.sort(key=lambda name: (os.path.islink(os.path.join(folder, name)), name))
        for file in files:
            yield Path(folder, file).relative_to(root).as_posix()


def _raise_folder_error(error: OSError) -> NoReturn:
    raise ImageFileError(
        f"The folder {error.filename!r} cannot be read: {error.strerror}. Make it readable or "
        "remove it."
    ) from error


def _entry_name(name: str) -> str:
    """Return the name of an entry as that of a file in a folder; raise if it points outside."""
    name = "/".join(part for part in name.replace("\\", "/").split("/") if part != ".")
    if is_image(name.replace("..", "")) and (".." in name.split("/") or name.startswith("/")):
        raise ValueError(
            f"The zip file contains {name!r}, a name that points outside of it. Do not use it."
        )
    return name


def _read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> bytes:
    # zipfile never returns more bytes than the entry's stated size.
    check_bytes(entry.file_size, name)
    try:
        return archive.read(entry)
    except _ZIP_ERRORS as error:
        raise ImageFileError(f"{name!r} cannot be read from the zip file: {error}") from error
