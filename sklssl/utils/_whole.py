"""What counts as a whole number."""

import math
from numbers import Integral
from typing import TypeGuard

__all__ = ["is_whole"]


def is_whole(value: object, least: int = 1, most: float = math.inf) -> TypeGuard[int]:
    """Return whether `value` is a whole number from `least` to `most`; True and False are not."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    return whole and least <= int(value) <= most  # type: ignore[call-overload]
