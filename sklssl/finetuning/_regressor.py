"""Regression by fine-tuning."""

import numpy as np
import torch
from sklearn.base import RegressorMixin
from sklearn.utils import Tags, check_array
from torch import Tensor

from sklssl._storage.attributes import is_bool, is_numbers
from sklssl.finetuning._base import BaseFineTuner
from sklssl.utils._typing import ImagesLike

__all__ = ["FineTuneRegressor"]


class FineTuneRegressor(RegressorMixin, BaseFineTuner):
    """Predict numbers from images by fine-tuning the network of an embedder.

    The targets, in one or several columns such as the corners of a box, are standardised
    internally; all reported values except the loss are in the original units. It is also
    a transformer.

    Attributes
    ----------
    y_mean_, y_scale_ : ndarray of shape (n_outputs,)
        The mean and the standard deviation of `y`.

    See Also
    --------
    FineTuneClassifier : Predicts classes instead of numbers.

    Notes
    -----
    Device, precision and image size are those of the embedder. Feature maps of frozen stages are
    computed only once if `augment` is off and they take less than 4 GiB; an epoch then costs only
    the layers after them. Rows with the same image and target are merged and their weights added
    up: a weight is equivalent to repeating the row, and the order of the rows does not matter.

    Examples
    --------
    >>> import numpy as np
    >>> from sklssl import FineTuneRegressor
    >>> from sklssl.datasets import load_digit_images
    >>> X, _ = load_digit_images(return_X_y=True)
    >>> ink = X.reshape(len(X), -1).mean(axis=1)
    >>> regressor = FineTuneRegressor("convnet", max_epochs=5, random_state=0)
    >>> regressor.fit(X[:500], ink[:500]).score(X[500:], ink[500:]) > 0.8
    True
    """

    _keep_places = True

    _fitted_attributes = {"y_mean_": is_numbers, "y_scale_": is_numbers, "_one_column": is_bool}

    def predict(self, X: ImagesLike) -> np.ndarray:
        """Predict the numbers of each image.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            Images of the shape and range on which the embedder was fitted.

        Returns
        -------
        y : ndarray of shape (n,) or (n, n_outputs)
            In the units of the `y` that was passed to ``fit``.
        """
        y = self._outputs(X) * self.y_scale_ + self.y_mean_
        return y[:, 0] if self._one_column else y

    def _check_answers(self, y: np.ndarray) -> np.ndarray:
        if y.dtype.kind in "mM":
            raise TypeError("y holds dates or times. Convert them to numbers, such as days.")
        # None in an array of objects becomes NaN here.
        numbers = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
        self._one_column = numbers.ndim == 1
        return numbers.reshape(len(numbers), -1)

    def _class_weights(self, y: np.ndarray, weights: np.ndarray) -> float:
        return 1.0

    def _encode(self, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Standardise, so that every column has the same weight in the loss."""
        # Scaled by the exponent of the largest number, whose square could overflow.
        exponent = np.frexp(np.abs(y).max(axis=0))[1]
        unit = np.ldexp(y, -exponent)
        mean = np.average(unit, axis=0, weights=weights)
        scale = np.sqrt(np.average((unit - mean) ** 2, axis=0, weights=weights))
        self.y_mean_ = np.ldexp(mean, exponent)
        self.y_scale_ = np.where(scale > 0, np.ldexp(scale, exponent), 1.0)
        return ((y - self.y_mean_) / self.y_scale_).astype(np.float32)

    @property
    def _n_outputs(self) -> int:
        return len(self.y_mean_)

    def _strata(self, targets: np.ndarray) -> None:
        return None

    def _chance_loss(self, targets: np.ndarray, weights: np.ndarray) -> float:
        """Return the loss of predicting the mean of `y`, but at least that of standardised ones.

        Images kept for validation may have all large targets; a constant column has a loss of 0.
        """
        of_mean = weights * (targets**2).mean(axis=1)
        return float(max(of_mean.mean(), weights.mean()))

    def _measure(self, outputs: Tensor, targets: Tensor, weights: Tensor) -> dict[str, Tensor]:
        error = outputs - targets
        scale = torch.as_tensor(self.y_scale_, dtype=error.dtype, device=error.device)
        loss = (weights * (error**2).mean(dim=1)).mean()
        return {"loss": loss, "mean_absolute_error": (error.abs() * scale).mean()}

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
