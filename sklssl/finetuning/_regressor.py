"""Numbers by fine-tuning."""

import numpy as np
import torch
from sklearn.base import RegressorMixin

from sklssl.finetuning._base import BaseFineTuner

__all__ = ["FineTuneRegressor"]


class FineTuneRegressor(RegressorMixin, BaseFineTuner):
    """Predict numbers from images by training the network of an embedder further."""

    _keep_places = True

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
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.callbacks = callbacks
        self.random_state = random_state
        self.verbose = verbose

    def predict(self, X):
        """Give the numbers that go with images.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C)
            Images of the shape and range that the embedder was fitted on.

        Returns
        -------
        y : ndarray of shape (n,) or (n, n_outputs)
            In the units of the `y` of ``fit``.
        """
        y = self._outputs(X) * self.y_scale_ + self.y_mean_
        return y[:, 0] if self._one_column else y

    def _check_answers(self, y):
        if y.dtype.kind not in "fiub":
            y = y.astype(np.float64)
        self._one_column = y.ndim == 1
        return y.reshape(len(y), -1).astype(np.float64)

    def _class_weights(self, y):
        return 1.0

    def _encode(self, y, weights):
        """Standardise, so that every column counts alike in the loss."""
        self.y_mean_ = np.average(y, axis=0, weights=weights)
        scale = np.sqrt(np.average((y - self.y_mean_) ** 2, axis=0, weights=weights))
        self.y_scale_ = np.where(scale > 0, scale, 1.0)
        return ((y - self.y_mean_) / self.y_scale_).astype(np.float32)

    @property
    def _n_outputs(self):
        return len(self.y_mean_)

    def _strata(self, targets):
        return None

    def _measure(self, outputs, targets, weights):
        error = outputs - targets
        scale = torch.as_tensor(self.y_scale_, dtype=error.dtype, device=error.device)
        loss = (weights * (error**2).mean(dim=1)).mean()
        return {"loss": loss, "mean_absolute_error": (error.abs() * scale).mean()}

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
