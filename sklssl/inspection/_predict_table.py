"""Tabulate predictions with the names of the images."""

import os
from collections.abc import Sequence
from typing import Any

from sklssl._data.columns import is_path_sequence, unwrap_images
from sklssl._data.readable import readable_rows
from sklssl._data.rows import take_rows
from sklssl.datasets import list_images
from sklssl.inspection._outcomes import check_predictor, predict_images, tabulate_outcome
from sklssl.utils._typing import ImagesLike

__all__ = ["predict_table"]

_NAME = "predict_table"


def predict_table(
    model: Any, X: str | os.PathLike[str] | ImagesLike, *, target_names: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """Predict images and return a table of file names, predictions and probabilities.

    Parameters
    ----------
    model : estimator
        A fitted classifier or regressor of images: a fine-tuned or semi-supervised model, or a
        pipeline that begins with an embedder.

    X : str, path-like, or images as accepted by `model`
        A folder whose images are all predicted, or a sequence of file names, or an array. If the
        `on_error` of the embedder is "skip", files that cannot be read are left out.

    target_names : sequence of str, default=None
        The names of the classes, if `model` was fitted on class indices, as returned by
        :func:`sklssl.datasets.list_images`.

    Returns
    -------
    rows : list of dict
        One row per image, in the order of `X`, with the keys

        file : str or int
            The file name, relative to the folder if `X` is a folder; for arrays, the row index.
        prediction : object
            What ``predict`` returns: the class (its name if `target_names` is given) or the value.
        probability : float
            The probability of that class, if `model` has ``predict_proba``.
        second : object
            The most probable other class, if there are several.
        second_probability : float
            Its probability.

        Convert it to a data frame with ``pandas.DataFrame(rows)``.

    Raises
    ------
    NotFittedError
        If `model` is not fitted.
    TypeError
        If `model` has no ``predict``.
    ValueError
        If `target_names` does not match the classes of `model`.

    See Also
    --------
    sklssl.datasets.list_images : List the images of a folder and their classes.

    Examples
    --------
    The images the model is least certain about:

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
    check_predictor(model, _NAME)
    names = None
    if isinstance(X, (str, os.PathLike)):
        listed = list_images(X, unlabelled=[])
        X, names = listed.paths, listed.filenames
    images = unwrap_images(X)
    if names is None and is_path_sequence(images):
        names = [os.fsdecode(path) for path in images]
    rows = readable_rows(images, model)
    if names is not None and rows is not None:
        images, names = take_rows(images, rows), [names[row] for row in rows]
    outcome = predict_images(model, images, ["predict_proba"])
    columns = tabulate_outcome(outcome, target_names, _NAME)
    n_rows = len(columns["prediction"])
    files = range(n_rows) if names is None else list(map(str, names))
    columns = {"file": list(files), **columns}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
