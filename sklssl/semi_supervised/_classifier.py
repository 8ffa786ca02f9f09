"""A classifier for many images of which few are labelled."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin, clone, is_classifier
from sklearn.metrics import accuracy_score
from sklearn.utils import Tags, check_consistent_length, column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sklssl._data.readable import readable_rows
from sklssl._data.rows import take_rows
from sklssl._storage.attributes import is_vector
from sklssl.embedding import ViewWhiteningEmbedder
from sklssl.semi_supervised._default_classifier import (
    classifier_has,
    fit_default_classifier,
    learns_from_unlabelled,
)
from sklssl.semi_supervised._indexing import EmbedsRows, embed_rows
from sklssl.semi_supervised._labels import check_labels, encode_labels
from sklssl.utils._arguments import ChecksArguments
from sklssl.utils._checks import naming_parameter
from sklssl.utils._sklearn_compat import HasMethods, _fit_context, tags_of
from sklssl.utils._typing import ImagesLike

__all__ = ["SemiSupervisedClassifier"]


class SemiSupervisedClassifier(ChecksArguments, ClassifierMixin, EmbedsRows, BaseEstimator):
    """Learn features from all images, and classes from the labelled images.

    ``y == -1`` marks unlabelled rows, as in scikit-learn's semi-supervised classifiers. The
    embedder is fitted on all rows. The classifier is fitted on the labelled rows, or on all rows if
    it is a semi-supervised classifier.

    Parameters
    ----------
    embedder : transformer, default=None
        An embedder of sklssl or any scikit-learn transformer that converts images to features. It
        is cloned and fitted without labels; a ``FrozenEstimator(embedder)`` is not fitted. None
        means ``ViewWhiteningEmbedder(random_state=0)``.

    classifier : classifier, default=None
        The classifier of the features; it is cloned. scikit-learn's semi-supervised classifiers
        (including subclasses, and those at the end of a pipeline or inside a search such as
        ``GridSearchCV``) are fitted on all rows, with -1 or the index of the class in ``classes_``;
        other classifiers are fitted on the labelled rows and their labels. The default standardises
        the features, reduces them to 512 principal components if there are more, and combines a
        linear discriminant analysis (``shrinkage=0.3``) and a logistic regression (``C=0.1`` for
        512 features, less for more) by soft voting, in a ``SelfTrainingClassifier(threshold=0.8,
        max_iter=2)``. If a class has a single label, only the logistic regression is used.
        Self-training is omitted if all rows are labelled. The default needs dense features.

    Attributes
    ----------
    embedder_ : transformer
        The fitted embedder.

    classifier_ : classifier
        The fitted classifier. If it was fitted on unlabelled rows too, it represents the classes as
        indices 0, 1, ... into ``classes_``.

    classes_ : ndarray of shape (n_classes,)
        The sorted labels, without the marker -1.

    n_features_in_ : int
        Number of values per row of `X`, as in ``embedder_``.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns of `X`, if all of them are strings, as in ``embedder_``.

    See Also
    --------
    LabeledSplit : Cross-validation that scores only labelled rows.

    References
    ----------
    Yarowsky. Unsupervised Word Sense Disambiguation Rivaling Supervised Methods. ACL 1995.

    Examples
    --------
    >>> from sklssl.datasets import load_digit_images
    >>> from sklssl.semi_supervised import SemiSupervisedClassifier
    >>> X, y = load_digit_images(return_X_y=True)
    >>> y_few = y[:300].copy()
    >>> y_few[100:] = -1
    >>> model = SemiSupervisedClassifier().fit(X[:300], y_few)
    >>> model.score(X[300:], y[300:]) > 0.85
    True
    """

    _parameter_constraints = {
        "embedder": [HasMethods(["fit", "transform"]), None],
        "classifier": [HasMethods(["fit", "predict"]), None],
    }

    _fitted_attributes = {
        "embedder_": lambda value: hasattr(value, "transform"),
        "classifier_": lambda value: hasattr(value, "predict"),
        "classes_": is_vector,
    }

    def __init__(self, embedder: Any = None, classifier: Any = None) -> None:
        self.embedder = embedder
        self.classifier = classifier

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: ImagesLike, y: npt.ArrayLike | Sequence[Any]) -> Self:
        """Fit the embedder on all rows, and the classifier on the rows it can learn from.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            Images, or any input that the embedder accepts. If its `on_error` is "skip", files that
            cannot be read are skipped with their labels.

        y : array-like of shape (n,)
            Labels: numbers or strings, and -1 for unlabelled rows. In an array of strings the
            marker is ``"-1"``, to which NumPy converts -1; in an array of objects it may be either.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If `y` has no labels, labels of only one class, NaN, or a different length than `X`.

        Warns
        -----
        UserWarning
            If `y` contains only -1 and 1: both are treated as classes, since one is not enough.
        """
        labels, labelled = check_labels(y, owner=self)
        with naming_parameter(self, "y"):
            check_consistent_length(X, labels)
        classifier = self._clone_classifier()
        with naming_parameter(self, "embedder"):
            embedder = clone(self._unfitted_embedder())
        rows = readable_rows(X, embedder)
        if rows is not None:
            X, labels, labelled = take_rows(X, rows), labels[rows], labelled[rows]
        classes, codes = encode_labels(labels, labelled, owner=self)
        embedder.fit(X, None)
        if classifier is None:
            known = labels if labelled.all() else codes
            classifier = fit_default_classifier(embed_rows(embedder, X), known, labelled)
        elif learns_from_unlabelled(classifier):
            classifier.fit(embed_rows(embedder, X), codes)
        else:  # with the labels themselves, which may be keys of its class_weight
            rows = np.flatnonzero(labelled)
            classifier.fit(embed_rows(embedder, take_rows(X, rows)), labels[rows])
        self.embedder_, self.classifier_, self.classes_ = embedder, classifier, classes
        return self

    def predict(self, X: ImagesLike) -> np.ndarray:
        """Predict the class of each row.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            Images of the shape and range seen in ``fit``.

        Returns
        -------
        y : ndarray of shape (n,)
            Predicted labels from ``classes_``; never the marker -1.
        """
        predicted = np.asarray(self._call_classifier("predict", X))
        if learns_from_unlabelled(self.classifier_):
            return self.classes_[predicted.astype(int)]
        return predicted

    @available_if(classifier_has("predict_proba"))
    def predict_proba(self, X: ImagesLike) -> np.ndarray:
        """Return the class probabilities, if the classifier has ``predict_proba``.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            Images of the shape and range seen in ``fit``.

        Returns
        -------
        proba : ndarray of shape (n, n_classes)
            In the order of ``classes_``.
        """
        return self._call_classifier("predict_proba", X)

    @available_if(classifier_has("decision_function"))
    def decision_function(self, X: ImagesLike) -> np.ndarray:
        """Return the decision values, if the classifier has ``decision_function``.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            Images of the shape and range seen in ``fit``.

        Returns
        -------
        decision : ndarray of shape (n,) or (n, n_classes)
            In the order of ``classes_``; of shape (n,) for two classes.
        """
        return self._call_classifier("decision_function", X)

    def score(
        self,
        X: ImagesLike,
        y: npt.ArrayLike | Sequence[Any],
        sample_weight: npt.ArrayLike | None = None,
    ) -> float:
        """Return the accuracy on the labelled rows; rows marked with -1 are ignored.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            Images of the shape and range seen in ``fit``.

        y : array-like of shape (n,)
            Labels. A label that was not seen in ``fit`` counts as an error.

        sample_weight : array-like of shape (n,), default=None
            Sample weights; the weights of unlabelled rows are ignored.

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

    def _check_weights(self, sample_weight: npt.ArrayLike, y: np.ndarray) -> np.ndarray:
        with naming_parameter(self, "sample_weight"):
            weights = column_or_1d(sample_weight)
            check_consistent_length(y, weights)
        return weights

    def _unfitted_embedder(self) -> Any:
        return ViewWhiteningEmbedder(random_state=0) if self.embedder is None else self.embedder

    def _clone_classifier(self) -> Any:
        """Return a clone of the user's classifier, or None."""
        if self.classifier is None:
            return None
        if isinstance(self.classifier, type) or not is_classifier(self.classifier):
            raise ValueError(
                f"The 'classifier' parameter of {type(self).__name__} must be a scikit-learn "
                f"classifier, or a pipeline that ends in one. Got {self.classifier!r}."
            )
        return clone(self.classifier)

    def _call_classifier(self, method: str, X: ImagesLike) -> np.ndarray:
        check_is_fitted(self)
        return getattr(self.classifier_, method)(embed_rows(self.embedder_, X))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        inner = tags_of(self._unfitted_embedder(), tags)
        tags.input_tags = inner.input_tags
        tags.transformer_tags = inner.transformer_tags or tags.transformer_tags
        if self.classifier is not None:
            classifier_tags = tags_of(self.classifier, tags).classifier_tags
            tags.classifier_tags = classifier_tags or tags.classifier_tags
        return tags
