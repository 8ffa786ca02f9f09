"""Signals that ask to stop, held back until nothing is lost by it."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

__all__ = ["DeferredSignals"]


class DeferredSignals:
    """Within the block, holds back the first SIGTERM or Ctrl-C; a second one is let through.

    Outside the main thread, where there are no handlers, and for signals that are ignored, it
    does nothing.

    Attributes
    ----------
    pending : int or None
        The signal that came.
    """

    def __init__(self) -> None:
        self.pending: int | None = None
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> DeferredSignals:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._handlers[number] = signal.signal(number, self._hold)
        return self

    def __exit__(self, *error: object) -> None:
        self._restore()
        self.release()

    def release(self) -> None:
        """Let the signal that came do what it would have done, if there is one."""
        if self.pending is None:
            return
        number, self.pending = self.pending, None
        handlers = self._restore()
        signal.raise_signal(number)
        for again in handlers:  # its handler has returned: it means the training to go on
            self._handlers[again] = signal.signal(again, self._hold)

    def _hold(self, number: int, frame: FrameType | None) -> None:
        second, self.pending = self.pending is not None, number
        if second:
            self.release()

    def _restore(self) -> list[int]:
        """Put the handlers back, and say for which signals."""
        handlers, self._handlers = self._handlers, {}
        for number, handler in handlers.items():
            signal.signal(number, handler)
        return list(handlers)
