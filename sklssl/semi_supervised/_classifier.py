"""A classifier for many images and few labels."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone, is_classifier
from sklearn.metrics import accuracy_score
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sklssl._data.readable import readable_rows
from sklssl._storage.attributes import is_vector
from sklssl.semi_supervised._default_classifier import (
    classifier_has,
    default_classifier,
    learns_from_unlabelled,
)
from sklssl.semi_supervised._indexing import EmbedsRows, embed_rows, take_rows
from sklssl.semi_supervised._labels import check_labels, encode_labels
from sklssl.utils._arguments import ChecksArguments
from sklssl.utils._checks import naming_parameter
from sklssl.utils._sklearn_compat import HasMethods, _fit_context, tags_of

__all__ = ["SemiSupervisedClassifier"]


class SemiSupervisedClassifier(ChecksArguments, ClassifierMixin, EmbedsRows, BaseEstimator):
    """Learn features from all images, and classes from those that have a label.

    ``y == -1`` marks a row without a label, as in scikit-learn's semi-supervised classifiers.
    The embedder is fitted on all rows. The classifier is fitted on the labelled rows, or on all of
    them if it is one that learns from unlabelled rows too.

    Parameters
    ----------
    embedder : transformer
        What turns images into features: an embedder of sklssl or any transformer of scikit-learn.
        It is cloned and fitted without labels; a ``FrozenEstimator(embedder)`` stays as it is.

    classifier : classifier, default=None
        What learns the classes from the features; it is cloned. scikit-learn's semi-supervised
        classifiers (also one that extends them, ends a pipeline or is searched over by
        ``GridSearchCV`` or ``RandomizedSearchCV``) get all rows, others the labelled ones. None
        standardises the features, takes 512 principal components of them if there are more, and
        lets a linear discriminant analysis (``shrinkage=0.3``) and a logistic regression (``C=0.1``
        for 512 features, less for more) vote by their probabilities, in a
        ``SelfTrainingClassifier(threshold=0.8)``. The vote is left out if a class has one label,
        self-training if every row has one. The features must be dense for it.

    Attributes
    ----------
    embedder_ : transformer
        The fitted embedder.

    classifier_ : classifier
        The fitted classifier. It knows the classes as 0, 1, ..., the places in ``classes_``.

    classes_ : ndarray of shape (n_classes,)
        The labels, sorted, without the marker.

    n_features_in_ : int
        The number of values in a row of `X`; of ``embedder_``.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, when `X` had any that are strings; of ``embedder_``.

    See Also
    --------
    LabeledSplit : Cross-validation that scores no unlabelled row.

    References
    ----------
    Yarowsky. Unsupervised Word Sense Disambiguation Rivaling Supervised Methods. ACL 1995.

    Examples
    --------
    >>> from sklssl import RotNetEmbedder
    >>> from sklssl.datasets import load_digit_images
    >>> from sklssl.semi_supervised import SemiSupervisedClassifier
    >>> X, y = load_digit_images(return_X_y=True)
    >>> y_few = y[:300].copy()
    >>> y_few[100:] = -1
    >>> model = SemiSupervisedClassifier(RotNetEmbedder(max_epochs=2, random_state=0))
    >>> bool(model.fit(X[:300], y_few).score(X[300:], y[300:]) > 0.8)
    True
    """

    _parameter_constraints = {
        "embedder": [HasMethods(["fit", "transform"])],
        "classifier": [HasMethods(["fit", "predict"]), None],
    }

    _fitted_attributes = {
        "embedder_": lambda value: hasattr(value, "transform"),
        "classifier_": lambda value: hasattr(value, "predict"),
        "classes_": is_vector,
    }

    def __init__(self, embedder, classifier=None):
        self.embedder = embedder
        self.classifier = classifier

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y):
        """Fit the embedder on all rows and the classifier on what it can learn from.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            Images, or whatever the embedder takes. Where its `on_error` is "skip", files that
            cannot be read are left out with their labels.

        y : array-like of shape (n,)
            Labels: numbers or strings, -1 for the rows without one. In an array of strings the
            marker is ``"-1"``, which is what numpy makes of -1 there; among objects it may be
            either.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If `y` has no label, labels of one class only, NaN, or another length than `X`.

        Warns
        -----
        UserWarning
            If all of `y` is -1 or 1: one class would be left, so both are taken as classes.
        """
        y, labelled = check_labels(y, owner=self)
        with naming_parameter(self, "y"):
            check_consistent_length(X, y)
        classifier = self._clone_classifier()
        with naming_parameter(self, "embedder"):
            embedder = clone(self.embedder)
        rows = readable_rows(X, embedder)
        if rows is not None:
            X, y, labelled = take_rows(X, rows), y[rows], labelled[rows]
        classes, codes = encode_labels(y, labelled, owner=self)
        embedder.fit(X, None)
        if classifier is not None and not learns_from_unlabelled(classifier):
            rows = np.flatnonzero(labelled)
            X, codes = take_rows(X, rows), codes[rows]
        features = embed_rows(embedder, X)
        if classifier is None:
            classifier = default_classifier(codes, features.shape[1])
        classifier.fit(features, codes)
        self.embedder_, self.classifier_, self.classes_ = embedder, classifier, classes
        return self

    def predict(self, X):
        """Predict the class of each row.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            Images of the shape and range seen in ``fit``.

        Returns
        -------
        y : ndarray of shape (n,)
            Labels out of ``classes_``; never the marker.
        """
        places = self._ask("predict", X)
        return self.classes_[np.asarray(places, dtype=int)]

    @available_if(classifier_has("predict_proba"))
    def predict_proba(self, X):
        """Give the probability of each class, where the classifier has one.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            Images of the shape and range seen in ``fit``.

        Returns
        -------
        proba : ndarray of shape (n, n_classes)
            In the order of ``classes_``.
        """
        return self._ask("predict_proba", X)

    @available_if(classifier_has("decision_function"))
    def decision_function(self, X):
        """Give the decision values of the classifier, where it has any.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            Images of the shape and range seen in ``fit``.

        Returns
        -------
        decision : ndarray of shape (n,) or (n, n_classes)
            In the order of ``classes_``; of shape (n,) for two classes.
        """
        return self._ask("decision_function", X)

    def score(self, X, y, sample_weight=None):
        """Give the accuracy on the labelled rows; those marked by -1 are left out.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            Images of the shape and range seen in ``fit``.

        y : array-like of shape (n,)
            Labels; a label not seen in ``fit`` counts as wrong.

        sample_weight : array-like of shape (n,), default=None
            How much each row counts; those of rows without a label are not looked at.

        Returns
        -------
        accuracy : float

        Raises
        ------
        ValueError
            If no row of `y` has a label.
        """
        check_is_fitted(self)
        y, labelled = check_labels(y, owner=self, classes=self.classes_)
        with naming_parameter(self, "y"):
            check_consistent_length(X, y)
        rows = np.flatnonzero(labelled)
        weights = None if sample_weight is None else self._check_weights(sample_weight, y)[rows]
        return accuracy_score(y[rows], self.predict(take_rows(X, rows)), sample_weight=weights)

    def _check_weights(self, sample_weight, y):
        with naming_parameter(self, "sample_weight"):
            weights = column_or_1d(sample_weight)
            check_consistent_length(y, weights)
        return weights

    def _clone_classifier(self):
        """Give the user's classifier as a clone, or None."""
        if self.classifier is None:
            return None
        if not is_classifier(self.classifier):
            raise ValueError(
                f"The 'classifier' parameter of {type(self).__name__} must be a classifier of "
                f"scikit-learn's kind, or a pipeline that ends in one. Got {self.classifier!r}."
            )
        return clone(self.classifier)

    def _ask(self, method, X):
        check_is_fitted(self)
        return getattr(self.classifier_, method)(embed_rows(self.embedder_, X))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inner = tags_of(self.embedder, tags)
        tags.input_tags = inner.input_tags
        tags.transformer_tags = inner.transformer_tags or tags.transformer_tags
        if self.classifier is not None:
            classifier_tags = tags_of(self.classifier, tags).classifier_tags
            tags.classifier_tags = classifier_tags or tags.classifier_tags
        return tags
