"""Which image files of X can be read, for what has to know the rows before an embedder does."""

from sklearn.frozen import FrozenEstimator

from sklssl._data.arrays import full_shape
from sklssl._data.columns import as_images, holds_paths
from sklssl._data.files import ImageFiles, first_image

__all__ = ["readable_rows"]


def readable_rows(X, estimators):
    """Find the rows to go on with, if some of the `estimators` leaves out what cannot be read.

    Every file is decoded for it once.

    Parameters
    ----------
    X : array-like
        File names, or anything else.

    estimators : estimator, or list, tuple or dict with estimators in it
        Those that `X` is for. Their `on_error`, also that of an estimator inside of them, decides.

    Returns
    -------
    rows : ndarray of int or None
        None where all rows are taken as they are.

    Raises
    ------
    ImageFileError
        If no file can be read.

    Warns
    -----
    UserWarning
        If files are left out; it counts them.
    """
    X = as_images(X)
    reader = next(_skipping(estimators), None) if holds_paths(X) else None
    if reader is None:
        return None
    shape = reader.image_shape
    channels = 3 if shape is None else full_shape(shape, reader)[2]
    path, first = first_image(X, channels, "skip")
    smallest = (1, 1, channels)
    return ImageFiles(X, smallest, dtype=first.dtype, known={path: first}).store("skip")


def _skipping(item):
    """Yield the embedders in `item` whose `on_error` is "skip"."""
    if isinstance(item, dict):
        item = list(item.values())
    if isinstance(item, FrozenEstimator):  # which hides the parameters of what it holds
        item = [item.estimator]
    if isinstance(item, (list, tuple)):
        for part in item:
            yield from _skipping(part)
    elif hasattr(item, "get_params") and not isinstance(item, type):
        params = item.get_params(deep=False)
        if isinstance(params.get("on_error"), str) and params["on_error"] == "skip":
            yield item
        yield from _skipping(params)
