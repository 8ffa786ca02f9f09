"""What fine-tuning to classes and to numbers have in common."""

import copy
import math
import os
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.model_selection import train_test_split
from sklearn.utils import check_array, check_consistent_length, check_random_state
from sklearn.utils.validation import check_is_fitted

from sklssl._data.arrays import check_images
from sklssl._data.batches import MapsToDevice, embed_in_batches
from sklssl._data.columns import is_path_sequence, is_picture_sequence, unwrap_images
from sklssl._data.duplicates import merge_duplicates
from sklssl._data.input import decode_files, select_rows, validate_input
from sklssl._runtime.device import forked_rng, plain_torch, resolve_device, seeded
from sklssl._storage.module_state import PackedModules
from sklssl._training.checkpoints import CHECKPOINT_CONSTRAINTS, Resumable, open_checkpoints
from sklssl._training.loop import OPTIMIZERS, SCHEDULES, Phase, TrainingConfig
from sklssl._training.run import run_training
from sklssl.finetuning._heads import HEADS, make_head
from sklssl.finetuning._initial_embedder import initial_embedder
from sklssl.finetuning._task import SupervisedTask, Validation
from sklssl.utils._arguments import ChecksArguments
from sklssl.utils._checks import (
    check_callbacks,
    check_features,
    check_learned,
    check_optimizer,
    naming_data,
    naming_parameter,
)
from sklssl.utils._sklearn_compat import (
    CallbackSupport,
    FitTasks,
    HasMethods,
    Interval,
    StrOptions,
    _check_sample_weight,
    _fit_context,
    _safe_indexing,
)

__all__ = ["BaseFineTuner"]

_LARGEST_CACHE = 2**32  # bytes
_SAMPLE = 256  # images
_DELEGATED = {"feature_names_in_", "image_shape_", "layer_names_", "n_features_in_"}


