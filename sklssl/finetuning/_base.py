"""Base class of fine-tuning for classification and regression."""

import copy
import math
from typing import Any, Self, Unpack

import numpy as np
import numpy.typing as npt
import torch
from sklearn.model_selection import train_test_split
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted

from sklssl._data.batches import MapsToDevice, ToTensor
from sklssl._data.columns import is_image_sequence, unwrap_images
from sklssl._data.duplicates import comparable_rows, merge_duplicates
from sklssl._data.input import CheckedImages, decode_files, select_rows
from sklssl._data.rows import take_rows
from sklssl._features.extractor import FeatureExtractor, full_size, make_extractor
from sklssl._features.symmetry import average_orientations
from sklssl._parameters.sharing import SharesParameters, parameters
from sklssl._runtime.device import plain_torch, resolve_device, seeded
from sklssl._storage.attributes import is_history, is_str
from sklssl._storage.module_state import without_weights
from sklssl._training.checkpoints import Checkpoints
from sklssl._training.config import Phase, Plan, TrainingConfig
from sklssl._training.estimator import TrainedEstimator
from sklssl._training.guards import FineTuningGuard, FiniteGuard
from sklssl._training.run import TrainingRun
from sklssl.backbones import Backbone
from sklssl.base import BaseEmbedder, is_fitted_embedder
from sklssl.finetuning._heads import Head, make_head
from sklssl.finetuning._initial_embedder import (
    initial_embedder,
    read_images,
    training_encoder,
)
from sklssl.finetuning._parameters import (
    FINETUNER_ATTRIBUTES,
    FINETUNER_PARAMETERS,
    FineTuningParameters,
)
from sklssl.finetuning._stages import resolve_stages
from sklssl.finetuning._task import SupervisedTask, Validation
from sklssl.utils._arguments import check_complete
from sklssl.utils._checks import (
    check_features,
    check_target,
    check_two_images,
    naming_data,
    naming_parameter,
)
from sklssl.utils._sklearn_compat import (
    FitTasks,
    HasMethods,
    _check_sample_weight,
    _fit_context,
)
from sklssl.utils._typing import ImagesLike

__all__ = ["BaseFineTuner"]

_LARGEST_CACHE = 2**32  # bytes
_DELEGATED = {"feature_names_in_", "image_shape_", "layer_names_", "n_features_in_"}


