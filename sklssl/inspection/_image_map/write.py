"""Write a map of images as one HTML file."""

import os
import time
from collections.abc import Sequence
from functools import partial
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from sklssl._data.readable import readable_rows
from sklssl._data.rows import take_rows
from sklssl._data.thumbnails import make_thumbnails
from sklssl._storage.atomic import check_writable, write_atomically
from sklssl.inspection._image_map.checks import (
    OWNER,
    check_map_features,
    check_map_images,
    check_names,
    check_size,
    fitted_or_none,
)
from sklssl.inspection._image_map.colourings import make_colourings
from sklssl.inspection._image_map.page import make_page
from sklssl.inspection._image_map.positions import (
    find_neighbors,
    scale_positions,
    zoom_order,
)
from sklssl.inspection._image_map.sheets import pack_thumbnails
from sklssl.inspection._positions import check_reducer, find_positions
from sklssl.utils._extras import import_extra
from sklssl.utils._sklearn_compat import Interval, validate_params
from sklssl.utils._typing import ImagesLike

__all__ = ["write_image_map"]

_N_NEIGHBORS = 12


@validate_params(
    {
        "path": [str, os.PathLike],
        "title": [str, None],
        "thumbnail_size": [Interval(Integral, 16, 256, closed="both")],
        "image_shape": ["array-like", None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }
)
def write_image_map(
    path: str | os.PathLike[str],
    Z: Any,
    X: ImagesLike,
    y: Any = None,
    *,
    names: Sequence[object] | None = None,
    target_names: Sequence[str] | None = None,
    title: str | None = None,
    reducer: Any = None,
    thumbnail_size: int = 64,
    image_shape: Sequence[int] | None = None,
    random_state: Any = None,
    verbose: int = 0,
) -> Path:
    """Write an HTML file with a map of images, on which similar images are close to each other.

    Open the file in a browser: it contains everything it needs, so it works offline and can be sent
    to others. The map can be moved and enlarged, coloured by labels or numbers, and searched.
    Pointing at an image shows it with its name, a click also shows its nearest neighbours, and a
    lasso lists the names of the images in it.

    Parameters
    ----------
    path : str or path-like
        The file to write, as "map.html". An existing file is replaced once the new one is complete.

    Z : array-like of shape (n, d), or fitted transformer
        Features of at least two images, such as those from ``embedder.transform(X)``, or the
        embedder. If there are two columns, and `reducer` is None, they are the positions on the
        map.

    X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
        The images, at most 20,000.

    y : array-like of shape (n,), or dict or data frame of such, default=None
        What the images can be coloured by: labels, predictions, or numbers. If there are several,
        the page has a menu of their names. Floats are shown on a scale, -1.0 like any other value,
        and anything else as classes, without -1. Missing values, and -1 of classes, are grey.

    names : sequence of str of shape (n,), default=None
        Names of the images. None means the file names, from the folder that all are in, or the row
        numbers if `X` holds no files.

    target_names : sequence of str, default=None
        The names of classes, if `y` holds class indices.

    title : str, default=None
        The title of the page. None means the file name.

    reducer : object with fit_transform, default=None
        A copy of it computes positions (n, 2) from the features, as ``umap.UMAP()`` does. It gets
        the first 50 principal components of the standardised features. None means t-SNE.

    thumbnail_size : int, default=64
        Larger images are shrunk until neither side is longer, in pixels; 16 to 256.

    image_shape : tuple of int, default=None
        The shape of images stored as rows. None means the smallest square.

    random_state : int, RandomState instance or None, default=None
        Controls t-SNE, and which images are drawn before the map is enlarged.

    verbose : int, default=0
        Whether to print the estimated size of the file and then what is being done.

    Returns
    -------
    path : Path
        The absolute path of the file; ``webbrowser.open(path.as_uri())`` opens it.

    Raises
    ------
    ImportError
        If plotly is not installed. The extra "html" of sklssl installs it.
    ImageFileError
        If an image file cannot be read. An embedder with ``on_error="skip"`` as `Z` skips it.
    OSError
        If the file cannot be written. An existing file is then left unchanged.
    ValueError
        If an argument is invalid, there are more than 20,000 images, or the file would be larger
        than 100 MB.

    See Also
    --------
    compare_embedders : Compare embedders by a probe.
    sklssl.metrics.knn_score : Score features by nearest neighbours.

    Notes
    -----
    Distances on a map from t-SNE or UMAP are not those between features: clusters can look tighter
    and further apart than they are. The neighbours that a click shows are the 12 nearest in the
    standardised features (in their first 50 principal components if there are more), and are
    reliable. Of given positions, they are the nearest on the map.

    The page loads nothing from the network. Names and labels are shown as text, whatever markup
    they contain. Anyone who gets the file can see all thumbnails, names and labels.

    References
    ----------
    van der Maaten, Hinton. Visualizing Data using t-SNE. JMLR 2008.

    Examples
    --------
    >>> import os, tempfile
    >>> from sklearn.datasets import load_digits
    >>> from sklssl.inspection import write_image_map
    >>> Z, y = load_digits(return_X_y=True)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_image_map(
    ...         os.path.join(folder, "digits.html"), Z[:100], Z[:100], y[:100], random_state=0
    ...     )
    ...     path.stat().st_size < 6e6
    True
    """
    target = check_writable(path)
    plotly = import_extra("plotly.offline", "html", owner=OWNER)
    rng = check_random_state(random_state)
    X = check_map_images(X)
    check_reducer(reducer, OWNER)
    embedder = fitted_or_none(Z)
    features = check_map_features(Z, len(X)) if embedder is None else None
    shown_names = check_names(names, X)
    colourings = make_colourings(y, len(X), target_names=target_names, owner=OWNER)
    X, shown = _drop_unreadable(X, shown_names, colourings, embedder)
    draw = partial(make_thumbnails, longest=thumbnail_size, image_shape=image_shape, owner=OWNER)
    report = _Report(verbose)
    report(f"{len(X):,} images, about {check_size(X, shown['names'], draw) / 1e6:.0f} MB")
    pictures = draw(X, np.arange(len(X)))
    report("thumbnails made")
    if features is None:
        features = check_map_features(embedder.transform(X), len(X))
        report("features computed")
    positions, neighbors = _find_places(features, reducer, rng)
    report("positions and neighbours computed")
    order = zoom_order(positions, rng)
    sheets = pack_thumbnails(pictures, order)
    data = shown | _page_data(positions, neighbors, order, pictures)
    title = Path(path).stem if title is None else title
    page = make_page(title, data, sheets, plotly.get_plotlyjs())
    write_atomically(target, lambda part: _write(part, page))
    report(f"{target} written, {len(page) / 1e6:.1f} MB")
    return target


class _Report:
    """Print a line with the seconds since the line before it, if `verbose`."""

    def __init__(self, verbose: int) -> None:
        self.verbose = verbose
        self.start = time.perf_counter()

    def __call__(self, text: str) -> None:
        seconds, self.start = time.perf_counter() - self.start, time.perf_counter()
        if self.verbose:
            print(f"[{OWNER}] {text} ({seconds:.1f} s)", flush=True)


def _write(path: Path, page: bytes) -> None:
    path.write_bytes(page)


def _drop_unreadable(
    X: Any, names: list[str], colourings: list[dict[str, Any]], embedder: Any
) -> tuple[Any, dict[str, Any]]:
    """Return the images, and what the page shows of them, without the files an embedder skips."""
    rows = readable_rows(X, embedder)
    if rows is None:
        return X, {"rows": list(range(len(X))), "names": names, "colourings": colourings}
    colourings = [
        {
            key: [values[row] for row in rows] if key in ("codes", "values") else values
            for key, values in colouring.items()
        }
        for colouring in colourings
    ]
    names = [names[row] for row in rows]
    return take_rows(X, rows), {"rows": rows.tolist(), "names": names, "colourings": colourings}


def _find_places(Z: np.ndarray, reducer: Any, rng: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return positions (n, 2) from 0 to 1000, and the nearest neighbours (n, k) of each image."""
    placed, reduced = find_positions(Z, reducer, rng, OWNER)
    positions = scale_positions(placed)
    return positions, find_neighbors(positions if reduced is None else reduced, _N_NEIGHBORS)


def _page_data(
    positions: np.ndarray,
    neighbors: np.ndarray,
    order: np.ndarray,
    pictures: list[np.ndarray],
) -> dict[str, Any]:
    """Return where the page draws the images, and from which cells of its sheets."""
    slots = np.empty_like(order)
    slots[order] = np.arange(len(order))
    return {
        "x": positions[:, 0].round(3).tolist(),
        "y": positions[:, 1].round(3).tolist(),
        "extent": [0, positions[:, 0].max().round(3), 0, positions[:, 1].max().round(3)],
        "neighbours": neighbors.tolist(),
        "order": order.tolist(),
        "slots": slots.tolist(),
        "widths": [picture.shape[1] for picture in pictures],
        "heights": [picture.shape[0] for picture in pictures],
    }
