"""Numbers by fine-tuning."""

import numpy as np
import torch
from sklearn.base import RegressorMixin
from sklearn.utils import check_array

from sklssl._storage.attributes import is_bool, is_numbers
from sklssl.finetuning._base import BaseFineTuner

__all__ = ["FineTuneRegressor"]


class FineTuneRegressor(RegressorMixin, BaseFineTuner):
    """Predict numbers from images by training the network of an embedder further.

    The numbers, in one or several columns such as the corners of a box, are standardised inside;
    all that is reported is in their own units but for the loss. It is a transformer as well.

    Parameters
    ----------
    embedder : embedder, FrozenEstimator, str or callable
        Where the network comes from. A fitted embedder is taken as it is; one that is not fitted
        is first fitted on all of `X`; a backbone, by name or function, starts from random weights:
        the supervised baseline. Where this estimator is cloned, as in a search, wrap a fitted
        embedder in :class:`sklearn.frozen.FrozenEstimator`, or the clone fits it anew.

    head : {"linear", "mlp", "conv"}, default="linear"
        What is put on the network. "mlp" has two layers of 200 units with batch-norm; "conv" is a
        block of NIN: a 3x3 and two 1x1 convolutions of 192 channels with batch-norm,
        followed by the layers of "mlp", since where things are matters here.

    layer : str, default="auto"
        The stage that the head stands on. "auto" is that of the embedder; if it takes
        all, the last one, or with ``frozen_until="all"`` the middle one. It is never before
        `frozen_until`.

    pool_size : int, default=None
        Maps are averaged to `pool_size` x `pool_size` cells for the head. None takes the parameter
        of the embedder.

    frozen_until : str, default=None
        The last stage that stays as it is, weights and batch-norm statistics; "all" freezes all
        stages, so that the head alone learns.

    augment : bool, default=False
        Whether images are cropped and mirrored at random in training. Not for numbers that
        change with that, such as places.

    max_epochs : int, default=30
        Passes over the images.

    batch_size : int, default=32
        Images a step.

    learning_rate : float, default=1e-3
        The rate of the head at the start.

    backbone_learning_rate : float, default=None
        That of the network; None is `learning_rate`. A tenth of it leaves more of what was learned
        without labels, as large networks with the weights of many images need.

    lr_schedule : {"step", "cosine", "plateau", "constant"}, default="cosine"
        "cosine" lets the rates rise over the first tenth and fall to 0, "step" divides them by 5 at
        30, 60 and 80 % of the epochs, "plateau" when the loss on the images kept back has not
        fallen for 5 epochs.

    optimizer : {"sgd", "adam", "adamw"} or callable, default="adam"
        "sgd" has a Nesterov momentum of 0.9. A class of torch.optim, or a partial of one, works.

    weight_decay : float, default=5e-4
        The L2 penalty on all weights.

    max_grad_norm : float, default=None
        The gradients of a step are shortened to this norm where theirs is larger; None leaves them
        as they are. It steadies a training whose loss jumps.

    early_stopping : bool, default=False
        Whether to keep images back, to stop when the loss on them has not fallen for
        `n_iter_no_change` epochs, and to go back to the weights at which it was lowest.

    validation_fraction : float, default=0.1
        The share of the images that "plateau" and `early_stopping` keep back.

    n_iter_no_change : int, default=10
        The patience of `early_stopping`, in epochs.

    checkpoint_dir : str or path-like, default=None
        The folder where ``fit`` keeps how far it has come, so that one that was stopped goes on
        from there. Clones, as searches fit them, get folders of their own within. None keeps
        nothing.

    checkpoint_every : "epoch" or float, default="epoch"
        When that is done: after each epoch, or whenever so many minutes have passed.

    resume : {"auto", "never"}, default="auto"
        Whether ``fit`` goes on from what it finds in `checkpoint_dir`. "auto" does if data and
        parameters are the same, and otherwise refuses; "never" starts afresh and replaces it.

    callbacks : list of callable, default=None
        Each is called as ``callback(estimator, row)`` after every epoch, with this estimator as it
        is by then, able to predict and transform, and the row of ``history_``, which it may extend.
        Raising :class:`sklssl.exceptions.StopTraining` ends the training.

    random_state : int, RandomState instance or None, default=None
        Seeds the head, the order of the images, their views and the images kept back. An embedder
        that is fitted here has a `random_state` of its own.

    verbose : int, default=0
        1 keeps a line on stderr that says how far the training is; 2 leaves one an epoch.

    Attributes
    ----------
    y_mean_, y_scale_ : ndarray of shape (n_outputs,)
        The mean and the standard deviation of the numbers.

    embedder_ : embedder
        The fitted embedder with the network as it was fine-tuned; :meth:`to_embedder` copies it.

    head_ : nn.Module
        The trained head.

    layer_ : str
        The stage that it stands on.

    history_ : list of dict
        A row an epoch: epoch, learning_rate (of the head), loss, mean_absolute_error (averaged
        over the columns),
        the same of the images kept back, if there are any, and duration in seconds.

    n_epochs_ : int
        The number of epochs trained.

    layer_names_ : tuple of str
        The stages of the network.

    image_shape_ : tuple of (H, W, C)
        The shape of one image.

    n_features_in_ : int
        H * W * C.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, when `X` had any that are strings.

    See Also
    --------
    FineTuneClassifier : The same for classes.

    Notes
    -----
    Device, precision and the size of the images are those of the embedder. The maps of frozen
    stages are computed once, if `augment` is off and they take less than 4 GiB: an epoch then
    costs what comes after them. Rows of the same image and answer are merged, and their weights
    added: weighting a row is the same as repeating it, and the order of the rows does not matter.

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
        max_grad_norm=None,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        checkpoint_dir=None,
        checkpoint_every="epoch",
        resume="auto",
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
        self.max_grad_norm = max_grad_norm
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.checkpoint_dir = checkpoint_dir
        self.checkpoint_every = checkpoint_every
        self.resume = resume
        self.callbacks = callbacks
        self.random_state = random_state
        self.verbose = verbose

    def predict(self, X):
        """Give the numbers that go with images.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            Images of the shape and range that the embedder was fitted on.

        Returns
        -------
        y : ndarray of shape (n,) or (n, n_outputs)
            In the units of the `y` of ``fit``.
        """
        y = self._outputs(X) * self.y_scale_ + self.y_mean_
        return y[:, 0] if self._one_column else y

    def _check_answers(self, y):
        if y.dtype.kind not in "fiub":  # among objects, None becomes NaN only now
            y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
        self._one_column = y.ndim == 1
        return y.reshape(len(y), -1).astype(np.float64)

    def _class_weights(self, y):
        return 1.0

    def _encode(self, y, weights):
        """Standardise, so that every column counts alike in the loss."""
        # Without the exponent of the largest number, which squared could overflow.
        exponent = np.frexp(np.abs(y).max(axis=0))[1]
        unit = np.ldexp(y, -exponent)
        mean = np.average(unit, axis=0, weights=weights)
        scale = np.sqrt(np.average((unit - mean) ** 2, axis=0, weights=weights))
        self.y_mean_ = np.ldexp(mean, exponent)
        self.y_scale_ = np.where(scale > 0, np.ldexp(scale, exponent), 1.0)
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
