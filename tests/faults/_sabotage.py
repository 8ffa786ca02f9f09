"""Trouble with the disk at a chosen call: errors, and ends of the process."""

import os
import signal
import types

from sklssl._storage import atomic, state_file


class Saboteur:
    """Within the block, makes calls that write state files fail.

    Parameters
    ----------
    at : int
        The first call that fails, counted from 1: each opening, write, closing, fsync and
        renaming is one.

    error : int, default=None
        The number of the OSError that is raised. None kills the process.

    lasting : bool, default=False
        Whether all later calls fail as well.
    """

    def __init__(self, at, error=None, lasting=False):
        self.at, self.error, self.lasting = at, error, lasting
        self.calls = 0

    def __enter__(self):
        state_file.open = self._open
        names = ("open", "fsync", "replace")
        failing = {name: self._failing(getattr(os, name)) for name in names}
        atomic.os = types.SimpleNamespace(**{**vars(os), **failing})
        return self

    def __exit__(self, *error):
        del state_file.open
        atomic.os = os

    def strike(self):
        """Count a call; fail if its turn has come."""
        self.calls += 1
        if self.calls == self.at or (self.lasting and self.calls > self.at):
            if self.error is None:
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(self.error, os.strerror(self.error))

    def _open(self, path, mode="r"):
        if "x" not in mode:
            return open(path, mode)
        self.strike()
        return _File(open(path, mode, buffering=0), self)

    def _failing(self, function):
        def call(*args):
            self.strike()
            return function(*args)

        return call


class _File:
    """A file whose writes fail after the first half, and whose closing fails after it is closed."""

    def __init__(self, file, saboteur):
        self.file, self.saboteur = file, saboteur

    def write(self, data):
        half = len(data) // 2
        self.file.write(data[:half])
        self.saboteur.strike()
        self.file.write(data[half:])

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()
        if error[0] is None:
            self.saboteur.strike()
