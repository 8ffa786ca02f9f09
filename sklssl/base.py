"""The two classes that carry every method: a pretext task and the embedder that learns by it."""

import copy
import math
from typing import Unpack

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from sklssl._data.batches import ToTensor, count_batches, image_statistics, iter_batches
from sklssl._data.input import decode_files, validate_input
from sklssl._features import NetworkFeatures
from sklssl._parameters.embedders import (
    EMBEDDER_ATTRIBUTES,
    EMBEDDER_PARAMETERS,
    SharedParameters,
)
from sklssl._parameters.sharing import SharesParameters, parameters
from sklssl._runtime.allocator import memory_errors, retain_freed_memory
from sklssl._runtime.device import forked_rng, plain_torch, resolve_device, seeded
from sklssl._storage.module_state import PackedModules
from sklssl._symmetry import find_symmetry
from sklssl._training.checkpoints import Resumable, open_checkpoints
from sklssl._training.guards import ChanceGuard, CollapseGuard
from sklssl._training.loop import Phase, TrainingConfig
from sklssl._training.pretext import Pretext
from sklssl._training.run import run_training
from sklssl.backbones import make_backbone
from sklssl.backbones._weights import check_start, load_weights
from sklssl.utils._checks import (
    check_callbacks,
    check_network,
    check_optimizer,
    check_scaled_sizes,
    check_square,
    naming_parameter,
)
from sklssl.utils._sklearn_compat import CallbackSupport, FitTasks, _fit_context

__all__ = ["BaseEmbedder", "Pretext", "SharedParameters", "parameters"]

# Images that the weights of some networks are taken from in closed form, before they are trained.
_LEARNED_FROM, _LEARNED_AT_ONCE = 2000, 50


