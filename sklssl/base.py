"""The two base classes of every method: the pretext task, and the embedder trained on it."""

import copy
import math
from collections.abc import Callable
from typing import Any, Self, Unpack

import numpy as np
import torch

from sklssl._data.batches import ToTensor, image_statistics, iter_batches
from sklssl._data.input import CheckedImages, decode_files, validate_input
from sklssl._features.estimator import FeatureEstimator
from sklssl._features.extractor import full_size, make_extractor, resolve_layer
from sklssl._features.symmetry import find_symmetry
from sklssl._parameters.embedders import (
    EMBEDDER_ATTRIBUTES,
    EMBEDDER_PARAMETERS,
    SharedParameters,
)
from sklssl._parameters.sharing import SharesParameters, parameters
from sklssl._runtime.allocator import memory_errors
from sklssl._runtime.device import plain_torch, resolve_device, seeded
from sklssl._storage.attributes import (
    is_history,
    is_positive_int,
    is_positive_ints,
    is_range,
    is_strs,
)
from sklssl._training.canonical import canonical_repr
from sklssl._training.config import Phase, Plan, TrainingConfig
from sklssl._training.estimator import TrainedEstimator
from sklssl._training.guards import ChanceGuard, CollapseGuard, SpreadGuard
from sklssl._training.loop import fixed_batches
from sklssl._training.pretext import Pretext
from sklssl._training.pretext_checks import check_made
from sklssl._training.run import TrainingRun
from sklssl.backbones import Backbone, make_backbone
from sklssl.backbones._weights import check_start, load_weights
from sklssl.utils._checks import (
    check_network,
    check_scaled_sizes,
    check_square,
    naming_parameter,
)
from sklssl.utils._sklearn_compat import _fit_context
from sklssl.utils._typing import ImagesLike

__all__ = ["BaseEmbedder", "Pretext", "SharedParameters", "parameters"]

# Images from which the weights of some networks are computed in closed form, before training.
_LEARNED_FROM, _LEARNED_AT_ONCE = 2000, 50
_PIXELS_AT_ONCE = 2**20  # of fewer images, if these are larger than about 144x144
_VALUES_AT_ONCE = 2**27  # of feature maps, which are large with very many atoms


def is_fitted_embedder(value: Any) -> bool:
    """Return whether `value` may be the fitted embedder of an estimator read from a file."""
    return isinstance(value, BaseEmbedder) and hasattr(value, "pretext_")


