"""The types of what users pass."""

from typing import Any, Protocol

__all__ = ["ImagesLike"]


class ImagesLike(Protocol):
    """Images in any form: an array, a column of a data frame, or a sequence of file names."""

    def __len__(self) -> int: ...

    def __getitem__(self, item: Any, /) -> Any: ...
