"""Which classifier is fitted on the features, and on which rows."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier

__all__ = ["classifier_has", "default_classifier", "learns_from_unlabelled"]

# More features make the covariance of a discriminant analysis slow, and hardly better.
_MOST_COMPONENTS = 512
_SEMI_SUPERVISED_MODULES = ("sklearn.semi_supervised.", "sklssl.semi_supervised.")


def default_classifier(codes=(0, 0, -1), n_features=1):
    """Give the classifier that did well on digits and on CIFAR-10 (benchmarks/few_labels.py).

    Self-training takes over what the classifier is sure of, also where that is wrong. Two linear
    classifiers that err in different ways are sure together less often when they are wrong.

    Parameters
    ----------
    codes : array-like of int, default=(0, 0, -1)
        The labels it will be fitted on, -1 where there is none.

    n_features : int, default=1
        The number of features, of which no more than 512 principal components are taken.

    Returns
    -------
    classifier : Pipeline
    """
    codes = np.asarray(codes)
    n_components = min(_MOST_COMPONENTS, len(codes) - 1)
    # Standardised features have a variance of 1 each; all of it is in those components.
    strength = min(0.1, 0.1 * _MOST_COMPONENTS / n_features)
    classifier = LogisticRegression(C=strength, max_iter=1000)
    if np.bincount(codes[codes != -1]).min() > 1:  # a single row of a class has no covariance
        lda = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.3)
        classifier = VotingClassifier([("lda", lda), ("logistic", classifier)], voting="soft")
    if -1 in codes:  # else there is nothing to train itself on, and scikit-learn would warn
        classifier = SelfTrainingClassifier(classifier, threshold=0.8)
    if n_features <= n_components:
        return make_pipeline(StandardScaler(), classifier)
    projection = PCA(n_components, svd_solver="randomized", random_state=0)
    return make_pipeline(StandardScaler(), projection, classifier)


def learns_from_unlabelled(classifier):
    """Tell whether `classifier` reads -1 in `y` as scikit-learn's semi-supervised ones do.

    Those are known by the module of their class or of a class that it extends; a pipeline by its
    last step, and a search by what it searches.
    """
    if isinstance(classifier, Pipeline):
        return learns_from_unlabelled(classifier.steps[-1][1])
    if isinstance(classifier, (GridSearchCV, RandomizedSearchCV)):
        return learns_from_unlabelled(classifier.estimator)
    return any(
        cls.__module__.startswith(_SEMI_SUPERVISED_MODULES) for cls in type(classifier).__mro__
    )


def classifier_has(method):
    """Make a check whether an estimator's classifier has `method`: the fitted one, if any."""

    def check(estimator):
        classifier = getattr(estimator, "classifier_", estimator.classifier)
        return hasattr(default_classifier() if classifier is None else classifier, method)

    return check
