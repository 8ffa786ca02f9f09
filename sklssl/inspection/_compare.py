"""Which embedder suits some images: a probe on few labels, on the features of each."""

import time
from numbers import Integral, Real

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_consistent_length, check_random_state, column_or_1d

from sklssl._data.arrays import check_images
from sklssl._data.columns import as_images, holds_paths, holds_pictures
from sklssl._data.readable import readable_rows
from sklssl.inspection._candidates import make_candidates
from sklssl.inspection._comparison import Comparison, Result
from sklssl.inspection._label_draws import check_n_labels, draw_rows
from sklssl.semi_supervised._indexing import take_rows
from sklssl.semi_supervised._labels import check_labels, encode_labels
from sklssl.utils._checks import MAX_SIDE, MIN_SCALED_SIDE, naming_data
from sklssl.utils._sklearn_compat import HasMethods, Interval, validate_params

__all__ = ["compare_embedders"]

_NAME = "compare_embedders"
# The best, or nearly, on digits and photographs, with 10 and 50 labels a class, for pixels and for
# networks alike. One C for all would favour whatever has more features.
_C_TIMES_FEATURES = 5


@validate_params(
    {
        "n_labels": [Integral, "array-like"],
        "n_draws": [Interval(Integral, 2, None, closed="left")],
        "test_size": [
            Interval(Real, 0, 1, closed="neither"),
            Interval(Integral, 1, None, closed="left"),
        ],
        "probe": [HasMethods(["fit", "predict"]), None],
        "scoring": [str, callable, None],
        "baselines": ["boolean"],
        "image_size": [Interval(Integral, MIN_SCALED_SIDE, MAX_SIDE, closed="both"), None],
        "image_shape": ["array-like", None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    },
    prefer_skip_nested_validation=False,
)
def compare_embedders(
    X,
    y,
    embedders=None,
    *,
    n_labels=(10, 50),
    n_draws=5,
    test_size=0.25,
    groups=None,
    probe=None,
    scoring=None,
    baselines=True,
    image_size=None,
    image_shape=None,
    random_state=None,
    verbose=0,
):
    """Compare embedders on images of your own, beside raw pixels and an untrained network.

    A part of the images is set aside. Each embedder is fitted once on all others, without labels.
    Then a few images of each class get their label, several times anew; a classifier learns from
    their features, and is scored on the images that were set aside.

    Parameters
    ----------
    X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
        Images, or whatever the embedders take. Where the `on_error` of one of them is "skip", files
        that cannot be read are left out for all.

    y : array-like of shape (n,)
        The class of each image, -1 where it is not known: the embedders learn from such an image,
        but it gets no label and is not tested on.

    embedders : estimator, list of estimator or of (str, estimator), or dict, default=None
        What is compared: embedders of sklssl or any transformers of scikit-learn. They are cloned;
        one in a ``FrozenEstimator`` is taken as it is. Without names they are called what makes
        them. None is ``[PatchDictionaryEmbedder(), RotNetEmbedder()]``.

    n_labels : int or sequence of int, default=(10, 50)
        How many images of each class get a label.

    n_draws : int, default=5
        How often these are drawn, at least 2. All embedders see the same draws.

    test_size : float or int, default=0.25
        The share, or the number, of labelled images that are set aside, with the classes as in `y`.

    groups : array-like of shape (n,), default=None
        Images of one group (a person, a series of shots) are set aside together. `test_size` is
        then a share, or number, of groups.

    probe : classifier, default=None
        What learns from the features; fitted anew each time. None standardises them for a
        ``LogisticRegression(C=5 / n_features, max_iter=1000)``.

    scoring : str or callable, default=None
        What is measured, higher being better; None takes the ``score`` of `probe`: accuracy.

    baselines : bool, default=True
        Whether raw pixels, shrunk to 64x64 where they are more, and an untrained network are
        compared too.

    image_size : int, default=None
        The side to which the baselines and the default embedders resize images. None keeps the
        size.

    image_shape : tuple of int, default=None
        How the baselines and the default embedders fold rows into images; None is the smallest
        square.

    random_state : int, RandomState instance or None, default=None
        Splits the images and draws the labels; also seeds every embedder that has no seed.

    verbose : int, default=0
        Whether to print a line as each embedder is done.

    Returns
    -------
    comparison : Comparison
        A table, best first, that says which embedder to take. Print it.

    Raises
    ------
    TypeError
        If something in `embedders` cannot embed.
    ValueError
        If an argument cannot be used, or a class has too few images for `n_labels`; the message
        says which and why, before anything is fitted. What an embedder raises is passed on, with
        a note that names it.

    See Also
    --------
    layer_scores : Compare the stages of one fitted embedder.
    sklssl.semi_supervised.SemiSupervisedClassifier : Make the most of few labels.

    Notes
    -----
    The spread is that over the draws of labels. Another seed of an embedder, or other images set
    aside, would add to it: with 100 test images, a score of 80 % is only known to 4 points.

    A frozen embedder may have seen the images that are set aside. The best of many embedders looks
    a little better than it is.

    The probe learns from equally many images of each class, and is scored on classes as frequent
    as they are in `y`.

    Examples
    --------
    >>> from sklssl import RotNetEmbedder
    >>> from sklssl.datasets import load_digit_images
    >>> from sklssl.inspection import compare_embedders
    >>> X, y = load_digit_images(return_X_y=True)
    >>> comparison = compare_embedders(
    ...     X[:600], y[:600], [RotNetEmbedder(max_epochs=1)], n_labels=5, random_state=0
    ... )
    >>> sorted(row["name"] for row in comparison.rows)
    ['RotNetEmbedder(max_epochs=1)', 'raw pixels', 'untrained network']
    >>> embedder = comparison.estimators[comparison.choice]
    """
    rng = check_random_state(random_state)
    n_labels = check_n_labels(n_labels)
    scorer = _check_probe(probe, scoring)
    X, codes, y, groups = _check_data(X, y, groups, embedders)
    settings = {"image_size": image_size, "image_shape": image_shape}
    draws = draw_rows(
        codes, groups, n_labels=n_labels, n_draws=n_draws, test_size=test_size, rng=rng
    )
    candidates = make_candidates(embedders, baselines, settings, rng)
    results = {}
    for name, embedder in candidates.items():
        try:
            results[name] = _measure(embedder, X, y, draws, probe, scorer)
        except Exception as error:
            error.add_note(f"Raised in {_NAME} by the embedder {name!r}: {embedder!r}.")
            raise
        if verbose:
            result = results[name]
            print(
                f"[{_NAME}] {name}: {result.scores.mean():.3f}, fitted in {result.fit_time:.1f} s"
            )
    n_images = len(draws.train), len(draws.test)
    return Comparison(results, n_labels, n_images=n_images, scoring=scoring)


def _check_probe(probe, scoring):
    """Give the scorer; it wants a probe to look at, whose C does not matter."""
    if probe is not None and not is_classifier(probe):
        raise ValueError(
            f"The 'probe' argument of {_NAME} must be a classifier, since it learns the classes in "
            f"y, or None for a logistic regression. Got {probe!r}."
        )
    if isinstance(scoring, str) and scoring not in get_scorer_names():
        raise ValueError(
            f"The 'scoring' argument of {_NAME} must be a name that sklearn.metrics."
            "get_scorer_names() gives, such as 'accuracy' or 'balanced_accuracy', a callable "
            f"scorer(probe, Z, y), or None. Got {scoring!r}."
        )
    return check_scoring(_make_probe(probe, 1), scoring)


def _make_probe(probe, n_features):
    if probe is not None:
        return clone(probe)
    classifier = LogisticRegression(C=_C_TIMES_FEATURES / n_features, max_iter=1000)
    return make_pipeline(StandardScaler(), classifier)


def _check_data(X, y, groups, embedders):
    """Give X, the class of each row as a number, the labels, and the groups as numbers."""
    X = as_images(X)
    if not holds_paths(X) and not holds_pictures(X):
        check_images(X, estimator=_NAME)  # only checked: each embedder reads X its own way
    y, labelled = check_labels(y, owner=_NAME)
    _check_length("y", X, y)
    if groups is not None:
        with naming_data(f"The 'groups' argument of {_NAME}", "must hold one group an image"):
            _, groups = np.unique(column_or_1d(groups), return_inverse=True)
        _check_length("groups", X, groups)
    rows = readable_rows(X, embedders)
    if rows is not None:
        X, y, labelled = take_rows(X, rows), y[rows], labelled[rows]
        groups = None if groups is None else groups[rows]
    _, codes = encode_labels(y, labelled, owner=_NAME)
    return X, codes, y, groups


def _check_length(name, X, values):
    try:
        check_consistent_length(X, values)
    except ValueError as error:
        raise ValueError(
            f"The '{name}' argument of {_NAME} must hold one value an image. {error}."
        ) from error


def _measure(embedder, X, y, draws, probe, scorer):
    """Fit `embedder` on the training part, and score the probe for every draw."""
    start = time.perf_counter()
    embedder.fit(take_rows(X, draws.train), None)
    fitted = time.perf_counter()
    # What no draw has chosen need not be embedded.
    drawn = np.unique(np.concatenate([few for draw in draws.labelled for few in draw.values()]))
    Z = _embed(embedder, take_rows(X, drawn))
    Z_test = _embed(embedder, take_rows(X, draws.test))
    seconds = time.perf_counter() - fitted
    scores = [
        [
            scorer(
                _make_probe(probe, Z.shape[1]).fit(Z[np.searchsorted(drawn, few)], y[few]),
                Z_test,
                y[draws.test],
            )
            for few in draw.values()
        ]
        for draw in draws.labelled
    ]
    return Result(
        scores=np.array(scores, dtype=float).T,
        n_features=Z.shape[1],
        fit_time=fitted - start,
        transform_time=1000 * seconds / (len(Z) + len(Z_test)),
        estimator=embedder,
    )


def _embed(embedder, X):
    features = np.asarray(embedder.transform(X))
    if features.ndim != 2:
        raise ValueError(
            f"{_NAME} needs features of shape (n_images, n_features), but transform gave an array "
            f"of shape {features.shape}."
        )
    return features