class BaseEmbedder(SharesParameters, FeatureEstimator, TrainedEstimator):
    """Base class of all embedders: validates, builds, trains, checks for collapse, transforms.

    A method implements ``_make_pretext(backbone)``. It inherits the parameters below, with their
    constraints and descriptions; :func:`sklssl.parameters` changes defaults and adds new ones.

    Parameters
    ----------
    backbone : str or callable
        The network: one of the names of :func:`sklssl.backbones.list_backbones`, the name of a
        classification model of torchvision, the name of a model of timm, as in
        "timm/convnext_atto", or a class, function or partial that is called with ``in_channels``
        and ``image_size``.
    """

    _shared_parameters = EMBEDDER_PARAMETERS
    _shared_attributes = EMBEDDER_ATTRIBUTES
    _parameter_constraints = {"backbone": [str, callable]}

    _fitted_attributes = {
        "pretext_": Pretext,
        "history_": is_history,
        "image_shape_": is_positive_ints(3),
        "layer_names_": is_strs,
        "n_features_in_": is_positive_int,
        "symmetry_": lambda value: value in (None, "mirror", "all", "unknown"),
        "value_range_": is_range,
    }

    pretext_: Pretext
    history_: list[dict[str, Any]]
    image_shape_: tuple[int, int, int]
    layer_names_: tuple[str, ...]
    n_features_in_: int
    symmetry_: str | None
    value_range_: tuple[Any, Any]

    # Whether the task needs square images.
    _square_only = False
    # Own parameters that only say how to train, so that they may change when training continues.
    _schedule: tuple[str, ...] = ()
    # Shared parameters that do not affect what is learned.
    _only_in_transform = ("layer", "pool_size", "symmetry")
    # The parameters that determine the size of the network.
    _sized_by = "backbone or image_size"

    def __init__(
        self,
        backbone: str | Callable[..., Any] = "patchconvnet",
        **shared: Unpack[SharedParameters],
    ) -> None:
        self._store(backbone=backbone, **shared)

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ImagesLike, y: object = None) -> Self:
        """Learn the embedding from images alone.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            At least two images: uint8, or floats of any range. Files (JPEG, PNG, WebP, TIFF, BMP)
            are decoded once, before the first epoch.

        y : None
            Ignored.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If a parameter or `X` is invalid. The message names it and the reason.
        ImageFileError
            If a file cannot be read, and `on_error` is "raise".
        MemoryError
            If a training step does not fit in the memory of the device.
        NonFiniteLossError
            If the loss becomes infinite or NaN in the first epoch. The estimator is then left
            unchanged.
        StateFileError
            If there are checkpoints to resume from, but none can be read.

        Warns
        -----
        CheckpointWarning
            If a checkpoint cannot be written. Training continues.
        CollapseWarning
            If the features contain (almost) no information about the images.
        NonFiniteLossWarning
            If the loss becomes infinite or NaN after some epochs. The weights of the last good
            epoch are kept.
        """
        continued = self.warm_start and self.__sklearn_is_fitted__()
        return self._fit(X, y, Plan(self._phases(), self, continued))

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: ImagesLike, y: object = None) -> Self:
        """Train one epoch on a chunk of images, at full size and a constant learning rate.

        The first chunk determines the shape, the value range and the standardisation of the
        images. The optimizer is reset for every chunk, so use large ones. No checkpoints are
        written.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            At least two images.

        y : None
            Ignored.

        Returns
        -------
        self : object
        """
        phase = self._phases()[-1]._replace(max_epochs=1)
        return self._fit(X, y, Plan([phase], self, self.__sklearn_is_fitted__(), in_pieces=True))

    def score(self, X: ImagesLike, y: object = None) -> float:
        """Return how well the pretext task is solved on `X`; higher is better, no labels needed.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            At least two images of the shape and range seen in ``fit``.

        y : None
            Ignored.

        Returns
        -------
        score : float
            The accuracy of the task in [0, 1], or the negative loss if the task has no accuracy.
            It is the average over batches of at most `batch_size` images in a random order. Order
            and views are drawn with a fixed seed. Scores can only be compared if the tasks are
            equally hard: with the same `batch_size`, views and other parameters of the task.
        """
        extractor = make_extractor(self)
        images = validate_input(self, X, reset=False, min_samples=2)
        parts = fixed_batches(len(images), self.batch_size)
        total, device = 0.0, extractor.to_tensor.device
        with extractor.evaluating(self.pretext_):
            rng = torch.Generator(device).manual_seed(0)
            batches = iter_batches(images, parts, extractor.to_tensor)
            for index, batch in zip(parts, batches, strict=True):
                views = self.pretext_.views(batch, rng, torch.from_numpy(index).to(device))
                terms = self.pretext_(*views)
                score = terms["accuracy"] if "accuracy" in terms else -terms["loss"]
                total += score.item() * len(index)
        return total / len(images)

    def _make_pretext(self, backbone: Backbone) -> Pretext:
        raise NotImplementedError(f"{type(self).__name__} must define _make_pretext(backbone).")

    def _check_size(self, size: tuple[int, int]) -> None:
        """Raise an error if the task cannot handle images of (height, width) `size`."""
        if self._square_only:
            check_square(self, size)

    def _phases(self) -> list[Phase]:
        """Return the phases of training; methods with several scales return several."""
        return [Phase(1.0, self.learning_rate, self.max_epochs)]

    # Fitting --------------------------------------------------------------------------------

    @plain_torch()
    def _fit(self, X: ImagesLike, y: object, plan: Plan) -> Self:
        with self._fitting(plan, (X, y)) as (fresh, fit_tasks):
            images = fresh._check_images(X, plan)
            device = resolve_device(self.device, owner=self)
            seed = fresh._draw_seed()
            with fresh._training_resources(device, seed, [images], plan) as checkpoints:
                with seeded(device, checkpoints.seed):
                    fresh._begin(images, plan)
                TrainingRun(
                    fresh,
                    fresh.pretext_,
                    images,
                    plan.phases,
                    fresh._training_config(plan),
                    lambda scale: ToTensor(device, fresh.value_range_, fresh._scaled(scale)),
                    device,
                    checkpoints,
                    fit_tasks,
                    guards=fresh._make_guards(images),
                ).train()
        return self

    def _continued(self) -> Self:
        """Copy self with separate weights and history, to continue training."""
        fresh = object.__new__(type(self))
        fresh.__dict__ = {
            **vars(self),
            "pretext_": copy.deepcopy(self.pretext_),
            "history_": list(self.history_),
        }
        return fresh

    def _check_images(self, X: ImagesLike, plan: Plan) -> CheckedImages:
        """Return `X` as images, after checking that the task can use them at all scales."""
        if not plan.continued:
            check_start(self)
        images = validate_input(self, X, reset=not plan.continued, min_samples=2)
        self._check_sizes(plan)
        decode_files(self, images, min_samples=2)
        return images

    def _check_sizes(self, plan: Plan) -> None:
        """Check that the task can use images of the sizes of all scales."""
        sizes = {phase.scale: self._scaled(phase.scale) for phase in plan.phases}
        check_scaled_sizes(plan.owner, full_size(self), sizes)
        for size in (full_size(self), *sizes.values()):
            self._check_size(size)

    def _begin(self, images: CheckedImages, plan: Plan) -> None:
        """Build the pretext task, unless training continues."""
        sizes = [self._scaled(phase.scale) for phase in plan.phases]
        if plan.continued:
            self._check_same_task()
            check_network(self, self.pretext_.backbone, sizes)
        else:
            with memory_errors(self._too_large):
                self._build(images, sizes)
        resolve_layer(self, self.pretext_.encoder)
        if self.symmetry == "auto" and self.symmetry_ == "unknown":
            self.symmetry_ = None  # while it is being determined
            self.symmetry_ = self._find_symmetry(images)
        self.pretext_.before_fit(len(images))

    def _build(self, images: CheckedImages, sizes: list[tuple[int, int]]) -> None:
        """Build the pretext task around a backbone with the statistics of `images`."""
        self.value_range_, mean, scale = image_statistics(images)
        backbone = self._make_backbone()
        check_network(self, backbone, sizes)
        backbone.set_standardisation(mean, scale)
        if backbone.learns_from_images():
            self._learn_weights(backbone, images)
        if self.init_weights is not None:
            load_weights(backbone, self.init_weights, owner=self)
        self.pretext_ = self._make_task(backbone).to(memory_format=torch.channels_last)
        self.layer_names_ = backbone.layer_names
        self.history_ = []
        self.symmetry_ = "unknown"

    def _make_backbone(self) -> Backbone:
        with naming_parameter(self, "backbone"):
            return make_backbone(
                self.backbone,
                in_channels=self.image_shape_[2],
                image_size=min(full_size(self)),
            )

    def _make_task(self, backbone: Backbone) -> Pretext:
        pretext = check_made(self._make_pretext(backbone), self)
        pretext.made_with = self._describe_task()
        return pretext

    def _describe_task(self) -> dict[str, str]:
        """Return the parameters on which the task depends: all that not every method has."""
        others = {*EMBEDDER_PARAMETERS, *self._schedule}
        values = self.get_params(deep=False)
        own = {name: value for name, value in values.items() if name not in others}
        return {name: canonical_repr(value, reads=False) for name, value in own.items()}

    def _check_same_task(self) -> None:
        """Raise an error if a parameter was changed after the task was built."""
        made_with = self.pretext_.made_with
        for name, now in self._describe_task().items():
            if made_with.get(name, now) != now:
                raise ValueError(
                    f"The '{name}' parameter of {type(self).__name__} is {now}, but training "
                    f"continues with the task of the previous fit, where it was {made_with[name]}. "
                    "Set it back, or fit anew with warm_start=False."
                )

    def _build_module(self, name: str) -> Pretext:
        """Build the pretext task, whose weights will be loaded from a file."""
        return self._make_task(self._make_backbone())

    @property
    def _too_large(self) -> str:
        name = type(self).__name__
        return f"{name}: the network does not fit in memory. Use a smaller {self._sized_by}."

    def _find_symmetry(self, images: CheckedImages) -> str | None:
        height, width = full_size(self)
        embed = make_extractor(self).embed_changed
        return find_symmetry(images, embed, square=height == width)

    def _learn_weights(self, backbone: Backbone, images: CheckedImages) -> None:
        """Compute the weights that need no training from a sample of the images."""
        size = full_size(self)
        to_tensor = ToTensor(torch.device("cpu"), self.value_range_, size)
        rows = torch.randperm(len(images))[:_LEARNED_FROM].sort().values.numpy()
        most = _PIXELS_AT_ONCE // math.prod(size), _VALUES_AT_ONCE // backbone.map_values(size)
        at_once = max(min(_LEARNED_AT_ONCE, *most), 1)
        parts = np.array_split(rows, math.ceil(len(rows) / at_once))
        with naming_parameter(self, "backbone"):
            backbone.learn_from(lambda: iter_batches(images, parts, to_tensor), len(rows))

    def _training_config(self, plan: Plan) -> TrainingConfig:
        return TrainingConfig(
            self.optimizer,
            self.weight_decay,
            "constant" if plan.in_pieces else self.lr_schedule,
            self.batch_size,
            self.precision,
            self.compile,
            self.max_grad_norm,
            self.micro_batch_size,
            in_pieces=plan.in_pieces,
        )

    def _make_guards(self, images: CheckedImages) -> tuple[CollapseGuard, ChanceGuard, SpreadGuard]:
        collapse = CollapseGuard(images, lambda some: make_extractor(self).embed(some))
        chance = ChanceGuard(self.pretext_, len(images), self.batch_size)
        return collapse, chance, SpreadGuard()

    def _scaled(self, scale: float) -> tuple[int, int]:
        height, width = full_size(self)
        return round(scale * height), round(scale * width)
