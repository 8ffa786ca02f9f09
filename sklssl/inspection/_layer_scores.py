"""Score a simple probe on the features of each layer of a network."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import check_cv, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_array, check_consistent_length

from sklssl._data.input import decode_files, validate_input
from sklssl._features.estimator import FeatureEstimator
from sklssl._features.extractor import FeatureExtractor, make_extractor
from sklssl.inspection._scoring import check_scorer
from sklssl.utils._arguments import check_complete
from sklssl.utils._classes import check_classes
from sklssl.utils._markers import warn_if_marker_is_class
from sklssl.utils._typing import ImagesLike
from sklssl.utils._whole import is_whole

__all__ = ["layer_scores"]

_POOL_SIZES = (1, 2, 3, 4)


def layer_scores(
    embedder: Any,
    X: ImagesLike,
    y: npt.ArrayLike,
    *,
    probe: Any = None,
    cv: Any = 5,
    pool_sizes: Sequence[int] | None = None,
    scoring: str | Callable[..., float] | None = None,
    n_jobs: int | None = None,
) -> list[dict[str, Any]]:
    """Cross-validate a probe on the features of every layer, at several pool sizes.

    The embedder is neither trained nor changed, and each image passes through its network once.

    Parameters
    ----------
    embedder : fitted embedder, or FrozenEstimator of one
        The embedder whose layers are scored.

    X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
        Images of the shape and range seen in ``fit``. If `on_error` of the embedder is "skip",
        files that cannot be read are skipped, with their rows of `y`.

    y : array-like of shape (n,) or (n, n_outputs)
        The target of the probe: classes, or numbers for a regressor.

    probe : estimator, default=None
        Fitted on each training fold. None means a logistic regression on standardised features.

    cv : int, cross-validation generator or iterable, default=5
        The folds, the same for all layers and pool sizes; stratified if `probe` is a classifier.

    pool_sizes : sequence of int, default=None
        Feature maps are averaged over this many cells per side. None means (1, 2, 3, 4). For small
        feature maps, a size that results in the same cells as an earlier one is skipped.

    scoring : str or callable, default=None
        The score to compute. None uses ``probe.score``: accuracy, or R^2.

    n_jobs : int, default=None
        Number of folds to fit in parallel.

    Returns
    -------
    rows : list of dict
        One row per layer and pool size, from the first layer to the last, with the keys layer,
        pool_size, n_features, mean_score and std_score (over the folds), fit_time and
        score_time (mean over the folds, in seconds). Convert it to a table with
        ``pandas.DataFrame(rows)``.

    Raises
    ------
    NotFittedError
        If `embedder` is not fitted.
    TypeError
        If `embedder` is not an embedder of sklssl.
    ValueError
        If `y` does not match the images or the probe, or an argument is invalid.

    See Also
    --------
    sklssl.BaseEmbedder.set_layer : Make ``transform`` use the chosen layer.

    Notes
    -----
    The features of all layers and pool sizes are held in memory in float32, for a short time
    twice. Pass fewer `pool_sizes` or images if memory does not suffice.

    The score of the best of many rows is optimistic: score the chosen layer on other images.

    Examples
    --------
    >>> from sklssl import RotNetEmbedder
    >>> from sklssl.datasets import load_digit_images
    >>> from sklssl.inspection import layer_scores
    >>> X, y = load_digit_images(return_X_y=True)
    >>> embedder = RotNetEmbedder(max_epochs=1, random_state=0).fit(X[:200])
    >>> rows = layer_scores(embedder, X[:200], y[:200], pool_sizes=(1, 2), cv=3)
    >>> [(row["layer"], row["pool_size"], row["n_features"]) for row in rows][:3]
    [('patches1', 1, 288), ('patches1', 2, 1152), ('patches2', 1, 768)]
    >>> best = max(rows, key=lambda row: row["mean_score"])
    >>> embedder = embedder.set_params(pool_size=best["pool_size"]).set_layer(best["layer"])
    """
    embedder = _find_network(embedder)
    pool_sizes = _check_pool_sizes(_POOL_SIZES if pool_sizes is None else pool_sizes)
    if probe is None:
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    scorer = check_scorer(probe, scoring, "layer_scores")
    extractor = make_extractor(embedder)
    images = validate_input(embedder, X, reset=False)
    y = _check_targets(y, len(images), is_classifier(probe))
    # Once, so that all rows are compared on the same folds.
    folds = list(check_cv(cv, y, classifier=is_classifier(probe)).split(images, y))
    readable = decode_files(embedder, images)
    if readable is not None:
        folds = _reindex_folds(folds, readable, len(y))
        y = y[readable]
    features = extractor.embed_layers(images, _distinct_choices(extractor, pool_sizes))
    settings = {"cv": folds, "scoring": scorer, "n_jobs": n_jobs, "error_score": "raise"}
    # Each matrix is released once it has been scored.
    return [
        {"layer": layer, "pool_size": size}
        | _score(probe, features.pop((layer, size)), y, settings)
        for layer, size in list(features)
    ]


def _score(probe: Any, Z: np.ndarray, y: Any, settings: dict[str, Any]) -> dict[str, Any]:
    """Cross-validate a probe on features; return the means and the spread as a dict."""
    result = cross_validate(probe, Z, y, **settings)
    return {
        "n_features": Z.shape[1],
        "mean_score": float(result["test_score"].mean()),
        "std_score": float(result["test_score"].std()),
        "fit_time": float(result["fit_time"].mean()),
        "score_time": float(result["score_time"].mean()),
    }


def _find_network(embedder: Any) -> Any:
    """Return the fitted embedder that holds the network."""
    found = embedder.estimator if isinstance(embedder, FrozenEstimator) else embedder
    if not isinstance(found, FeatureEstimator):
        raise TypeError(
            "The 'embedder' argument of layer_scores must be a fitted embedder of sklssl, or a "
            f"FrozenEstimator of one. Got {embedder!r}; of a Pipeline, pass the embedder step."
        )
    return found._fitted_embedder()


def _check_pool_sizes(pool_sizes: Any) -> list[int]:
    sizes = list(pool_sizes) if np.iterable(pool_sizes) else [pool_sizes]
    if not sizes or not all(map(is_whole, sizes)):
        raise ValueError(
            "The 'pool_sizes' argument of layer_scores must hold at least one whole number from "
            f"1, or be None for {_POOL_SIZES}. Got {pool_sizes!r}."
        )
    return [int(size) for size in sizes]


def _check_targets(y: Any, n_images: int, classes: bool) -> np.ndarray:
    if y is None:
        raise ValueError(
            "The 'y' argument of layer_scores must hold the target of the probe for each image. "
            "Got None; sklssl.metrics has scores that need no labels."
        )
    try:
        y = check_complete(y, "y", "layer_scores")
        y = check_classes(np.asarray(y)) if classes and np.ndim(y) == 1 else y
        y = check_array(y, ensure_2d=False, dtype=None, input_name="y")
        check_consistent_length(range(n_images), y)
        labels = np.unique(y)
    except (TypeError, ValueError) as error:
        remedy = " For numeric targets pass a regressor, such as probe=Ridge()." if classes else ""
        raise ValueError(
            f"The 'y' argument of layer_scores must match the {n_images} images and the probe. "
            f"{error}{remedy}"
        ) from error
    if classes:
        warn_if_marker_is_class(labels, "layer_scores")
    return y


def _reindex_folds(
    folds: list[tuple[np.ndarray, np.ndarray]], rows: np.ndarray, n_images: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Convert folds of all images to indices into the `rows` that could be read."""
    place = np.full(n_images, -1)
    place[rows] = np.arange(len(rows))
    parts = ((place[train], place[test]) for train, test in folds)
    return [(train[train >= 0], test[test >= 0]) for train, test in parts]


def _distinct_choices(extractor: FeatureExtractor, pool_sizes: list[int]) -> list[tuple[str, int]]:
    """Return the pairs (layer, pool_size) without those that result in the same cells."""
    choices: dict[tuple[str, tuple[int, ...]], tuple[str, int]] = {}
    for layer, (_, *sides) in extractor.shapes.items():
        for size in pool_sizes:
            pooled = tuple(min(size, side) for side in sides)
            choices.setdefault((layer, pooled), (layer, size))
    return list(choices.values())
