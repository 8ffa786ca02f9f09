"""Locks that are open in forked processes."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import Any

__all__ = ["ForkSafeLock"]

_locks: list[ForkSafeLock] = []


class ForkSafeLock:
    """A lock that a thread may hold repeatedly, and that is a new one in a forked process.

    The other threads do not exist there, so a lock that one of them held would stay closed.
    """

    def __init__(self) -> None:
        self.renew()
        _locks.append(self)

    def renew(self) -> None:
        """Replace the lock by an open one; blocks that hold the former one end as usual."""
        self._lock = threading.RLock()

    def hold(self) -> contextlib.AbstractContextManager[Any]:
        """Hold the lock within the block."""
        return self._lock


def _renew_all() -> None:
    for lock in _locks:
        lock.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
