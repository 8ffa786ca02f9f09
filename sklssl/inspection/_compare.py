"""Compare embedders by a probe that learns from their features and a few labels."""

import time
import warnings
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone, is_classifier
from sklearn.utils import check_consistent_length, check_random_state

from sklssl._data.arrays import check_images
from sklssl._data.columns import is_image_sequence, is_path_sequence, unwrap_images
from sklssl._data.readable import readable_rows
from sklssl._data.rows import take_rows
from sklssl.exceptions import CollapseWarning
from sklssl.inspection._candidates import PIXELS, UNTRAINED, make_candidates
from sklssl.inspection._comparison import Comparison, Result
from sklssl.inspection._label_draws import Draws, check_n_labels, draw_rows
from sklssl.inspection._scoring import check_scorer
from sklssl.semi_supervised._default_classifier import default_classifier, fit_default_classifier
from sklssl.semi_supervised._indexing import embed_rows
from sklssl.semi_supervised._labels import check_labels, encode_groups, encode_labels
from sklssl.utils._checks import MAX_SIDE, MIN_SCALED_SIDE
from sklssl.utils._sklearn_compat import HasMethods, Interval, validate_params
from sklssl.utils._typing import ImagesLike

__all__ = ["compare_embedders"]

_NAME = "compare_embedders"


