"""Record the accuracy of a probe during training."""

import warnings
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_consistent_length, column_or_1d

from sklssl._data.arrays import check_images
from sklssl._data.columns import is_image_sequence, is_path_sequence, unwrap_images
from sklssl._data.readable import readable_rows
from sklssl._data.rows import take_rows
from sklssl.metrics import knn_score
from sklssl.utils._arguments import check_complete, to_builtin
from sklssl.utils._checks import naming_parameter
from sklssl.utils._classes import check_classes
from sklssl.utils._markers import warn_if_marker_is_class
from sklssl.utils._typing import ImagesLike
from sklssl.utils._whole import is_whole

__all__ = ["ProbeMonitor"]

_TERMS = {"knn": "knn_accuracy", "linear": "linear_accuracy"}


class ProbeMonitor:
    """Record the accuracy of a probe on labelled images every few epochs.

    Pass it in the list `callbacks` of an estimator. The images are embedded by its ``transform``,
    and the accuracy is added to the row of that epoch in ``history_``. The labels are not used for
    training, which is the same as without this callback.

    Parameters
    ----------
    X_val : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
        A few hundred images like those in ``fit``. If `on_error` of the embedder is "skip", files
        that cannot be read are skipped.

    y_val : array-like of shape (n,)
        The classes of the images.

    every : int, default=5
        Evaluate every `every` epochs. The last epoch is evaluated only if its number is a multiple
        of `every`, because training may stop early. Epochs are numbered consecutively over several
        scales and after resuming.

    probe : {"knn", "linear"}, default="knn"
        "knn" records ``knn_accuracy``, the leave-one-out accuracy of nearest neighbours
        (:func:`sklssl.metrics.knn_score`). "linear" records ``linear_accuracy``, the
        cross-validated accuracy of a logistic regression on standardised features, which is slower.

    n_neighbors : int, default=20
        Number of neighbours for "knn", less than n.

    cv : int, default=3
        Number of folds for "linear". Each class needs at least this many images.

    Raises
    ------
    ValueError
        If the images and labels do not match, or a parameter is invalid.

    See Also
    --------
    EarlyStopping : Stop training when a recorded value no longer improves.

    Notes
    -----
    The accuracy is meant for comparing training runs and epochs. Once it has been used to choose an
    epoch, it is an optimistic estimate of the accuracy of a classifier.

    Copies of this callback share the images.

    Examples
    --------
    >>> from sklssl import RotNetEmbedder
    >>> from sklssl.callbacks import ProbeMonitor
    >>> from sklssl.datasets import load_digit_images
    >>> X, y = load_digit_images(return_X_y=True)
    >>> monitor = ProbeMonitor(X[200:300], y[200:300], every=2, n_neighbors=5)
    >>> embedder = RotNetEmbedder(max_epochs=4, callbacks=[monitor], random_state=0).fit(X[:200])
    >>> ["knn_accuracy" in row for row in embedder.history_]
    [False, True, False, True]
    """

    def __init__(
        self,
        X_val: ImagesLike,
        y_val: npt.ArrayLike,
        *,
        every: int = 5,
        probe: str = "knn",
        n_neighbors: int = 20,
        cv: int = 3,
    ) -> None:
        if probe not in _TERMS:
            raise ValueError(
                f"The 'probe' parameter of ProbeMonitor must be one of {list(_TERMS)}. Got "
                f"{probe!r}."
            )
        _check_number("every", every, 1)
        with naming_parameter(self, "X_val"):
            X_val = unwrap_images(X_val, stack=False)
            later = is_path_sequence(X_val) or is_image_sequence(X_val)  # read when embedded
            n_images = len(X_val if later else check_images(X_val, estimator=self, min_samples=2))
        self.X_val = X_val
        self.y_val = _check_y_val(self, y_val, n_images)
        if probe == "knn":
            _check_number("n_neighbors", n_neighbors, 1, n_images - 1)
        else:
            _check_folds(cv, self.y_val)
        self.every = to_builtin(every)
        self.probe = probe
        self.n_neighbors = to_builtin(n_neighbors)
        self.cv = to_builtin(cv)

    def __call__(self, estimator: Any, row: dict[str, Any]) -> None:
        """Add the accuracy to `row` if this epoch is evaluated.

        Parameters
        ----------
        estimator : estimator
            An estimator whose ``transform`` returns features.

        row : dict
            Of the epoch that has ended.
        """
        is_first = row["epoch"] == 1
        if row["epoch"] % self.every and not is_first:
            return
        try:
            X, y = self._readable(estimator)
            if row["epoch"] % self.every == 0:
                row[_TERMS[self.probe]] = self._score(self._embed(estimator, X), y)
            else:
                self._try(estimator, X)
        except ValueError as error:
            if is_first:  # later, training would be lost
                raise
            row[_TERMS[self.probe]] = np.nan
            warnings.warn(
                f"ProbeMonitor: no evaluation after epoch {row['epoch']}. {error}",
                UserWarning,
                stacklevel=2,
            )

    def _try(self, estimator: Any, X: Any) -> None:
        """Detect unsuitable images early: read all files, but embed one array."""
        some = X if is_path_sequence(X) else take_rows(X, np.zeros(1, int))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # one image may have another range than all of them
            self._embed(estimator, some)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        # A search copies the parameters for each fit. This object never changes, so copies can
        # share the images.
        copied = object.__new__(type(self))
        copied.__dict__ = dict(vars(self))
        return copied

    def __repr__(self) -> str:
        return f"ProbeMonitor(every={self.every}, probe={self.probe!r})"

    @property
    def _records(self) -> str:
        return _TERMS[self.probe]

    def _readable(self, estimator: Any) -> tuple[Any, np.ndarray]:
        with naming_parameter(self, "X_val"):
            rows = readable_rows(self.X_val, estimator)
        if rows is None:
            return self.X_val, self.y_val
        return take_rows(self.X_val, rows), self.y_val[rows]

    def _embed(self, estimator: Any, X: Any) -> np.ndarray:
        with naming_parameter(self, "X_val"):
            return np.asarray(estimator.transform(X))  # may be a data frame

    def _score(self, Z: np.ndarray, y: np.ndarray) -> float:
        if not np.isfinite(Z).all():
            return np.nan  # training fails at its next step, with a better message
        if self.probe == "knn":
            return knn_score(Z, y, n_neighbors=self.n_neighbors)
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        return float(cross_val_score(probe, Z, y, cv=self.cv).mean())


