"""Features of more image files than one process, or one machine, can embed at once."""

from __future__ import annotations

import os
import reprlib
import time
from collections.abc import Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklssl._data.columns import check_file_names, is_path_sequence, unwrap_images
from sklssl._data.readable import readable_rows
from sklssl._data.rows import take_rows
from sklssl._storage.atomic import write_atomically
from sklssl.exceptions import ImageFileError
from sklssl.persistence._hashes import hash_embedder, hash_names
from sklssl.persistence._parts import Part, PartFolder, divide, write_json
from sklssl.utils._extras import import_extra
from sklssl.utils._sklearn_compat import Interval, StrOptions, validate_params

__all__ = ["embed_to_files"]

_NAME = "embed_to_files"


@validate_params(
    {
        "folder": [str, os.PathLike],
        "format": [StrOptions({"npy", "parquet"})],
        "rows_per_file": [Interval(Integral, 1, None, closed="left")],
        "verbose": ["verbose"],
    }
)
def embed_to_files(
    embedder: Any,
    paths: Sequence[str | os.PathLike[str]],
    folder: str | os.PathLike[str],
    *,
    format: str = "npy",
    rows_per_file: int = 10_000,
    verbose: int = 0,
) -> list[Path]:
    """Embed image files and write their features to files, in any number of processes.

    Call it again after an interruption, and it continues. Call it in several processes, on one or
    more machines that share the folder, and they divide the work among them. Either way, each image
    has one row, in the order of `paths`.

    Parameters
    ----------
    embedder : estimator
        A fitted embedder, or any other fitted estimator with ``transform``, such as a Pipeline of
        an embedder and ``PCA``. In every process the same one.

    paths : sequence of n str or path-like
        The names of the image files: a list, a column, or a memory-mapped array of strings. In
        every process the same ones.

    folder : str or path-like
        Where to write; created if it does not exist. Machines must share it by a file system with
        locks, such as NFS 4.

    format : {"npy", "parquet"}, default="npy"
        The type of the files:

        - "npy": ``part-00000.npy`` holds features of shape (m, d), and ``part-00000.paths.json``
          the m names.
        - "parquet": ``part-00000.parquet`` has the columns ``path`` and ``features``, a list of d
          numbers. Needs pyarrow: ``pip install "sklssl[parquet]"``.

    rows_per_file : int, default=10,000
        Largest number of rows in a file. After an interruption, files that were not completed are
        computed again. The features of one file must fit in memory.

    verbose : int, default=0
        1 prints a line for each file that this process has written.

    Returns
    -------
    files : list of Path
        The files of features in the order of their rows. All of them are complete.

    Raises
    ------
    ImageFileError
        If an image cannot be read. Files that have been completed are kept. With
        ``on_error="skip"`` in the embedder, also one within a Pipeline, the row of such an image is
        NaN instead; an error is raised only if all images of a file are unreadable.
    TypeError
        If `embedder` is not an estimator with ``transform``, or cannot be pickled.
    ValueError
        If `paths` are not file names, or if the folder belongs to other paths, another embedder or
        another `rows_per_file`.
    OSError
        If the files cannot be written.

    Warns
    -----
    UserWarning
        If rows are NaN.

    See Also
    --------
    BaseEmbedder.transform_iter : The features of an array that does not fit in memory.

    Notes
    -----
    ``manifest.json`` in the folder has the first row and the row after the last of each file, and
    hashes of the embedder and the paths, to which later calls are compared. The contents of images
    are not compared: remove the folder if they have changed.

    A process that finds all files complete or being written waits for the latter, and takes over
    those of a process that is killed. A killed process leaves at most hidden files, which are
    removed at the end.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import cv2
    >>> import numpy as np
    >>> from sklssl import RotNetEmbedder, embed_to_files
    >>> from sklssl.datasets import load_digit_images
    >>> X, _ = load_digit_images(return_X_y=True)
    >>> embedder = RotNetEmbedder(max_epochs=1, pool_size=1, random_state=0).fit(X[:100])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = [str(Path(folder, f"{i}.png")) for i in range(25)]
    ...     for path, image in zip(paths, X):
    ...         _ = cv2.imwrite(path, image)
    ...     files = embed_to_files(embedder, paths, Path(folder, "features"), rows_per_file=10)
    ...     Z = np.concatenate([np.load(file) for file in files])
    >>> [file.name for file in files]
    ['part-00000.npy', 'part-00001.npy', 'part-00002.npy']
    >>> np.allclose(Z, embedder.transform(X[:25]))
    True
    """
    if isinstance(embedder, type) or not hasattr(embedder, "transform"):
        raise TypeError(
            f"The 'embedder' parameter of {_NAME} must be a fitted estimator with transform. Got "
            f"{embedder!r}."
        )
    check_is_fitted(embedder)
    paths = _check_paths(paths)
    write = _write_npy if format == "npy" else _parquet_writer()
    about = {
        "embedder": type(embedder).__name__,
        "embedder_hash": hash_embedder(embedder, who=_NAME),
        "paths_hash": hash_names(paths, strict=format == "parquet", who=_NAME),
        "n_rows": len(paths),
        "rows_per_file": int(rows_per_file),
        "format": format,
    }
    parts = divide(len(paths), int(rows_per_file), f".{format}")
    written = PartFolder(Path(os.path.abspath(os.path.expanduser(folder))), parts, about, _NAME)

    def write_part(part: Part) -> None:
        start = time.perf_counter()
        names = take_rows(paths, np.arange(part.start, part.stop))
        write(written.folder / part.file, _embed(embedder, names), list(map(os.fsdecode, names)))
        if verbose:
            _report(part, parts, time.perf_counter() - start)

    written.complete(write_part)
    return written.paths()


