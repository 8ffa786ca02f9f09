"""Classes by fine-tuning."""

import numpy as np
import torch.nn.functional as F
from scipy.special import softmax
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d, compute_class_weight
from sklearn.utils.multiclass import check_classification_targets

from sklssl.finetuning._base import BaseFineTuner
from sklssl.utils._sklearn_compat import StrOptions

__all__ = ["FineTuneClassifier"]


class FineTuneClassifier(ClassifierMixin, BaseFineTuner):
    """Classify images by training the network of an embedder further, on labels."""

    _parameter_constraints = {
        **BaseFineTuner._parameter_constraints,
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }

    def __init__(
        self,
        embedder,
        *,
        head="linear",
        layer="auto",
        pool_size=None,
        frozen_until=None,
        augment=False,
        max_epochs=30,
        batch_size=32,
        learning_rate=1e-3,
        backbone_learning_rate=None,
        lr_schedule="cosine",
        optimizer="adam",
        weight_decay=5e-4,
        class_weight=None,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        callbacks=None,
        random_state=None,
        verbose=0,
    ):
        self.embedder = embedder
        self.head = head
        self.layer = layer
        self.pool_size = pool_size
        self.frozen_until = frozen_until
        self.augment = augment
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.backbone_learning_rate = backbone_learning_rate
        self.lr_schedule = lr_schedule
        self.optimizer = optimizer
        self.weight_decay = weight_decay
        self.class_weight = class_weight
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.callbacks = callbacks
        self.random_state = random_state
        self.verbose = verbose

    def predict(self, X):
        """Give the likeliest class of images.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C)
            Images of the shape and range that the embedder was fitted on.

        Returns
        -------
        y : ndarray of shape (n,)
        """
        outputs = self._outputs(X)
        return self.classes_[outputs.argmax(axis=1)]

    def predict_proba(self, X):
        """Give the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C)
            Images of the shape and range that the embedder was fitted on.

        Returns
        -------
        probabilities : ndarray of shape (n, n_classes)
            In the order of ``classes_``.
        """
        return softmax(self._outputs(X), axis=1)

    def decision_function(self, X):
        """Give the logits of images: the higher, the likelier.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C)
            Images of the shape and range that the embedder was fitted on.

        Returns
        -------
        logits : ndarray of shape (n, n_classes), or (n,) for two classes
            Of two classes, that of the second above the first.
        """
        outputs = self._outputs(X)
        return outputs[:, 1] - outputs[:, 0] if outputs.shape[1] == 2 else outputs

    def _check_answers(self, y):
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        self.classes_, encoded = np.unique(y, return_inverse=True)
        return encoded

    def _class_weights(self, y):
        labels = np.arange(len(self.classes_))
        weight = self.class_weight
        if isinstance(weight, dict):
            weight = {i: weight.get(label, 1.0) for i, label in enumerate(self.classes_.tolist())}
        return compute_class_weight(weight, classes=labels, y=y)[y]

    def _encode(self, y, weights):
        seen = np.unique(y)
        if len(seen) < 2:
            raise ValueError(
                f"{type(self).__name__} needs labels of at least two classes (with a weight above "
                f"0), but y holds one class: {self.classes_[seen]}."
            )
        return y

    @property
    def _n_outputs(self):
        return len(self.classes_)

    def _strata(self, targets):
        return targets

    def _measure(self, logits, targets, weights):
        loss = (weights * F.cross_entropy(logits, targets, reduction="none")).mean()
        return {"loss": loss, "accuracy": (logits.argmax(dim=1) == targets).float().mean()}
