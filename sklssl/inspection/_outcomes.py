"""Rank images by what a model predicts for them: wrong, in doubt, or far off."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import is_regressor
from sklearn.pipeline import Pipeline
from sklearn.utils import check_array, check_consistent_length, column_or_1d
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from sklssl.inspection._label_names import name_labels
from sklssl.utils._arguments import check_complete
from sklssl.utils._checks import naming_data
from sklssl.utils._markers import is_unlabelled, missing_rows

__all__ = [
    "Outcome",
    "check_outcome",
    "check_predictor",
    "check_rankable",
    "predict_images",
    "rank_images",
    "read_outcome",
    "tabulate_outcome",
]

_SCORES = ("predict_proba", "decision_function")


class Outcome(NamedTuple):
    """What is predicted for each image.

    Parameters
    ----------
    predictions : ndarray of shape (n,)
        Labels, or numbers of a regressor.

    numeric : bool
        Whether they are numbers of a regressor.

    classes : ndarray of shape (n_classes,) or None
        The labels that can be predicted.

    scores : ndarray of shape (n, n_classes) or None
        Probabilities or decision values of the classes; None for those of pairs of classes.

    are_probabilities : bool
        Whether the scores are probabilities.
    """

    predictions: np.ndarray
    numeric: bool
    classes: np.ndarray | None = None
    scores: np.ndarray | None = None
    are_probabilities: bool = False


def check_predictor(model: Any, owner: str) -> None:
    """Raise an error if a model is not fitted, or does not predict anything."""
    if not hasattr(model, "predict"):
        raise TypeError(
            f"The 'model' argument of {owner} must be a fitted classifier or regressor of images. "
            f"Got {type(model).__name__}, which has no predict. Around an embedder, pass a "
            "SemiSupervisedClassifier, or a pipeline of the embedder and a classifier."
        )
    check_is_fitted(model)


def check_rankable(
    model: Any, y: np.ndarray | None, target_names: Sequence[str] | None, owner: str
) -> None:
    """Raise an error, before anything is predicted, if images cannot be ranked or named."""
    if not is_regressor(model) and target_names is not None and hasattr(model, "classes_"):
        name_labels(model.classes_, target_names, owner=owner)
    has_scores = any(hasattr(model, method) for method in _SCORES)
    if y is None and (is_regressor(model) or not has_scores):
        raise ValueError(
            f"{owner} needs y for {type(model).__name__}, which has neither predict_proba nor "
            "decision_function: nothing else tells which predictions may be wrong. Pass y, or a "
            "classifier with one of the two."
        )


def predict_images(model: Any, X: Any, methods: Sequence[str] = _SCORES) -> Outcome:
    """Predict images, with the scores by the first of `methods` that the model has."""
    if isinstance(model, Pipeline) and len(model) > 1:  # embedding once takes most of the time
        X, model = model[:-1].transform(X), model[-1]
    predictions = np.asarray(model.predict(X))
    if is_regressor(model):
        one = predictions.shape[1:] == (1,)
        return Outcome(predictions.ravel() if one else predictions, numeric=True)
    method = next((method for method in methods if hasattr(model, method)), None)
    if method is None or not hasattr(model, "classes_"):  # such as an outlier detector
        return Outcome(predictions, numeric=False, classes=getattr(model, "classes_", None))
    scores = np.asarray(getattr(model, method)(X))
    if scores.ndim == 1:  # two classes
        scores = np.column_stack([-scores, scores])
    classes = np.asarray(model.classes_)
    outcome = Outcome(predictions, False, classes, scores, method == "predict_proba")
    return outcome._replace(scores=None) if _are_of_pairs(outcome) else outcome


def _are_of_pairs(outcome: Outcome) -> bool:
    """Return whether decision values compare two classes each, instead of scoring one.

    Three classes have as many pairs: the values are those of the pairs if the votes of the pairs
    explain more of the predictions. Ties may prevent that the highest scores explain all of them.
    """
    if outcome.are_probabilities or outcome.predictions.ndim != 1:
        return False
    values, classes = np.asarray(outcome.scores), np.asarray(outcome.classes)
    if len(classes) != 3 or values.shape[1] != 3:
        return values.shape[1] != len(classes)
    first, second, third = values.T > 0  # of the classes 0 and 1, 0 and 2, 1 and 2
    votes = np.column_stack([0 + first + second, 0 + ~first + third, 0 + ~second + ~third])
    by_pairs, by_scores = (
        np.sum(classes[part.argmax(axis=1)] == outcome.predictions) for part in (votes, values)
    )
    return bool(by_pairs > by_scores)


def check_outcome(outcome: Outcome, owner: str) -> Outcome:
    """Return what a model predicts, if it is one finite value per image, with finite scores."""
    predictions = _check_finite(outcome.predictions, owner)
    if predictions.ndim != 1:
        raise _shape_error(predictions, outcome.classes, owner)
    if outcome.scores is None:
        return outcome
    return outcome._replace(scores=_check_finite(outcome.scores, owner))


def read_outcome(predictions: Any, classes: Any, owner: str) -> Outcome:
    """Check predictions that a user has made.

    Parameters
    ----------
    predictions : array-like of shape (n,) or (n, n_classes)
        Labels; numbers, of which one or more are not whole; or scores of the classes.

    classes : array-like of shape (n_classes,) or None
        The labels of the columns; None means 0, 1, ...

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
    values = _check_finite(check_complete(predictions, "predictions", owner), owner)
    if values.ndim == 1:
        return Outcome(values, numeric=type_of_target(values) == "continuous")
    classes = np.arange(values.shape[1]) if classes is None else np.asarray(classes)
    if values.shape[1] < 2 or classes.shape != values.shape[1:]:
        raise _shape_error(values, classes, owner)
    is_share = values.min() >= 0 and np.allclose(values.sum(axis=1), 1, atol=1e-3)
    return Outcome(classes[values.argmax(axis=1)], False, classes, values, bool(is_share))


