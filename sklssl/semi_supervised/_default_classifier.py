"""The default classifier for few labels, and which rows a classifier uses."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier

__all__ = [
    "classifier_has",
    "default_classifier",
    "fit_default_classifier",
    "learns_from_unlabelled",
]

# More components make the discriminant analysis slow, and hardly better.
_MAX_COMPONENTS = 512
_SEMI_SUPERVISED_MODULES = ("sklearn.semi_supervised.", "sklssl.semi_supervised.")
_BaseSearchCV: Any = GridSearchCV.__base__  # which scikit-learn does not export


def default_classifier(
    y: np.ndarray, n_features: int, labelled: np.ndarray | None = None
) -> Pipeline:
    """Return a classifier that did well on digits and on CIFAR-10 (docs/few_labels.md).

    Self-training adopts confident predictions, including wrong ones. Two linear classifiers that
    make different errors are less often jointly confident about a wrong prediction.

    Parameters
    ----------
    y : ndarray of shape (n,)
        The labels it will be fitted on; class indices and -1 if rows are unlabelled.

    n_features : int
        Number of features, which are reduced to at most 512 principal components.

    labelled : ndarray of shape (n,), bool, default=None
        Where `y` holds a label. None means everywhere, and -1 is then a class like others.

    Returns
    -------
    classifier : Pipeline
    """
    n_components = min(_MAX_COMPONENTS, len(y) - 1)
    # Each standardised feature has variance 1, and the components contain their total.
    strength = min(0.1, 0.1 * _MAX_COMPONENTS / n_features)
    classifier = LogisticRegression(C=strength, max_iter=1000)
    is_complete = labelled is None or labelled.all()
    _, counts = np.unique(y if is_complete else y[labelled], return_counts=True)
    if counts.min() > 1:  # the covariance needs two rows
        lda = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.3)
        classifier = VotingClassifier([("lda", lda), ("logistic", classifier)], voting="soft")
    if not is_complete:  # otherwise scikit-learn would warn
        # Later rounds adopt more wrong predictions than right ones on photographs.
        classifier = SelfTrainingClassifier(classifier, threshold=0.8, max_iter=2)
    if n_features <= n_components:
        return make_pipeline(StandardScaler(), classifier)
    projection = PCA(n_components, svd_solver="randomized", random_state=0)
    return make_pipeline(StandardScaler(), projection, classifier)


def fit_default_classifier(
    features: np.ndarray, y: np.ndarray, labelled: np.ndarray | None = None
) -> Pipeline:
    """Fit the default classifier on dense features and labels, all or some of them `labelled`."""
    if issparse(features):
        raise ValueError(
            "The default classifier needs dense features, but transform of the embedder returned "
            "a sparse matrix. Pass a classifier that accepts it, such as LogisticRegression()."
        )
    if not np.isfinite(features).all():
        raise ValueError(
            "The features that transform of the embedder returned contain NaN or infinity, which "
            "the default classifier cannot use. Pass an embedder with finite features."
        )
    with np.errstate(invalid="ignore"):  # PCA divides by the variance, which may be 0
        return default_classifier(y, features.shape[1], labelled).fit(features, y)


def learns_from_unlabelled(classifier: object) -> bool:
    """Return whether `classifier` treats -1 in `y` like scikit-learn's semi-supervised classifiers.

    These are recognised by the module of their class or of a base class, also as the last step of
    a pipeline or as the estimator of a search.
    """
    if isinstance(classifier, Pipeline):
        return learns_from_unlabelled(classifier.steps[-1][1])
    if isinstance(classifier, _BaseSearchCV):
        return learns_from_unlabelled(classifier.estimator)
    return any(
        cls.__module__.startswith(_SEMI_SUPERVISED_MODULES) for cls in type(classifier).__mro__
    )


def classifier_has(method: str) -> Callable[[Any], bool]:
    """Return a check whether the classifier of an estimator, fitted or not, has `method`."""

    def check(estimator: Any) -> bool:
        classifier = getattr(estimator, "classifier_", estimator.classifier)
        if classifier is None:  # the default one, with votes
            return method == "predict_proba"
        return hasattr(classifier, method)

    return check
