"""Rank images by what a model predicts for them: wrong, in doubt, or far off."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import is_regressor
from sklearn.utils import check_array, check_consistent_length, column_or_1d
from sklearn.utils.multiclass import type_of_target

from sklssl.inspection._label_names import name_labels
from sklssl.utils._checks import naming_data
from sklssl.utils._markers import is_unlabelled

__all__ = ["Outcome", "check_rankable", "predict_images", "rank_images", "read_outcome"]


class Outcome(NamedTuple):
    """What is predicted for each image.

    Parameters
    ----------
    predictions : ndarray of shape (n,)
        Labels, or numbers of a regressor.

    numeric : bool
        Whether they are numbers of a regressor.

    scores : ndarray of shape (n, n_classes) or None
        Probabilities or decision values.

    classes : ndarray of shape (n_classes,) or None
        The labels of the columns of `scores`.
    """

    predictions: np.ndarray
    numeric: bool
    scores: np.ndarray | None = None
    classes: np.ndarray | None = None


def check_rankable(
    model: Any, y: np.ndarray | None, target_names: Sequence[str] | None, owner: str
) -> None:
    """Raise an error, before anything is predicted, if images cannot be ranked or named."""
    if not is_regressor(model) and target_names is not None:
        name_labels(model.classes_, target_names, owner=owner)
    has_scores = hasattr(model, "predict_proba") or hasattr(model, "decision_function")
    if y is None and (is_regressor(model) or not has_scores):
        raise ValueError(
            f"{owner} needs y for {type(model).__name__}, which has neither predict_proba nor "
            "decision_function: nothing else tells which predictions may be wrong. Pass y, or a "
            "classifier with one of the two."
        )


def predict_images(model: Any, X: Any, *, owner: str) -> Outcome:
    """Predict images, with probabilities or decision values if the model has them."""
    if is_regressor(model):
        values = np.asarray(model.predict(X))
        values = values.ravel() if values.shape[1:] == (1,) else values
        return read_outcome(values, numeric=True, owner=owner)
    for method in ("predict_proba", "decision_function"):
        if hasattr(model, method):
            scores = np.asarray(getattr(model, method)(X))
            if scores.ndim == 1:  # two classes
                scores = np.column_stack([-scores, scores])
            return read_outcome(scores, model.classes_, owner=owner)
    return read_outcome(model.predict(X), numeric=False, owner=owner)


def read_outcome(
    predictions: Any, classes: Any = None, *, numeric: bool | None = None, owner: str
) -> Outcome:
    """Check predictions.

    Parameters
    ----------
    predictions : array-like of shape (n,) or (n, n_classes)
        Labels or numbers, or scores of the classes.

    classes : array-like of shape (n_classes,), default=None
        The labels of the columns; None means 0, 1, ...

    numeric : bool, default=None
        Whether the predictions are numbers of a regressor; None means that they are if one of them
        is not whole.

    owner : str
        The caller; used in error messages.

    Returns
    -------
    outcome : Outcome

    Raises
    ------
    ValueError
        If the predictions have another shape, or are not finite.
    """
    with naming_data(owner, "cannot use these predictions"):
        values = check_array(predictions, ensure_2d=False, dtype=None, input_name="predictions")
    if values.ndim == 1:
        numeric = type_of_target(values) == "continuous" if numeric is None else numeric
        return Outcome(values, numeric)
    classes = np.arange(values.shape[1]) if classes is None else np.asarray(classes)
    if numeric or values.shape[1] < 2 or classes.shape != values.shape[1:]:
        raise ValueError(
            f"{owner} needs predictions of shape (n,), labels or one number per image, or "
            "(n, n_classes), scores of at least two classes. Got predictions of shape "
            f"{values.shape}" + f" and {len(classes)} classes." * (not numeric)
        )
    return Outcome(classes[values.argmax(axis=1)], False, values, classes)


def rank_images(
    outcome: Outcome,
    y: Any,
    target_names: Sequence[str] | None,
    *,
    n_images: int,
    owner: str,
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Choose images whose predictions are wrong, in doubt, or far from the truth.

    Parameters
    ----------
    outcome : Outcome

    y : array-like of shape (n,) or None
        Labels, -1 where there is none; or numbers.

    target_names : sequence of str or None
        The names of the class indices.

    n_images : int
        How many images to choose at most.

    owner : str
        The caller; used in error messages.

    Returns
    -------
    rows : list of dict
        One row per chosen image, without its name; see ``PredictionsDisplay``.

    counts : dict of str to int
        The number of images of each kind.

    Raises
    ------
    ValueError
        If `y` or `target_names` do not match the predictions, or there is nothing to rank by.
    """
    if y is None and outcome.scores is None:
        raise ValueError(
            f"{owner} ranks images by their errors, or by probabilities or decision values. There "
            "are none: pass y, or a classifier with predict_proba or decision_function."
        )
    if outcome.numeric:
        errors, labels = _read_errors(outcome.predictions, y, owner)
        chosen = {int(i): "error" for i in np.argsort(-errors, kind="stable")[:n_images]}
        counts = {"error": len(errors)}
    else:
        labels = _read_labels(outcome, y, target_names, owner)
        chosen, counts = _choose(outcome, labels, target_names, n_images, owner)
    rows = np.array(list(chosen), dtype=int)
    columns = {
        "kind": list(chosen.values()),
        "row": rows.tolist(),
        **_predicted(outcome, rows, target_names, owner),
    }
    if y is not None:
        columns["label"] = [labels[i] for i in rows]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values())], counts  # noqa: B905


