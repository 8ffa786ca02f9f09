"""A folder of files that several processes write together, each file by one of them."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from sklssl._storage.atomic import write_atomically

__all__ = ["Part", "PartFolder", "divide", "write_json"]

_MANIFEST = "manifest.json"
# Nothing else: the folder may have files of other programs.
_LEFTOVERS = [f".{name}.{kind}" for name in ("part-*", _MANIFEST) for kind in ("lock", "*.part")]


@dataclass(frozen=True)
class Part:
    """A file that holds the rows from `start` to before `stop`."""

    file: str
    start: int
    stop: int


def divide(n_rows: int, rows_per_file: int, suffix: str) -> list[Part]:
    """Divide rows into as few parts as possible, whose sizes differ by one at most."""
    n_parts = -(-n_rows // rows_per_file)
    digits = max(5, len(str(n_parts - 1)))
    bounds = [n_rows * i // n_parts for i in range(n_parts + 1)]
    return [
        Part(f"part-{i:0{digits}}{suffix}", start, stop)
        for i, (start, stop) in enumerate(itertools.pairwise(bounds))
    ]


class PartFolder:
    """The parts in a folder, and a manifest that says what they are.

    A part exists once it is complete. A process locks a part while it writes it. If it is killed,
    the system releases the lock, and another process writes the part.

    Parameters
    ----------
    folder : Path
        Created if it does not exist.

    parts : list of Part

    about : dict
        What the parts depend on, as JSON; it is compared with an existing manifest. The values
        are shown in the message if they differ.

    who : str
        The caller, for messages.

    Raises
    ------
    ValueError
        If the folder has parts of something else.
    OSError
        If the folder cannot be created or written.
    """

    def __init__(self, folder: Path, parts: list[Part], about: dict[str, Any], who: str) -> None:
        self.folder, self.parts = folder, parts
        folder.mkdir(parents=True, exist_ok=True)
        manifest = folder / _MANIFEST
        with self._lock(_MANIFEST) as is_missing:
            if is_missing:
                self._check_empty(who)
                write_json(manifest, {**about, "files": [vars(part) for part in parts]})
        _compare(manifest, about, who)

    def paths(self) -> list[Path]:
        """Return the files of all parts, in the order of their rows."""
        return [self.folder / part.file for part in self.parts]

    def complete(self, write: Callable[[Part], None]) -> None:
        """Call `write` for each missing part; at the end all parts exist.

        First for those that no other process writes. Then those are waited for that others write,
        and written if they are missing even so.
        """
        for wait in (False, True):
            for part in self.parts:
                if not (self.folder / part.file).exists():
                    with self._lock(part.file, wait=wait) as is_missing:
                        if is_missing:
                            write(part)
        # A process that still waits for a lock will find that the part exists.
        for left in itertools.chain(*map(self.folder.glob, _LEFTOVERS)):
            with contextlib.suppress(OSError):
                left.unlink()

    @contextlib.contextmanager
    def _lock(self, name: str, *, wait: bool = True) -> Iterator[bool]:
        """Lock a file, and yield whether the caller has to write it."""
        lock = FileLock(self.folder / f".{name}.lock")
        try:
            lock.acquire(timeout=-1 if wait else 0)
        except Timeout:
            yield False
            return
        try:
            yield not (self.folder / name).exists()
        finally:
            lock.release()

    def _check_empty(self, who: str) -> None:
        found = next(self.folder.glob("part-*"), None)
        if found is not None:
            raise ValueError(
                f"The 'folder' parameter of {who}: '{self.folder}' has {found.name}, but no "
                f"{_MANIFEST} that says what it is. Use another folder."
            )


def write_json(path: Path, content: Any) -> None:
    """Write a file of JSON atomically."""
    text = json.dumps(content, indent=0) + "\n"
    write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))


def _compare(manifest: Path, about: dict[str, Any], who: str) -> None:
    """Raise an error if a manifest describes other parts."""
    place = f"The 'folder' parameter of {who}: '{manifest.parent}'"
    try:
        found = json.loads(manifest.read_text(encoding="utf-8"))
        others = {name: found.get(name) for name in about if found.get(name) != about[name]}
    except (ValueError, AttributeError) as error:
        raise ValueError(
            f"{place} has a {manifest.name} that cannot be read ({error}). Use another folder."
        ) from error
    if others:
        differences = ", ".join(
            f"{name} is {about[name]!r} instead of {other!r}" for name, other in others.items()
        )
        raise ValueError(
            f"{place} belongs to another run: {differences}. To continue that run, pass what it "
            "was given; otherwise use another folder."
        )