class BaseEmbedder(
    SharesParameters, Resumable, CallbackSupport, PackedModules, NetworkFeatures, BaseEstimator
):
    """Base of all embedders: validates, builds, trains, checks for collapse, transforms.

    A method extends it by ``_make_pretext(backbone)``. It inherits the parameters below, with their
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

    # Whether the task needs images as high as wide.
    _square_only = False
    # What makes a network smaller.
    _sized_by = "backbone or image_size"

    def __init__(self, backbone="patchconvnet", **shared: Unpack[SharedParameters]):
        self._store(backbone=backbone, **shared)

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
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
            If a parameter or `X` cannot be used; the message says which and why.
        ImageFileError
            If a file cannot be read, and `on_error` is "raise".
        MemoryError
            If the memory of the device does not hold a step.
        NonFiniteLossError
            If the loss becomes infinite or not a number in the first epoch. The estimator is then
            as it was.
        StateFileError
            If there are checkpoints to go on from, but none can be read.

        Warns
        -----
        CheckpointWarning
            If a checkpoint cannot be written; the training goes on.
        CollapseWarning
            If the features tell (almost) nothing about the images.
        NonFiniteLossWarning
            If the loss becomes infinite or not a number after some epochs; what they learned is
            kept.
        """
        continued = self.warm_start and self.__sklearn_is_fitted__()
        return self._fit(X, self._phases(), y=y, continued=continued)

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None):
        """Train one epoch on images that arrive in pieces, at full size and a constant rate.

        The first piece fixes the shape, the range and the standardisation of the images. The
        optimizer starts afresh with every piece, so make them large. No checkpoints are written.

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
        continued = self.__sklearn_is_fitted__()
        return self._fit(X, [phase], y=y, continued=continued, in_pieces=True)

    def score(self, X, y=None):
        """Tell how well the pretext task is solved on `X`: higher is better, no labels needed.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C) or (n, H*W*C), or (n,) file names
            At least two images of the shape and range seen in ``fit``.

        y : None
            Ignored.

        Returns
        -------
        score : float
            The accuracy of the task in [0, 1], or minus the loss of a task that has none; random
            views are drawn from a fixed seed.
        """
        check_is_fitted(self)
        self._check_params()
        images = validate_input(self, X, reset=False, min_samples=2)
        n_batches = count_batches(len(images), self.batch_size)
        parts = np.array_split(np.arange(len(images)), n_batches)
        total = 0.0
        with self._evaluating() as to_tensor:
            rng = torch.Generator(to_tensor.device).manual_seed(0)
            for index, batch in zip(parts, iter_batches(images, parts, to_tensor), strict=True):
                rows = torch.from_numpy(index).to(to_tensor.device)
                views = self.pretext_.views(batch, rng, rows)
                terms = self.pretext_(*views)
                score = terms["accuracy"] if "accuracy" in terms else -terms["loss"]
                total += score.item() * len(index)
        return total / len(images)

    def _make_pretext(self, backbone):
        raise NotImplementedError(f"{type(self).__name__} must define _make_pretext(backbone).")

    def _check_size(self, size):
        """Refuse images of (height, width) `size` that the task cannot work with."""
        if self._square_only:
            check_square(self, size)

    def _phases(self):
        """Give the stretches of training; a method of several scales gives several."""
        return [Phase(1.0, self.learning_rate, self.max_epochs)]

    # Fitting: everything happens to a copy, which replaces self in one step at the end. ------

    @plain_torch()
    def _fit(self, X, phases, *, y=None, continued=False, in_pieces=False, caller=None):
        # Before the copy: what scikit-learn leaves on self while it fits has to survive the swap.
        tasks = FitTasks(
            caller or self,
            sum(phase.max_epochs for phase in phases),
            lambda: {"estimator_": fresh} if caller else fresh._learned(),
            data=(X, y),
        )
        fresh = self._continued() if continued else self._unfitted()
        if not continued:
            check_start(self)
        images = validate_input(fresh, X, reset=not continued, min_samples=2)
        check_callbacks(self, self.callbacks)
        check_optimizer(self)
        sizes = {phase.scale: fresh._scaled(phase.scale) for phase in phases}
        check_scaled_sizes(caller or self, fresh._full_size(), sizes)
        for size in (fresh._full_size(), *sizes.values()):
            fresh._check_size(size)
        device = resolve_device(self.device, owner=self)
        decode_files(fresh, images, min_samples=2)
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        seed += self.n_epochs_ if continued else 0  # a new order of the images at each call
        with (
            retain_freed_memory(device),  # from one part of the fit to the next, too
            open_checkpoints(
                fresh,
                seed,
                [images],
                wanted=not in_pieces,
                start=self.pretext_ if continued else None,
                phases=phases if caller else None,
            ) as checkpoints,
            forked_rng(device, checkpoints.seed),
        ):
            with seeded(device, checkpoints.seed):
                if continued:
                    check_network(self, fresh.pretext_.backbone, sizes.values())
                else:
                    with memory_errors(self._too_large):
                        fresh._build(images, sizes.values())
                fresh._resolve_layer(fresh.pretext_)
                fresh.pretext_.before_fit(len(images))
            lr_schedule = "constant" if in_pieces else self.lr_schedule
            fresh._train(images, phases, lr_schedule, device, checkpoints, tasks)
        tasks.end()
        self.__dict__ = fresh.__dict__
        return self

    def _continued(self):
        """Copy self with weights and history of its own to go on from."""
        fresh = object.__new__(type(self))
        fresh.__dict__ = {
            **vars(self),
            "pretext_": copy.deepcopy(self.pretext_),
            "history_": list(self.history_),
        }
        return fresh

    def _build(self, images, sizes):
        """Make the pretext around a backbone that knows the statistics of `images`."""
        self.value_range_, mean, scale = image_statistics(images)
        with naming_parameter(self, "backbone"):
            side, n_channels = min(self._full_size()), self.image_shape_[2]
            backbone = make_backbone(self.backbone, in_channels=n_channels, image_size=side)
        check_network(self, backbone, sizes)
        backbone.set_standardisation(mean, scale)
        if backbone.learns_from_images():
            self._learn_weights(backbone, images)
        if self.init_weights is not None:
            load_weights(backbone, self.init_weights, owner=self)
        self.pretext_ = self._make_pretext(backbone).to(memory_format=torch.channels_last)
        self.layer_names_ = backbone.layer_names
        self.history_ = []
        self.symmetry_ = self._find_symmetry(images) if self.symmetry == "auto" else None

    @property
    def _too_large(self):
        name = type(self).__name__
        return f"{name}: the network does not fit in the memory. Take a smaller {self._sized_by}."

    def _find_symmetry(self, images):
        height, width = self._full_size()
        return find_symmetry(images, self._embed_changed, square=height == width)

    def _learn_weights(self, backbone, images):
        """Take from some of the images the weights that need no training."""
        to_tensor = ToTensor(torch.device("cpu"), self.value_range_, self._full_size())
        rows = torch.randperm(len(images))[:_LEARNED_FROM].sort().values.numpy()
        parts = np.array_split(rows, math.ceil(len(rows) / _LEARNED_AT_ONCE))
        with naming_parameter(self, "backbone"):
            backbone.learn_from(lambda: iter_batches(images, parts, to_tensor), len(rows))

    def _train(self, images, phases, lr_schedule, device, checkpoints, tasks):
        recipe = TrainingConfig(
            self.optimizer,
            self.weight_decay,
            lr_schedule,
            self.batch_size,
            self.precision,
            self.compile,
            self.max_grad_norm,
        )
        run_training(
            self,
            self.pretext_,
            images,
            phases,
            recipe,
            to_tensor=lambda scale: ToTensor(device, self.value_range_, self._scaled(scale)),
            device=device,
            checkpoints=checkpoints,
            tasks=tasks,
            guards=(
                CollapseGuard(images),
                ChanceGuard(self.pretext_, len(images), self.batch_size),
            ),
        )

    @property
    def n_epochs_(self):
        """The number of epochs trained."""
        return len(self.history_)

    def _scaled(self, scale):
        return tuple(round(scale * side) for side in self._full_size())

    # The scikit-learn contract ---------------------------------------------------------------

    def __sklearn_is_fitted__(self):
        return hasattr(self, "pretext_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
