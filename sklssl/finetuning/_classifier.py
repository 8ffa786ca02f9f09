"""Classification by fine-tuning."""

from typing import Any, Unpack

import numpy as np
import torch.nn.functional as F
from scipy.special import softmax
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d, compute_sample_weight
from torch import Tensor

from sklssl._storage.attributes import is_vector
from sklssl.finetuning._base import BaseFineTuner
from sklssl.finetuning._parameters import FineTuningParameters
from sklssl.utils._checks import naming_parameter
from sklssl.utils._classes import check_classes
from sklssl.utils._markers import (
    warn_if_marker_is_class,
    warn_if_none_is_class,
)
from sklssl.utils._sklearn_compat import StrOptions
from sklssl.utils._typing import ImagesLike

__all__ = ["FineTuneClassifier"]


class FineTuneClassifier(ClassifierMixin, BaseFineTuner):
    """Classify images by fine-tuning the network of an embedder on labels.

    It is also a transformer: ``transform`` returns the features of the fine-tuned network.

    Parameters
    ----------
    class_weight : dict or "balanced"
        The weights of the classes, by which those of the images are multiplied; "balanced" gives
        every class the same total weight.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels seen in ``fit``.

    See Also
    --------
    FineTuneRegressor : Predicts numbers instead of classes.
    sklssl.semi_supervised.SemiSupervisedClassifier : A classifier on features that are not
        fine-tuned, which is better with very few labels.

    Notes
    -----
    Device, precision and image size are those of the embedder. Feature maps of frozen stages are
    computed only once if `augment` is off and they take less than 4 GiB; an epoch then costs only
    the layers after them. Rows with the same image and class are merged and their weights added
    up: a weight is equivalent to repeating the row, and the order of the rows does not matter.

    References
    ----------
    Gidaris, Singh, Komodakis. Unsupervised Representation Learning by Predicting Image
    Rotations. ICLR 2018.

    Examples
    --------
    >>> from sklssl import FineTuneClassifier, RotNetEmbedder
    >>> from sklssl.datasets import load_digit_images
    >>> X, y = load_digit_images(return_X_y=True)
    >>> embedder = RotNetEmbedder(max_epochs=1, random_state=0).fit(X[:500])
    >>> classifier = FineTuneClassifier(embedder, head="mlp", frozen_until="all", random_state=0)
    >>> classifier.fit(X[:500], y[:500]).score(X[500:], y[500:]) > 0.85
    True
    """

    _parameter_constraints = {"class_weight": [StrOptions({"balanced"}), dict, None]}

    _fitted_attributes = {"classes_": is_vector}
    # A mirrored image has the same class; a number may be a position.
    _averages_orientations = True

    def __init__(
        self,
        embedder: Any,
        *,
        class_weight: dict[Any, float] | str | None = None,
        **shared: Unpack[FineTuningParameters],
    ) -> None:
        super().__init__(embedder, **shared)
        self.class_weight = class_weight

    def predict(self, X: ImagesLike) -> np.ndarray:
        """Predict the most likely class of each image.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            Images of the shape and range on which the embedder was fitted.

        Returns
        -------
        y : ndarray of shape (n,)
        """
        outputs = self._outputs(X)
        return self.classes_[outputs.argmax(axis=1)]

    def predict_proba(self, X: ImagesLike) -> np.ndarray:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            Images of the shape and range on which the embedder was fitted.

        Returns
        -------
        probabilities : ndarray of shape (n, n_classes)
            In the order of ``classes_``.
        """
        return softmax(self._outputs(X), axis=1)

    def decision_function(self, X: ImagesLike) -> np.ndarray:
        """Return the logits of the classes: the higher, the more likely.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            Images of the shape and range on which the embedder was fitted.

        Returns
        -------
        logits : ndarray of shape (n, n_classes), or (n,) for two classes
            For two classes, the logit of the second minus that of the first.
        """
        outputs = self._outputs(X)
        return outputs[:, 1] - outputs[:, 0] if outputs.shape[1] == 2 else outputs

    def _check_answers(self, y: np.ndarray) -> np.ndarray:
        y = column_or_1d(y, warn=True)
        classes = check_classes(y, suggest_regressor=True)
        self.classes_, encoded = np.unique(classes, return_inverse=True)
        warn_if_marker_is_class(self.classes_, type(self).__name__)
        warn_if_none_is_class(self.classes_, type(self).__name__)
        return encoded

    def _class_weights(self, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return the factor of the weight of each row."""
        if self.class_weight == "balanced":
            totals = np.bincount(y, weights)
            return (totals.max() / np.where(totals > 0, totals, 1.0))[y]
        with naming_parameter(self, "class_weight"):
            factors = compute_sample_weight(self.class_weight, self.classes_[y])
            if not (np.isfinite(factors).all() and factors.min() >= 0 and factors.max() > 0):
                raise ValueError(
                    "the weights must be finite, at least 0, and not all 0. Got "
                    f"{self.class_weight!r}."
                )
        return factors

    def _encode(self, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
        seen = np.unique(y)
        if len(seen) < 2:
            raise ValueError(
                f"{type(self).__name__} requires labels of at least two classes (with weights "
                f"above 0), but y contains one class: {self.classes_[seen]}."
            )
        return y

    @property
    def _n_outputs(self) -> int:
        return len(self.classes_)

    def _strata(self, targets: np.ndarray) -> np.ndarray:
        classes, counts = np.unique(targets, return_counts=True)
        if counts.min() < 2:
            alone = self.classes_.tolist()[classes[counts.argmin()]]
            raise ValueError(f"the class {alone!r} has a single image.")
        return targets

    def _chance_loss(self, targets: np.ndarray, weights: np.ndarray) -> float:
        # Not the entropy of the classes: it is close to 0, and exceeded at first, if one is rare.
        return float(weights.mean() * np.log(self._n_outputs))

    def _measure(self, logits: Tensor, targets: Tensor, weights: Tensor) -> dict[str, Tensor]:
        loss = (weights * F.cross_entropy(logits, targets, reduction="none")).mean()
        return {"loss": loss, "accuracy": (logits.argmax(dim=1) == targets).float().mean()}
