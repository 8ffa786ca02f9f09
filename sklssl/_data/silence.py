"""Keep cv2 from writing to stderr: errors that matter are raised, with the name of the file."""

from sklssl._runtime.locks import ForkSafeLock

__all__ = ["silent_cv2"]


class _Silence:
    """A block in which cv2 logs nothing; several threads may be in it at once."""

    def __init__(self) -> None:
        self._lock, self._n_inside, self._level = ForkSafeLock(), 0, 0

    def __enter__(self) -> None:
        import cv2  # slow to import

        log = cv2.utils.logging
        with self._lock.hold():
            if self._n_inside == 0:  # the level is the same for all threads
                self._level = log.setLogLevel(log.LOG_LEVEL_SILENT)
            self._n_inside += 1

    def __exit__(self, *error: object) -> None:
        import cv2

        with self._lock.hold():
            self._n_inside -= 1
            if self._n_inside == 0:
                cv2.utils.logging.setLogLevel(self._level)


silent_cv2 = _Silence()