def _read_errors(predictions: np.ndarray, y: Any, owner: str) -> tuple[np.ndarray, list[Any]]:
    """Return the absolute errors, and the truth."""
    with naming_data(owner, "needs one finite number in y for each image"):
        truth = column_or_1d(check_array(y, ensure_2d=False, dtype=np.float64, input_name="y"))
        check_consistent_length(predictions, truth)
    return np.abs(predictions - truth), truth.tolist()


def _read_labels(
    outcome: Outcome, y: Any, target_names: Sequence[str] | None, owner: str
) -> list[Any]:
    """Return the label of each image in the terms of the predictions, None where it has none."""
    if y is None:
        return [None] * len(outcome.predictions)
    predicted = outcome.predictions if outcome.classes is None else outcome.classes
    with naming_data(owner, "needs one label in y for each image"):
        y = column_or_1d(y)
        check_consistent_length(outcome.predictions, y)
    # -1 may also be a class, as of -1 and 1.
    unlabelled = is_unlabelled(y) & ("-1" not in predicted.astype(str))
    known = y[~unlabelled].tolist()
    example = predicted.tolist()[0]
    if any(isinstance(v, str) != isinstance(example, str) or v is None or v != v for v in known):
        raise ValueError(
            f"The 'y' argument of {owner} must hold labels as they are predicted, such as "
            f"{example!r}, and -1 where there is none. Got {known[:3]}."
        )
    names = iter(name_labels(np.array(known), target_names, owner=owner) if known else ())
    return [None if without else next(names) for without in unlabelled]


def _choose(
    outcome: Outcome,
    labels: list[Any],
    target_names: Sequence[str] | None,
    n_images: int,
    owner: str,
) -> tuple[dict[int, str], dict[str, int]]:
    """Return the kinds of the chosen rows, in order, and the number of images of each kind."""
    predicted = name_labels(outcome.predictions, target_names, owner=owner)
    pairs = zip(labels, predicted, strict=True)
    is_wrong = np.array([label not in (None, found) for label, found in pairs], dtype=bool)
    margins = _margins(outcome)
    wrong, others = np.flatnonzero(is_wrong), np.flatnonzero(~is_wrong)
    wrong = wrong[np.argsort(-margins[wrong], kind="stable")]
    doubtful = others[np.argsort(margins[others], kind="stable")]
    doubtful = doubtful if outcome.scores is not None else doubtful[:0]
    n_wrong = max((n_images + 1) // 2, n_images - len(doubtful))
    chosen = {int(i): "wrong" for i in wrong[:n_wrong]}
    chosen |= {int(i): "doubt" for i in doubtful[: n_images - len(chosen)]}
    has_labels = any(label is not None for label in labels)
    counts = {"wrong": len(wrong)} if has_labels else {}
    return chosen, counts | ({"doubt": len(doubtful)} if len(doubtful) else {})


def _margins(outcome: Outcome) -> np.ndarray:
    """Return the difference of the two largest scores of each image; without scores, zeros."""
    if outcome.scores is None:
        return np.zeros(len(outcome.predictions))
    ordered = np.sort(outcome.scores, axis=1)
    return ordered[:, -1] - ordered[:, -2]


def _predicted(
    outcome: Outcome, rows: np.ndarray, target_names: Sequence[str] | None, owner: str
) -> dict[str, list[Any]]:
    """Return columns with the prediction of some rows, and the second class if there are scores."""
    if outcome.scores is None:
        names = None if outcome.numeric else target_names
        return {"prediction": name_labels(outcome.predictions[rows], names, owner=owner)}
    scores = outcome.scores
    are_probabilities = scores.min() >= 0 and np.allclose(scores.sum(axis=1), 1, atol=1e-3)
    classes = name_labels(np.asarray(outcome.classes), target_names, owner=owner)
    order = np.argsort(-scores[rows], axis=1, kind="stable")
    columns = {}
    for place, name, probability in (
        (0, "prediction", "probability"),
        (1, "second", "second_probability"),
    ):
        columns[name] = [classes[i] for i in order[:, place]]
        if are_probabilities:
            columns[probability] = scores[rows, order[:, place]].tolist()
    return columns