def _check_paths(paths: Any) -> Any:
    """Return a sequence of file names, or raise an error that says what it is instead."""
    paths = unwrap_images(paths)
    if not is_path_sequence(paths):
        check_file_names(paths, _NAME, "paths")
        raise ValueError(
            f"The 'paths' parameter of {_NAME} must be a sequence of names of image files. Got "
            f"{reprlib.repr(paths)}. For arrays of images, use transform_iter."
        )
    return paths


def _embed(embedder: Any, names: Any) -> np.ndarray:
    """Embed files; rows of files that are skipped are NaN."""
    rows: np.ndarray | None = None
    try:
        Z = np.asarray(embedder.transform(names))
    except ImageFileError as error:
        rows = readable_rows(names, embedder)
        if rows is None:
            raise ImageFileError(
                f'{error} With on_error="skip" in the embedder, rows of such images are NaN.'
            ) from error
        Z = np.asarray(embedder.transform(take_rows(names, rows)))
    n_rows = len(names) if rows is None else len(rows)
    if Z.ndim != 2 or len(Z) != n_rows or Z.dtype.kind not in "iufb":
        raise ValueError(
            f"The 'embedder' parameter of {_NAME} must return an array of numbers with a row for "
            f"each image. {type(embedder).__name__}.transform returned an array of shape "
            f"{Z.shape} and dtype {Z.dtype} for {n_rows} images."
        )
    if rows is None:
        return Z
    complete = np.full((len(names), Z.shape[1]), np.nan, np.result_type(Z, np.float32))
    complete[rows] = Z
    return complete


def _write_npy(file: Path, Z: np.ndarray, names: list[str]) -> None:
    write_json(file.with_suffix(".paths.json"), names)
    write_atomically(file, lambda path: _save(path, Z))  # the last, as its existence is the end


def _save(path: Path, Z: np.ndarray) -> None:
    with open(path, "wb") as file:  # np.save would append a suffix to a name
        Z = np.ascontiguousarray(Z)
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(Z))
        file.write(Z.data)  # unlike np.save, says why it fails


def _parquet_writer() -> Any:
    arrow = import_extra("pyarrow", "parquet", owner=_NAME)
    parquet = import_extra("pyarrow.parquet", "parquet", owner=_NAME)

    def write(file: Path, Z: np.ndarray, names: list[str]) -> None:
        features = arrow.FixedSizeListArray.from_arrays(arrow.array(Z.ravel()), Z.shape[1])
        table = arrow.table({"path": arrow.array(names, arrow.string()), "features": features})
        write_atomically(file, lambda path: parquet.write_table(table, path))

    return write


def _report(part: Part, parts: list[Part], seconds: float) -> None:
    n_images = part.stop - part.start
    print(
        f"[{_NAME}] {part.file} ({parts.index(part) + 1:,} of {len(parts):,}): {n_images:,} images "
        f"in {seconds:.1f} s, {n_images / seconds:,.0f} images/s",
        flush=True,
    )
