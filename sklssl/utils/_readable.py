"""Which image files of X can be read, for what has to know the rows before an embedder does."""

from sklearn.frozen import FrozenEstimator

from sklssl.utils._files import ImageFiles, holds_paths

__all__ = ["readable_rows"]

_SMALLEST = (1, 1, 3)


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
    if not _skips(estimators) or not holds_paths(X):
        return None
    return ImageFiles(X, _SMALLEST).store("skip")


def _skips(item):
    """Tell whether `on_error` is "skip" anywhere in `item`."""
    if isinstance(item, dict):
        return any(map(_skips, item.values()))
    if isinstance(item, (list, tuple)):
        return any(map(_skips, item))
    if isinstance(item, FrozenEstimator):  # which hides the parameters of what it holds
        return _skips(item.estimator)
    if isinstance(item, type) or not hasattr(item, "get_params"):
        return False
    params = item.get_params(deep=False)
    on_error = params.pop("on_error", None)
    return (isinstance(on_error, str) and on_error == "skip") or _skips(params)