class BaseFineTuner(
    ChecksArguments,
    Resumable,
    CallbackSupport,
    PackedModules,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Base of the estimators that train the network of an embedder further, on labels."""

    _parameter_constraints = {
        "embedder": [str, callable, HasMethods(["fit", "transform"])],
        "head": [StrOptions(set(HEADS))],
        "layer": [str],
        "pool_size": [Interval(Integral, 1, None, closed="left"), None],
        "frozen_until": [str, None],
        "augment": ["boolean"],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "backbone_learning_rate": [Interval(Real, 0, None, closed="neither"), None],
        "lr_schedule": [StrOptions(set(SCHEDULES))],
        "optimizer": [StrOptions(set(OPTIMIZERS)), callable],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "max_grad_norm": [Interval(Real, 0, None, closed="neither"), None],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        **CHECKPOINT_CONSTRAINTS,
        "callbacks": ["array-like", None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    # What "conv" does with its map: see make_head.
    _keep_places = False

    @_fit_context(prefer_skip_nested_validation=False)
    @plain_torch()
    def fit(self, X, y, sample_weight=None):
        """Learn to answer `y`.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            At least two images, as the embedder takes them.

        y : array-like of shape (n,) or (n, n_outputs)
            Their answers: classes for a classifier, numbers, in one or several columns, for a
            regressor.

        sample_weight : array-like of shape (n,), default=None
            A weight of 2 means what the same row twice means; rows of weight 0 are not looked at.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If a parameter, `X` or `y` cannot be used; the message says which and why.
        NotFittedError
            If the embedder is a FrozenEstimator of one that is not fitted.
        NonFiniteLossError
            If the loss becomes infinite or not a number in the first epoch. The estimator is then
            as it was.
        StateFileError
            If there are checkpoints to go on from, but none can be read.

        Warns
        -----
        CheckpointWarning
            If a checkpoint cannot be written; the training goes on.
        NonFiniteLossWarning
            If the loss becomes infinite or not a number after some epochs; what they learned is
            kept.
        """
        # Before the copy: what scikit-learn leaves on self while it fits has to survive the swap.
        tasks = FitTasks(self, self.max_epochs, lambda: fresh._learned(), data=(X, y))
        check_callbacks(self, self.callbacks)
        check_optimizer(self)
        X = unwrap_images(X)
        images = self._comparable(X)
        fresh = self._unfitted()
        with naming_data(type(self).__name__, "cannot use this y"):
            y = fresh._check_answers(_check_finite(self, y))
        with naming_data(type(self).__name__, "cannot use these X, y and sample_weight"):
            check_consistent_length(images, y)
            weights = _check_sample_weight(sample_weight, images, ensure_non_negative=True)
        rows, weights = merge_duplicates(images, y, weights * fresh._class_weights(y))
        y = y[rows]
        targets = fresh._encode(y, weights)
        named = hasattr(X, "columns") or is_picture_sequence(X)
        X = _safe_indexing(X, rows) if named else images[rows]
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        fresh.embedder_ = initial_embedder(self.embedder, X, seed, owner=self)
        images = validate_input(fresh.embedder_, X, reset=False)
        readable = decode_files(fresh.embedder_, images, min_samples=2)
        if readable is not None:
            weights = weights[readable]
            targets = fresh._encode(y[readable], weights)
        device = resolve_device(fresh.embedder_.device, owner=fresh.embedder_)
        with (
            open_checkpoints(fresh, seed, [images, targets, weights]) as checkpoints,
            forked_rng(device, checkpoints.seed),
        ):
            if checkpoints.seed != seed:  # that of the training to go on with
                fresh.embedder_ = initial_embedder(self.embedder, X, checkpoints.seed, owner=self)
            checkpoints.check_start(fresh.embedder_.pretext_.encoder)
            fresh._learn(images, targets, weights / weights.mean(), device, checkpoints, tasks)
        some = select_rows(images, slice(_SAMPLE))
        check_learned(type(self).__name__, fresh._answer(some))
        tasks.end()
        self.__dict__ = fresh.__dict__
        return self

    def _comparable(self, X):
        """Give what has equal rows where images are equal: pixels, names of files, pictures."""
        if is_path_sequence(X):
            return np.array([os.fsdecode(path) for path in X])
        if is_picture_sequence(X):
            return X
        return check_images(X, estimator=self, min_samples=2)

    def transform(self, X):
        """Embed images by the network as it was fine-tuned.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            Images of the shape and range that the embedder was fitted on.

        Returns
        -------
        X_embedded : ndarray of shape (n, n_features_out), float32
            What ``to_embedder().transform(X)`` gives.
        """
        check_is_fitted(self)
        return self.embedder_.transform(X)

    def to_embedder(self):
        """Give the embedder back, with the network as it was fine-tuned.

        Returns
        -------
        embedder : embedder
            Fitted, and with weights of its own. Its pretext task is not up to date with its
            network. Of a :class:`sklssl.MultiScaleEmbedder` it is the inner embedder.
        """
        check_is_fitted(self)
        return copy.deepcopy(self.embedder_)

    # Learning: everything happens to a copy, which replaces self in one step at the end. -----

    def _learn(self, images, targets, weights, device, checkpoints, tasks):
        """Put a head on the network, and train both as far as they are not frozen."""
        self.history_ = []
        backbone = self.embedder_.pretext_.encoder
        self.layer_, frozen_until = self._resolve_stages(backbone.layer_names)
        with seeded(device, checkpoints.seed):
            self.head_ = self._make_head(backbone).to(device)
        order, n_train = self._split(targets, checkpoints.seed)
        images, to_tensor = self._cache(select_rows(images, order), backbone, frozen_until)
        answers = targets[order], weights[order].astype(np.float32)
        task = self._make_task(
            backbone, frozen_until, answers, cached=isinstance(to_tensor, MapsToDevice)
        )
        if n_train < len(images):
            patience = self.n_iter_no_change if self.early_stopping else None
            task.validation = Validation(images, n_train, to_tensor, self.batch_size, patience)
        phase = Phase(1.0, self.learning_rate, self.max_epochs)
        with task.freezing():
            run_training(
                self,
                task,
                select_rows(images, slice(n_train)),
                [phase],
                self._recipe(),
                to_tensor=lambda scale: to_tensor,
                device=device,
                checkpoints=checkpoints,
                tasks=tasks,
            )
        task.restore_best()

    def _make_task(self, backbone, frozen_until, answers, *, cached):
        return SupervisedTask(
            backbone,
            self.head_,
            layer=self.layer_,
            frozen_until=frozen_until,
            answers=[torch.from_numpy(part) for part in answers],
            measure=self._measure,
            cached=cached,
            augment=self.augment,
        )

    def _make_head(self, backbone):
        shape = backbone.map_shapes(self.embedder_._full_size())[self.layer_]
        pool_size = self.pool_size or self.embedder_.pool_size
        with naming_parameter(self, "head"):
            return make_head(
                self.head, shape, self._n_outputs, pool_size, keep_places=self._keep_places
            )

    def _recipe(self):
        backbone_rate = self.backbone_learning_rate or self.learning_rate
        return TrainingConfig(
            self.optimizer,
            self.weight_decay,
            self.lr_schedule,
            self.batch_size,
            self.embedder_.precision,
            max_grad_norm=self.max_grad_norm,
            rate_factors=(("backbone.*", backbone_rate / self.learning_rate),),
        )

    def _resolve_stages(self, names):
        """Find the stage that the head stands on, and the last one that is frozen."""
        layer, frozen = self.layer, self.frozen_until
        for name, value, also in (("layer", layer, "auto"), ("frozen_until", frozen, "all")):
            if value not in (None, also, *names):
                raise ValueError(
                    f"The '{name}' parameter of {type(self).__name__} must be {also!r} or a stage "
                    f"of the network, {list(names)}. Got {value!r}."
                )
        if layer == "auto":
            own = self.embedder_._resolve_layer(self.embedder_.pretext_)
            if own == "all":  # the last stage alone knows more about the task than about images
                own = names[len(names) // 2] if frozen == "all" else names[-1]
            layer = max(own, frozen if frozen in names else own, key=names.index)
        frozen = layer if frozen == "all" else frozen
        if frozen is not None and names.index(frozen) > names.index(layer):
            raise ValueError(
                f"The 'frozen_until' parameter of {type(self).__name__} is {frozen!r}, which lies "
                f"behind the layer that the head stands on, {layer!r}. Freeze no further than "
                "that, or set 'layer' to a later stage."
            )
        return layer, frozen

    def _split(self, targets, seed):
        """Give an order of the rows in which those kept back come last, and how many train."""
        n_rows = len(targets)
        if not self.early_stopping and self.lr_schedule != "plateau":
            return slice(None), n_rows  # as they are, and not copied
        try:
            train, kept = train_test_split(
                np.arange(n_rows),
                test_size=self.validation_fraction,
                random_state=seed,
                stratify=self._strata(targets),
            )
        except ValueError as error:
            raise ValueError(
                f"The 'validation_fraction' parameter of {type(self).__name__} is "
                f"{self.validation_fraction}, which cannot be kept back of {n_rows} images: "
                f"{error} Set it higher, or keep none back: early_stopping=False and another "
                "lr_schedule than 'plateau'."
            ) from error
        return np.concatenate([train, kept]), len(train)

    def _cache(self, images, backbone, frozen_until):
        """Compute the maps of the frozen stages once, if nothing in front of them changes.

        Gives these and what turns them into tensors, or the images and theirs.
        """
        with self.embedder_._evaluating() as to_tensor:
            if frozen_until is None or self.augment:
                return images, to_tensor
            shape = backbone.map_shapes(to_tensor.size)[frozen_until]
            last = frozen_until == self.layer_
            if last and self.head_.pool_size:
                shape = shape[0], *self.head_.pool_size
            n_features = math.prod(shape)
            small = 4 * n_features * len(images) <= _LARGEST_CACHE
            if not small or not (last or backbone.can_resume(frozen_until)):
                return images, to_tensor
            reduce = self.head_.reduce if last else lambda maps: maps
            maps = embed_in_batches(
                images,
                to_tensor,
                lambda batch: reduce(backbone(batch, frozen_until)).flatten(1),
                n_features,
            )
        return maps.reshape(len(maps), *shape), MapsToDevice(to_tensor.device)

    def _outputs(self, X):
        """Give what the head answers for images: (n, n_outputs) in float64."""
        check_is_fitted(self)
        outputs = self._answer(self.embedder_._check_images(X))
        return check_features(self.embedder_, outputs).astype(np.float64)

    def _answer(self, images):
        """Give what the head answers for checked images (n, H, W, C)."""
        embedder, head = self.embedder_, self.head_
        backbone = embedder.pretext_.encoder
        with embedder._evaluating() as to_tensor:
            head.to(to_tensor.device).eval()
            encode = self._averaging(lambda batch: head(backbone(batch, self.layer_)))
            return embed_in_batches(images, to_tensor, encode, head.n_outputs)

    def _averaging(self, encode):
        """Average what `encode` gives over orientations of the images, where answers allow it."""
        return encode

    @property
    def n_epochs_(self):
        """The number of epochs trained."""
        return len(self.history_)

    @property
    def _n_features_out(self):
        return self.embedder_._n_features_out

    # The scikit-learn contract ---------------------------------------------------------------

    def __getattr__(self, name):
        # What the images are is known to the embedder; it is not stored twice.
        if name in _DELEGATED and "embedder_" in vars(self):
            return getattr(self.embedder_, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __sklearn_is_fitted__(self):
        return "head_" in vars(self)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def _check_finite(estimator, y):
    """Check that `y` is there and holds no NaN."""
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is None."
        )
    return check_array(y, ensure_2d=False, dtype=None, input_name="y")
