"""Thumbnails packed into sheets: few large JPEG files instead of many small ones."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

__all__ = ["Sheets", "pack_thumbnails"]

_SIDE = 1024  # pixels; a browser decodes the sheets of the visible part of the map
_BLOCK = 16  # pixels that JPEG compresses together, which must not contain two images
_QUALITY = 80


@dataclass(frozen=True)
class Sheets:
    """Thumbnails in square cells of JPEG files, row by row, in the order of packing.

    Attributes
    ----------
    files : list of bytes
        The contents of the files.

    cell : int
        Height and width of a cell in pixels; thumbnails are at its top left.

    columns : int
        Number of cells per row.

    per_sheet : int
        Number of cells per file.
    """

    files: list[bytes]
    cell: int
    columns: int
    per_sheet: int


def pack_thumbnails(pictures: Sequence[np.ndarray], order: np.ndarray) -> Sheets:
    """Pack uint8 RGB pictures (h, w, 3) into sheets, in the order of `order`."""
    longest = max(max(picture.shape[:2]) for picture in pictures)
    cell = -(-longest // _BLOCK) * _BLOCK
    columns = max(1, _SIDE // cell)
    per_sheet = columns**2
    files = [
        _write_sheet([pictures[i] for i in order[start : start + per_sheet]], cell, columns)
        for start in range(0, len(order), per_sheet)
    ]
    return Sheets(files, cell, columns, per_sheet)


def _write_sheet(pictures: list[np.ndarray], cell: int, columns: int) -> bytes:
    n_rows = -(-len(pictures) // columns)
    sheet = np.zeros((n_rows * cell, min(columns, len(pictures)) * cell, 3), dtype=np.uint8)
    for place, picture in enumerate(pictures):
        top, left = (cell * part for part in divmod(place, columns))
        height, width = picture.shape[:2]
        padding = [(0, cell - height), (0, cell - width), (0, 0)]
        sheet[top : top + cell, left : left + cell] = np.pad(picture, padding, mode="edge")
    file = io.BytesIO()
    Image.fromarray(sheet).save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()
