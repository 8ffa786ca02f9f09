"""Signals to stop, deferred until the state has been saved."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Any

__all__ = ["DeferredSignals"]


class DeferredSignals:
    """Defers the first SIGTERM or Ctrl-C within the block; a second one takes effect at once.

    It does nothing outside the main thread, where handlers cannot be set, for ignored signals, and
    in processes that are forked within the block.

    Attributes
    ----------
    pending : int or None
        The signal received, if any.
    """

    def __init__(self) -> None:
        self.pending: int | None = None
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> DeferredSignals:
        self._process = os.getpid()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._handlers[number] = signal.signal(number, self._hold)
        return self

    def __exit__(self, *error: object) -> None:
        self._restore()
        self.release()

    def release(self) -> None:
        """Deliver the deferred signal, if there is one."""
        if self.pending is None:
            return
        number, self.pending = self.pending, None
        handlers = self._restore()
        signal.raise_signal(number)
        for again in handlers:  # its handler has returned, so training continues
            self._handlers[again] = signal.signal(again, self._hold)

    def _hold(self, number: int, frame: FrameType | None) -> None:
        forked = os.getpid() != self._process
        second, self.pending = self.pending is not None, number
        if second or forked:
            self.release()

    def _restore(self) -> list[int]:
        """Restore the handlers and return their signals."""
        handlers, self._handlers = self._handlers, {}
        for number, handler in handlers.items():
            signal.signal(number, handler)
        return list(handlers)