def _check_finite(values: Any, owner: str) -> np.ndarray:
    with naming_data(owner, "cannot use these predictions"):
        checked: np.ndarray = check_array(
            values, ensure_2d=False, dtype=None, input_name="predictions"
        )
    return checked


def _shape_error(values: np.ndarray, classes: np.ndarray | None, owner: str) -> ValueError:
    known = "" if classes is None else f" and {len(classes)} classes"
    return ValueError(
        f"{owner} needs predictions of shape (n,), labels or one number per image, or "
        "(n, n_classes), scores of at least two classes. Got predictions of shape "
        f"{values.shape}{known}."
    )


def tabulate_outcome(
    outcome: Outcome, target_names: Sequence[str] | None, owner: str
) -> dict[str, list[Any]]:
    """Return columns with the prediction of each image, and the best other class by the scores."""
    columns = {"prediction": name_labels(outcome.predictions, target_names, owner=owner)}
    if outcome.scores is None:
        return columns
    names = name_labels(np.asarray(outcome.classes), target_names, owner=owner)
    is_predicted = outcome.predictions[:, np.newaxis] == outcome.classes
    others = np.where(is_predicted, -np.inf, outcome.scores)
    if outcome.are_probabilities:
        columns["probability"] = np.where(is_predicted, outcome.scores, 0).sum(axis=1).tolist()
    if len(names) > 1:
        columns["second"] = [names[place] for place in others.argmax(axis=1)]
        if outcome.are_probabilities:
            columns["second_probability"] = others.max(axis=1).tolist()
    return columns


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
    if outcome.numeric and y is not None:
        errors, labels = _read_errors(outcome.predictions, y, owner)
        chosen = {int(i): "error" for i in np.argsort(-errors, kind="stable")[:n_images]}
        counts = {"error": len(errors)}
    else:
        labels = _read_labels(outcome, y, target_names, owner)
        chosen, counts = _choose(outcome, labels, target_names, n_images, owner)
    if not counts:
        raise ValueError(
            f"{owner} ranks images by their errors, or by a probability or decision value of each "
            "class. There are none: pass y, with labels or numbers, or a classifier with "
            "predict_proba, or with a decision_function that has a column per class."
        )
    names = None if outcome.numeric else target_names
    columns = tabulate_outcome(outcome, names, owner) | ({} if y is None else {"label": labels})
    rows = [
        {"kind": kind, "row": i, **{name: column[i] for name, column in columns.items()}}
        for i, kind in chosen.items()
    ]
    return rows, counts


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
    predicted = outcome.predictions if outcome.classes is None else np.asarray(outcome.classes)
    with naming_data(owner, "needs one label in y for each image"):
        y = column_or_1d(y)
        check_consistent_length(outcome.predictions, y)
    # -1 may also be a class, as of -1 and 1.
    unlabelled = is_unlabelled(y) & ~is_unlabelled(predicted).any()
    known = y[~unlabelled].tolist()
    example = predicted.tolist()[0]
    other = any(isinstance(label, str) != isinstance(example, str) for label in known)
    if other or len(missing_rows(y[~unlabelled])):
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
    margins = _margins(outcome.scores)
    wrong, others = np.flatnonzero(is_wrong), np.flatnonzero(~is_wrong)
    doubtful = others[:0]
    if margins is not None:
        wrong = wrong[np.argsort(-margins[wrong], kind="stable")]
        doubtful = others[np.argsort(margins[others], kind="stable")]
    n_wrong = max((n_images + 1) // 2, n_images - len(doubtful))
    chosen = {int(i): "wrong" for i in wrong[:n_wrong]}
    chosen |= {int(i): "doubt" for i in doubtful[: n_images - len(chosen)]}
    has_labels = any(label is not None for label in labels)
    counts = {"wrong": len(wrong)} if has_labels else {}
    return chosen, counts | ({"doubt": len(doubtful)} if len(doubtful) else {})


def _margins(scores: np.ndarray | None) -> np.ndarray | None:
    """Return the difference of the two largest scores of each image, None if there are no two."""
    if scores is None or scores.shape[1] < 2:
        return None
    ordered = np.sort(scores, axis=1)
    return ordered[:, -1] - ordered[:, -2]
