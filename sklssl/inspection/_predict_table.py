"""Predictions with the names of the images beside them."""

import os

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklssl._data.columns import as_images, holds_paths
from sklssl.datasets import list_images

__all__ = ["predict_table"]

_NAME = "predict_table"


def predict_table(model, X, *, target_names=None):
    """Predict images, and give a table of their names, predictions and probabilities.

    Parameters
    ----------
    model : estimator
        A fitted classifier or regressor that takes images: a fine-tuned or semi-supervised one, or
        a pipeline that begins with an embedder.

    X : str, path-like, or images as `model` takes them
        A folder, all images in which are predicted, or names of files, or arrays.

    target_names : sequence of str, default=None
        The names of the classes, if `model` was fitted on their numbers, as
        :func:`sklssl.datasets.list_images` gives them.

    Returns
    -------
    rows : list of dict
        One an image, in the order of `X`, with the keys

        file : str or int
            Its name, within the folder if `X` is one; of arrays, the number of the row.
        prediction : object
            The class, by its name if there are `target_names`, or the predicted value.
        probability : float
            That of the class, if `model` has ``predict_proba``.
        second : object
            The next probable class, likewise.
        second_probability : float
            Its probability.

        ``pandas.DataFrame(rows)`` makes a data frame of them.

    Raises
    ------
    ValueError
        If `target_names` do not name the classes of `model`.

    See Also
    --------
    sklssl.datasets.list_images : Finds the images of a folder and their classes.

    Examples
    --------
    The images that the model is least sure of:

    >>> from sklssl import PatchDictionaryEmbedder, SemiSupervisedClassifier
    >>> from sklssl.datasets import load_digit_images
    >>> from sklssl.inspection import predict_table
    >>> X, y = load_digit_images(return_X_y=True)
    >>> model = SemiSupervisedClassifier(PatchDictionaryEmbedder(16, random_state=0))
    >>> rows = predict_table(model.fit(X[:200], y[:200]), X[200:240])
    >>> doubtful = sorted(rows, key=lambda row: row["probability"])[:5]
    >>> sorted(doubtful[0])
    ['file', 'prediction', 'probability', 'second', 'second_probability']
    """
    check_is_fitted(model)
    names = None
    if isinstance(X, (str, os.PathLike)):
        listed = list_images(X, unlabelled=[])
        X, names = listed.paths, listed.filenames
    X = as_images(X)
    if names is None and holds_paths(X):
        names = [os.fsdecode(path) for path in X]
    if not hasattr(model, "predict_proba"):
        predictions = model.predict(X)
        columns = {"prediction": _named(predictions, target_names)}
    else:
        columns = _columns_of_probabilities(model, X, target_names)
    n_rows = len(columns["prediction"])
    columns = {"file": range(n_rows) if names is None else map(str, names), **columns}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _columns_of_probabilities(model, X, target_names):
    probabilities = model.predict_proba(X)
    classes = _named(model.classes_, target_names)
    first, second = np.argsort(-probabilities, axis=1, kind="stable")[:, :2].T
    rows = np.arange(len(probabilities))
    return {
        "prediction": [classes[i] for i in first],
        "probability": probabilities[rows, first].tolist(),
        "second": [classes[i] for i in second],
        "second_probability": probabilities[rows, second].tolist(),
    }


def _named(labels, target_names):
    """Give labels as plain values, or as the names that they are the numbers of."""
    labels = np.asarray(labels)
    if target_names is None:
        return labels.tolist()
    names = list(map(str, target_names))
    if labels.dtype.kind not in "iu" or (labels < 0).any() or (labels >= len(names)).any():
        raise ValueError(
            f"The 'target_names' parameter of {_NAME} has {len(names)} names, for the classes 0 to "
            f"{len(names) - 1}, but the model predicts {np.unique(labels)[:5].tolist()}. Give the "
            "names in the order of the numbers that y had, or None."
        )
    return [names[label] for label in labels]