@parameters(optimizer="adam")
class BaseFineTuner(SharesParameters, TrainedEstimator):
    """Base class of the estimators that train the network of an embedder further, on labels.

    Parameters
    ----------
    embedder : embedder, FrozenEstimator, str or callable
        The source of the network. A fitted embedder is used as it is; an unfitted one is first
        fitted on `X`, without repeated rows and rows of weight 0 (fit it before on images without
        labels); a backbone, given by name or as a function, starts from random weights, which is
        the supervised baseline. If this estimator will be cloned, as in a search, wrap a fitted
        embedder in :class:`sklearn.frozen.FrozenEstimator`; otherwise the clone fits it again.
    """

    _shared_parameters = FINETUNER_PARAMETERS
    _shared_attributes = FINETUNER_ATTRIBUTES
    _parameter_constraints = {"embedder": [str, callable, HasMethods(["fit", "transform"])]}

    _fitted_attributes = {
        "embedder_": is_fitted_embedder,
        "head_": Head,
        "history_": is_history,
        "layer_": is_str,
    }

    # Whether outputs are averaged over the same orientations as features.
    _averages_orientations = False
    # Whether "conv" preserves positions: see make_head.
    _keep_places = False

    def __init__(self, embedder: Any, **shared: Unpack[FineTuningParameters]) -> None:
        self._store(embedder=embedder, **shared)

    @_fit_context(prefer_skip_nested_validation=False)
    @plain_torch()
    def fit(
        self, X: ImagesLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> Self:
        """Fine-tune the network to predict `y`.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            At least two images, in any form that the embedder accepts.

        y : array-like of shape (n,) or (n, n_outputs)
            The targets: classes for a classifier; numbers, in one or several columns, for a
            regressor.

        sample_weight : array-like of shape (n,), default=None
            A weight of 2 is equivalent to repeating the row; rows of weight 0 are ignored.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If a parameter, `X` or `y` is invalid. The message names it and the reason.
        NotFittedError
            If the embedder is a FrozenEstimator of an unfitted embedder.
        NonFiniteLossError
            If the loss becomes infinite or NaN in the first epoch. The estimator is then left
            unchanged.
        StateFileError
            If there are checkpoints to resume from, but none can be read.

        Warns
        -----
        CheckpointWarning
            If a checkpoint cannot be written. Training continues.
        DivergenceWarning
            If the loss is much worse than that of guessing, or remains or becomes worse than it.
        NonFiniteLossWarning
            If the loss becomes infinite or NaN after some epochs. The weights of the last good
            epoch are kept.
        """
        plan = Plan([Phase(1.0, self.learning_rate, self.max_epochs)], self)
        X = unwrap_images(X, stack=False)
        with self._fitting(plan, (X, y)) as (fresh, fit_tasks):
            X, y, weights = fresh._check_data(X, y, sample_weight)
            seed = fresh._draw_seed()
            fresh.embedder_ = initial_embedder(self.embedder, X, seed, owner=self)
            images, y, weights = fresh._take_readable(X, y, weights)
            targets = fresh._encode(y, weights)
            device = resolve_device(fresh.embedder_.device, owner=fresh.embedder_)
            rows = [images, targets, weights]
            with fresh._training_resources(device, seed, rows, plan) as checkpoints:
                if checkpoints.seed != seed:  # the seed of the run to resume
                    fresh.embedder_ = initial_embedder(
                        self.embedder, X, checkpoints.seed, owner=self
                    )
                checkpoints.check_start(fresh.embedder_.pretext_.encoder)
                weights = weights / weights.mean()
                with training_encoder(fresh.embedder_.pretext_):
                    fresh._learn(images, targets, weights, plan, device, checkpoints, fit_tasks)
        return self

    # Data -----------------------------------------------------------------------------------

    def _check_data(
        self, X: Any, y: Any, sample_weight: npt.ArrayLike | None
    ) -> tuple[Any, np.ndarray, np.ndarray]:
        """Check X, y and weights; return them without repeated rows and rows of weight 0."""
        name, images = type(self).__name__, comparable_rows(X, self)
        with naming_data(name, "cannot use this y"):
            y = self._check_answers(check_target(self, y))
        with naming_data(name, "cannot use these X, y and sample_weight"):
            check_consistent_length(images, y)
            sample_weight = check_complete(sample_weight, "sample_weight", name)
            weights = _check_sample_weight(sample_weight, images, ensure_non_negative=True)
        weights = weights / (weights.max() or 1)  # huge ones have no sum
        weights = weights * self._class_weights(y, weights)
        rows, weights = merge_duplicates(images, y, weights)
        check_two_images(name, len(rows), "is left without copies and rows of weight 0")
        listed = hasattr(X, "columns") or is_image_sequence(X)
        return take_rows(X, rows) if listed else images[rows], y[rows], weights

    def _take_readable(
        self, X: ImagesLike, y: np.ndarray, weights: np.ndarray
    ) -> tuple[CheckedImages, np.ndarray, np.ndarray]:
        """Return X as images for the embedder, with y and weights of the readable ones."""
        images = read_images(self.embedder_, X, owner=self)
        readable = decode_files(self.embedder_, images, min_samples=2)
        if readable is not None:
            y, weights = y[readable], weights[readable]
        return images, y, weights

    def transform(self, X: ImagesLike) -> np.ndarray:
        """Embed images with the fine-tuned network.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            Images of the shape and range that the embedder was fitted on.

        Returns
        -------
        X_embedded : ndarray of shape (n, n_features_out), float32
            Equal to ``to_embedder().transform(X)``.
        """
        check_is_fitted(self)
        extractor = make_extractor(self.embedder_)
        images = read_images(self.embedder_, X, owner=self)
        return check_features(self.embedder_, extractor.embed(images))

    def to_embedder(self) -> BaseEmbedder:
        """Return the embedder with the fine-tuned network.

        Returns
        -------
        embedder : embedder
            A fitted copy with separate weights. The heads of its pretext task were not trained
            along with the network. Of a :class:`sklssl.MultiScaleEmbedder` or
            :class:`sklssl.ViewWhiteningEmbedder`, the inner one.
        """
        check_is_fitted(self)
        return copy.deepcopy(self.embedder_)

    # Training -------------------------------------------------------------------------------

    def _learn(
        self,
        images: CheckedImages,
        targets: np.ndarray,
        weights: np.ndarray,
        plan: Plan,
        device: torch.device,
        checkpoints: Checkpoints,
        fit_tasks: FitTasks,
    ) -> None:
        """Add a head to the network, and train both, except for frozen stages."""
        self.history_: list[dict[str, Any]] = []
        backbone = self.embedder_.pretext_.encoder
        self.layer_, frozen_until = resolve_stages(self, backbone.layer_names)
        with seeded(device, checkpoints.seed):
            self.head_ = self._make_head(backbone).to(device)
        finite = FiniteGuard(images, self._answer)
        order, n_train = self._split(targets, checkpoints.seed)
        images, to_tensor = self._cache(select_rows(images, order), backbone, frozen_until)
        answers = targets[order], weights[order].astype(np.float32)
        cached = isinstance(to_tensor, MapsToDevice)
        chance = self._chance_loss(*(part[:n_train] for part in answers))
        task = self._make_task(backbone, frozen_until, answers, cached=cached, chance=chance)
        if n_train < len(images):
            patience = self.n_iter_no_change if self.early_stopping else None
            task.validation = Validation(images, n_train, to_tensor, self.batch_size, patience)
        with task.freezing():
            TrainingRun(
                self,
                task,
                select_rows(images, slice(n_train)),
                plan.phases,
                self._training_config(),
                lambda scale: to_tensor,
                device,
                checkpoints,
                fit_tasks,
                guards=[finite, FineTuningGuard(task, n_train, self.batch_size)],
            ).train()
        task.restore_best()

    def _make_task(
        self,
        backbone: Backbone,
        frozen_until: str | None,
        answers: tuple[np.ndarray, np.ndarray],
        *,
        cached: bool,
        chance: float,
    ) -> SupervisedTask:
        return SupervisedTask(
            backbone,
            self.head_,
            layer=self.layer_,
            frozen_until=frozen_until,
            answers=[torch.from_numpy(part) for part in answers],
            measure=self._measure,
            cached=cached,
            augment=self.augment,
            chance=chance,
        )

    def _make_head(self, backbone: Backbone) -> Head:
        shape = backbone.map_shapes(full_size(self.embedder_))[self.layer_]
        pool_size = self.pool_size or self.embedder_.pool_size
        with naming_parameter(self, "head"):
            return make_head(
                self.head, shape, self._n_outputs, pool_size, keep_places=self._keep_places
            )

    def _build_module(self, name: str) -> Head:
        """Build the head, whose weights will be loaded from a file."""
        backbone: Any = without_weights(self.embedder_.pretext_.encoder)
        return self._make_head(backbone)

    def _training_config(self) -> TrainingConfig:
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

    def _split(self, targets: np.ndarray, seed: int) -> tuple[slice | np.ndarray, int]:
        """Return an order of the rows, validation rows last, and the number of training rows."""
        n_rows = len(targets)
        if not self.early_stopping and self.lr_schedule != "plateau":
            return slice(None), n_rows  # unchanged, without a copy
        remedy = "Pass at least 2 images of each class"  # no fraction would help
        try:
            strata = self._strata(targets)
            remedy = f"Set it {'higher' if self.validation_fraction < 0.5 else 'lower'}"
            train, kept = train_test_split(
                np.arange(n_rows),
                test_size=self.validation_fraction,
                random_state=seed,
                stratify=strata,
            )
        except ValueError as error:
            raise ValueError(
                f"The 'validation_fraction' parameter of {type(self).__name__} is "
                f"{self.validation_fraction}, which is impossible with {n_rows} images: "
                f"{str(error).rstrip('.')}. {remedy}, or use no validation images: "
                "early_stopping=False and an lr_schedule other than 'plateau'."
            ) from error
        check_two_images(type(self).__name__, len(train), "is left beside the validation images")
        return np.concatenate([train, kept]), len(train)

    def _cache(
        self, images: CheckedImages, backbone: Backbone, frozen_until: str | None
    ) -> tuple[CheckedImages, ToTensor | MapsToDevice]:
        """Compute the feature maps of the frozen stages once, if their input never changes.

        Return these and their conversion to tensors, or the images and theirs.
        """
        extractor = make_extractor(self.embedder_)
        if frozen_until is None or self.augment:
            return images, extractor.to_tensor
        shape = extractor.shapes[frozen_until]
        last = frozen_until == self.layer_
        if last and self.head_.pool_size:
            shape = shape[0], *self.head_.pool_size
        n_features = math.prod(shape)
        small = 4 * n_features * len(images) <= _LARGEST_CACHE
        if not small or not (last or backbone.can_resume(frozen_until)):
            return images, extractor.to_tensor
        reduce = self.head_.reduce if last else lambda maps: maps
        maps = extractor.apply(
            images, lambda batch: reduce(backbone(batch, frozen_until)).flatten(1), n_features
        )
        return maps.reshape(len(maps), *shape), MapsToDevice(extractor.to_tensor.device)

    def _outputs(self, X: ImagesLike) -> np.ndarray:
        """Return the outputs of the head for images: (n, n_outputs) in float64."""
        check_is_fitted(self)
        extractor = make_extractor(self.embedder_)
        outputs = self._answer(read_images(self.embedder_, X, owner=self), extractor)
        return check_features(self.embedder_, outputs).astype(np.float64)

    def _answer(
        self, images: CheckedImages, extractor: FeatureExtractor | None = None
    ) -> np.ndarray:
        """Return the outputs of the head for checked images (n, H, W, C)."""
        extractor, head = extractor or make_extractor(self.embedder_), self.head_
        symmetry = extractor.symmetry if self._averages_orientations else None
        encode = average_orientations(
            lambda batch: head(extractor.encoder(batch, self.layer_)), symmetry
        )
        return extractor.apply(images, encode, head.n_outputs, head)

    @property
    def _n_features_out(self) -> int:
        return self.embedder_._n_features_out

    # The scikit-learn contract ---------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        # Attributes of the images belong to the embedder and are not stored twice.
        if name in _DELEGATED and "embedder_" in vars(self):
            return getattr(self.embedder_, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __sklearn_is_fitted__(self) -> bool:
        return "head_" in vars(self)