def _check_number(name: str, value: object, least: int, most: float = np.inf) -> None:
    if not is_whole(value, least, most):
        allowed = f"from {least}" if most == np.inf else f"from {least} to {most}, one less than n"
        raise ValueError(
            f"The '{name}' parameter of ProbeMonitor must be a whole number {allowed}. Got "
            f"{value!r}."
        )


def _check_y_val(monitor: object, y: Any, n_images: int) -> np.ndarray:
    with naming_parameter(monitor, "y_val"):
        y = check_complete(y, "y_val", "ProbeMonitor")
        y = column_or_1d(y)
        check_consistent_length(range(n_images), y)
        y = check_classes(y)
    warn_if_marker_is_class(np.unique(y), "ProbeMonitor")
    return y


def _check_folds(cv: int, y: np.ndarray) -> None:
    _check_number("cv", cv, 2)
    classes, counts = np.unique(y, return_counts=True)
    if len(classes) < 2:
        raise ValueError(
            "The 'y_val' parameter of ProbeMonitor must hold at least two classes for "
            f"probe='linear'. Got {classes.tolist()}."
        )
    least = counts.min()
    if least < cv:
        images, rarest = "image" if least == 1 else "images", classes.tolist()[counts.argmin()]
        remedy = "Pass more images of it" if least == 1 else "Lower cv, or pass more images of it"
        raise ValueError(
            f"The 'cv' parameter of ProbeMonitor is {cv}, but the class {rarest!r} has only "
            f"{least} {images} in y_val, and each fold needs one. {remedy}."
        )