@validate_params(
    {
        "n_labels": [Integral, "array-like", None],
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
    }
)
def compare_embedders(
    X: ImagesLike,
    y: npt.ArrayLike,
    embedders: Any = None,
    *,
    n_labels: int | Sequence[int] | None = None,
    n_draws: int = 5,
    test_size: float = 0.25,
    groups: npt.ArrayLike | None = None,
    probe: Any = None,
    scoring: str | Callable[..., float] | None = None,
    baselines: bool = True,
    image_size: int | None = None,
    image_shape: Sequence[int] | None = None,
    random_state: Any = None,
    verbose: int = 0,
) -> Comparison:
    """Compare embedders on your own images, with raw pixels and an untrained network as baselines.

    Some of the images are held out for testing. Each embedder is fitted once on all others, without
    labels. Then a few labelled images of each class are drawn at random, several times. Each time,
    a classifier is fitted on their features and scored on the held-out images.

    Parameters
    ----------
    X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
        Images, or any input that the embedders accept. If `on_error` of one of them is "skip",
        files that cannot be read are skipped for all.

    y : array-like of shape (n,)
        The class of each image, -1 where it is unknown. Embedders are fitted on these images too,
        but they are neither labelled nor used for testing.

    embedders : estimator, list of estimator or of (str, estimator), or dict, default=None
        The embedders to compare: embedders of sklssl, or any scikit-learn transformers, most of
        which need images as rows (n, H*W*C). They are cloned and fitted; a ``FrozenEstimator`` is
        used without fitting. Embedders without a name are named by their repr. None means
        ``[PatchDictionaryEmbedder(), ViewWhiteningEmbedder(), RotNetEmbedder()]``.

    n_labels : int or sequence of int, default=None
        Number of labelled images per class. None means 10 and 50, but fewer if classes are small:
        the two largest of 2, 10 and 50 that are at most nine tenths of the images for training of
        the smallest class, so that the draws differ, or else 1.

    n_draws : int, default=5
        Number of times the labelled images are drawn, at least 2. All embedders use the same draws.

    test_size : float or int, default=0.25
        Fraction or number of labelled images to hold out for testing, stratified by class.

    groups : array-like of shape (n,), default=None
        Images of the same group (a person, a series of shots) are kept together in the training or
        the test part. `test_size` is then a fraction or number of groups.

    probe : classifier, default=None
        The classifier fitted on the features of each draw. None means the default classifier of
        :class:`~sklssl.semi_supervised.SemiSupervisedClassifier`, without self-training.

    scoring : str or callable, default=None
        The score to compute, higher being better. None uses ``probe.score``: accuracy.

    baselines : bool, default=True
        Whether to add raw pixels (of images shrunk to at most 64x64) and an untrained network to
        the comparison.

    image_size : int, default=None
        Height and width to which the baselines and the default embedders resize images. None keeps
        the original size. Set it to the `image_size` of your embedders, so that all get the same
        images; the result says so where they do not.

    image_shape : tuple of int, default=None
        The shape into which the baselines and the default embedders reshape rows. None means the
        smallest square.

    random_state : int, RandomState instance or None, default=None
        Controls the split and the draws of labels, and seeds every embedder without a seed.

    verbose : int, default=0
        Whether to print a line after each embedder.

    Returns
    -------
    comparison : Comparison
        A table sorted by score, with advice on which embedder to use. Print it to read it.

    Raises
    ------
    TypeError
        If an element of `embedders` is not a transformer.
    ValueError
        If an argument is invalid, or a class has too few images for `n_labels`. This is checked
        before anything is fitted. An error raised by an embedder is re-raised with a note that
        names the embedder.

    See Also
    --------
    layer_scores : Compare the layers of one fitted embedder.
    sklssl.semi_supervised.SemiSupervisedClassifier : Learn from few labels.

    Notes
    -----
    The spread is measured over the draws of labels. It does not include the variation between seeds
    of an embedder or between test sets: with 100 test images, the standard error of a score of 80 %
    is 4 points.

    A frozen embedder may have been fitted on the test images. The score of the best of many
    embedders is slightly optimistic.

    The probe is fitted on the same number of images of each class, and is scored on classes that
    are as frequent as in `y`. Where one class is by far the largest, the result says what answering
    always this class would reach; ``scoring="balanced_accuracy"`` counts all classes alike.

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
    numbers = check_n_labels(n_labels)
    scorer = _check_probe(probe, scoring)
    X, y, classes, codes, groups = _check_data(X, y, groups, embedders)
    settings = {"image_size": image_size, "image_shape": image_shape}
    draws = draw_rows(
        codes,
        groups,
        classes=classes,
        n_labels=numbers,
        n_draws=n_draws,
        test_size=test_size,
        rng=rng,
    )
    candidates = make_candidates(embedders, baselines, settings, rng)
    results = {}
    for name, embedder in candidates.items():
        is_baseline = baselines and name in (PIXELS, UNTRAINED)
        try:
            with warnings.catch_warnings():
                if is_baseline:  # the user did not choose it, and sees its scores
                    warnings.simplefilter("ignore", CollapseWarning)
                results[name] = _measure(embedder, X, y, draws, probe, scorer)
        except Exception as error:
            error.add_note(f"Raised in {_NAME} by the embedder {name!r}: {embedder!r}.")
            # Not an ImageFileError, which names the file.
            if (is_baseline or embedders is None) and type(error) is ValueError:
                _raise_size_error(name, image_size, error)
            raise
        if verbose:
            result = results[name]
            print(
                f"[{_NAME}] {name}: {result.scores.mean():.3f}, fitted in {result.fit_time:.1f} s"
            )
    n_images = len(draws.train), len(draws.test)
    counts = np.bincount(codes[draws.test])
    largest = classes[[counts.argmax()]].tolist()[0], counts.max() / len(draws.test)
    numbers = list(draws.labelled[0])
    return Comparison(results, numbers, n_images=n_images, scoring=scoring, largest=largest)


def _raise_size_error(name: str, image_size: int | None, error: ValueError) -> None:
    """Name the argument that the user can set, if `error` asks for another `image_size`."""
    if "image_size" in str(error):
        raise ValueError(
            f"The 'image_size' argument of {_NAME} is {image_size}, but the embedder {name!r}, "
            f"which {_NAME} adds, needs another value for these images: {error}"
        ) from error


def _check_probe(probe: Any, scoring: str | Callable[..., float] | None) -> Callable[..., float]:
    """Return the scorer, which depends on the methods of the probe alone."""
    if probe is None:
        default = default_classifier(np.zeros(2), n_features=1)
        # Its own method `score` is the same, but metadata routing does not support it.
        return check_scorer(default, "accuracy" if scoring is None else scoring, _NAME)
    if isinstance(probe, type) or not is_classifier(probe):
        raise ValueError(
            f"The 'probe' argument of {_NAME} must be a classifier, since y holds classes, "
            f"or None for a linear one. Got {probe!r}."
        )
    return check_scorer(probe, scoring, _NAME)


def _fit_probe(probe: Any, Z: Any, y: np.ndarray) -> Any:
    return fit_default_classifier(Z, y) if probe is None else clone(probe).fit(Z, y)


def _check_data(
    X: Any, y: Any, groups: Any, embedders: Any
) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """Return X, the labels, the classes, and the classes and groups of the rows as indices."""
    X = unwrap_images(X, stack=False)
    if not is_path_sequence(X) and not is_image_sequence(X):
        check_images(X, estimator=_NAME)  # only checked: each embedder reads X its own way
    y, labelled = check_labels(y, owner=_NAME)
    _check_length("y", X, y)
    if groups is not None:
        groups = encode_groups(groups, owner=_NAME)
        _check_length("groups", X, groups)
    rows = readable_rows(X, embedders)
    if rows is not None:
        X, y, labelled = take_rows(X, rows), y[rows], labelled[rows]
        groups = None if groups is None else groups[rows]
    classes, codes = encode_labels(y, labelled, owner=_NAME)
    return X, y, classes, codes, groups


def _check_length(name: str, X: Any, values: np.ndarray) -> None:
    try:
        check_consistent_length(X, values)
    except ValueError as error:
        raise ValueError(
            f"The '{name}' argument of {_NAME} must hold one value an image. {error}."
        ) from error


def _measure(
    embedder: Any, X: Any, y: np.ndarray, draws: Draws, probe: Any, scorer: Callable[..., float]
) -> Result:
    """Fit `embedder` on the training part, and score the probe for every draw."""
    start = time.perf_counter()
    embedder.fit(take_rows(X, draws.train), None)
    fitted = time.perf_counter()
    # What no draw has chosen need not be embedded.
    drawn = np.unique(np.concatenate([few for draw in draws.labelled for few in draw.values()]))
    Z = _embed(embedder, take_rows(X, drawn))
    Z_test = _embed(embedder, take_rows(X, draws.test))
    seconds = time.perf_counter() - fitted
    with warnings.catch_warnings():
        # With one or two labels of each of many classes; that y holds classes has been checked.
        warnings.filterwarnings("ignore", "The number of unique classes is greater", UserWarning)
        scores = [
            [
                scorer(
                    _fit_probe(probe, take_rows(Z, np.searchsorted(drawn, few)), y[few]),
                    Z_test,
                    y[draws.test],
                )
                for few in draw.values()
            ]
            for draw in draws.labelled
        ]
    if not np.isfinite(scores).all():
        raise ValueError(
            f"The 'scoring' argument of {_NAME} returned NaN or infinity, which cannot be ranked, "
            "for some of the draws. Use a score that is defined for every prediction."
        )
    return Result(
        scores=np.array(scores, dtype=float).T,
        n_features=Z.shape[1],
        fit_time=fitted - start,
        transform_time=1000 * seconds / (len(drawn) + len(draws.test)),
        estimator=embedder,
    )


def _embed(embedder: Any, X: Any) -> Any:
    features = embed_rows(embedder, X)
    if features.ndim != 2:
        raise ValueError(
            f"{_NAME} needs features of shape (n_images, n_features), but transform gave an array "
            f"of shape {features.shape}."
        )
    return features
