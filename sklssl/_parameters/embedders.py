"""The parameters and fitted attributes that all embedders share."""

import os
from collections.abc import Callable, Sequence
from enum import Enum
from numbers import Integral, Real
from typing import Annotated, Any, TypedDict

import torch

from sklssl._parameters.table import Shared, read_attributes, read_parameters
from sklssl._parameters.training import (
    CheckpointDir,
    CheckpointEvery,
    MaxGradNorm,
    Optimizer,
    Resume,
    Verbose,
    WeightDecay,
)
from sklssl._training.schedules import SCHEDULES
from sklssl.utils._checks import MAX_SIDE, MIN_SCALED_SIDE
from sklssl.utils._sklearn_compat import HasMethods, Interval, StrOptions

__all__ = ["EMBEDDER_ATTRIBUTES", "EMBEDDER_PARAMETERS", "SharedParameters"]


class SharedParameters(TypedDict, total=False):
    """The parameters of every embedder except its backbone, in the order of the signature."""

    layer: Annotated[
        str,
        Shared(
            "auto",
            [str],
            "str",
            """
            The stage whose feature maps become the features. "all" concatenates the feature maps of
            all stages. "auto" does so too, but with fewer cells than `pool_size` if there would be
            more than 6,000 features. :func:`sklssl.inspection.layer_scores` compares single stages.
            Only used by ``transform``: a change needs no new ``fit``.
            """,
        ),
    ]
    pool_size: Annotated[
        int,
        Shared(
            3,
            [Interval(Integral, 1, None, closed="left")],
            "int",
            """
            The feature maps are averaged over `pool_size` x `pool_size` cells, each of which has
            separate features: the signed square roots of the averages. Only used by ``transform``.
            """,
        ),
    ]
    symmetry: Annotated[
        str | None,
        Shared(
            "auto",
            [StrOptions({"auto", "mirror", "all"}), None],
            '{"auto", "mirror", "all"} or None',
            """
            The versions of an image over which its features are averaged. "mirror" adds the
            mirror image and "all" uses all eight rotations and reflections of a square (four if
            the images are not square); ``transform`` then takes two or eight times as long. None
            uses only the image itself. "auto" determines in ``fit`` which versions look like images
            of X: those that a linear model cannot distinguish from them; with fewer than 50 images
            it means None. The other values are only used by ``transform``.
            """,
        ),
    ]
    image_shape: Annotated[
        Sequence[int] | None,
        Shared(
            None,
            ["array-like", None],
            "tuple of (H, W) or (H, W, C)",
            """
            The shape of the image in each row. None assumes the smallest square that a row fits
            into. If X is a sequence of file names: the size and the number of channels (1 for
            grey, 3 for red, green and blue) to which images are converted; None means three
            channels and `image_size`, or the common size of all files.
            """,
        ),
    ]
    image_size: Annotated[
        int | None,
        Shared(
            None,
            [Interval(Integral, MIN_SCALED_SIDE, MAX_SIDE, closed="both"), None],
            "int",
            """
            The side in pixels to which images are resized; None keeps their size. Sides of less
            than 8 pixels are enlarged to 8.
            """,
        ),
    ]
    cache_dir: Annotated[
        str | os.PathLike[str] | None,
        Shared(
            None,
            [str, os.PathLike, None],
            "str or path-like",
            """
            If X is a sequence of file names: the folder in which the decoded images are stored,
            for this fit and later ones. None stores them in a temporary file during ``fit``.
            """,
        ),
    ]
    on_error: Annotated[
        str,
        Shared(
            "raise",
            [StrOptions({"raise", "skip"})],
            '{"raise", "skip"}',
            """
            If X is a sequence of file names: what ``fit`` does if a file cannot be read. "skip"
            omits the file, with a warning that counts such files; ``transform`` always raises an
            error.
            """,
        ),
    ]
    max_epochs: Annotated[
        int,
        Shared(
            10,
            [Interval(Integral, 0, None, closed="left")],
            "int",
            """
            The number of passes over the images. 0 leaves the network untrained, as a baseline for
            comparisons.
            """,
        ),
    ]
    batch_size: Annotated[
        int,
        Shared(
            32,
            [Interval(Integral, 2, None, closed="left")],
            "int",
            """
            The largest number of images per training step; the steps of an epoch are nearly equal.
            A step includes all views of each image.
            """,
        ),
    ]
    micro_batch_size: Annotated[
        int | None,
        Shared(
            None,
            [Interval(Integral, 2, None, closed="left"), None],
            "int",
            """
            The number of views that pass through the network at once in training; None means all
            of a step. A smaller number needs less memory: intermediate results are not kept, but
            computed a second time for the gradients. The loss still compares all images of the
            step, and its gradients are the same, except that batch normalisation in the network
            uses the mean and the variance of each part.
            """,
        ),
    ]
    learning_rate: Annotated[
        float,
        Shared(
            0.1,
            [Interval(Real, 0, None, closed="neither")],
            "float",
            "The learning rate, before `lr_schedule` changes it.",
        ),
    ]
    lr_schedule: Annotated[
        str,
        Shared(
            "step",
            [StrOptions(set(SCHEDULES))],
            '{"step", "cosine", "plateau", "constant"}',
            """
            "step" divides the learning rate by 5 after 30, 60 and 80 % of the epochs, "plateau"
            whenever the loss has not decreased for 5 epochs; "cosine" increases it during the
            first tenth of training and then decreases it to 0.
            """,
        ),
    ]
    optimizer: Optimizer
    weight_decay: WeightDecay
    max_grad_norm: MaxGradNorm
    init_weights: Annotated[
        Any,
        Shared(
            None,
            [str, os.PathLike, Enum, HasMethods(["fit", "transform"]), None],
            "fitted embedder, str or path",
            """
            The initial weights of the network, as far as they match: an embedder of any method,
            "imagenet" for published weights of the backbone, the name of weights of torchvision
            such as "ResNet18_Weights.IMAGENET1K_V1", a safetensors file, or a torch file with a
            state dict (no code in it is run). If this estimator will be cloned, as in a search,
            wrap an embedder in :class:`sklearn.frozen.FrozenEstimator`.
            """,
        ),
    ]
    warm_start: Annotated[
        bool,
        Shared(
            False,
            ["boolean"],
            "bool",
            "Whether ``fit`` continues from the weights of the previous ``fit``.",
        ),
    ]
    device: Annotated[
        str | torch.device,
        Shared(
            "auto",
            [str, torch.device],
            "str",
            'A torch device. "auto" means the first CUDA device or, if there is none, the CPU.',
        ),
    ]
    precision: Annotated[
        str,
        Shared(
            "auto",
            [StrOptions({"auto", "float32", "bfloat16"})],
            '{"auto", "float32", "bfloat16"}',
            """
            The precision in which the network computes; losses are always float32. "auto" means
            bfloat16 if the hardware supports it (CUDA 8.0 and newer, processors with avx512_bf16),
            which takes two thirds of the time at the same accuracy, and float32 otherwise.
            """,
        ),
    ]
    compile: Annotated[
        bool,
        Shared(
            False,
            ["boolean"],
            "bool",
            """
            Whether to train with ``torch.compile``, which needs a C++ compiler and a minute before
            the first step. It is worthwhile for long training runs on a GPU, but not on a CPU.
            """,
        ),
    ]
    checkpoint_dir: CheckpointDir
    checkpoint_every: CheckpointEvery
    resume: Resume
    callbacks: Annotated[
        Sequence[Callable[..., Any]] | None,
        Shared(
            None,
            ["array-like", None],
            "list of callable",
            """
            Each is called as ``callback(embedder, row)`` after every epoch, with this estimator in
            its current state, which can transform, and with the row of ``history_``, to which it
            may add entries. Raising :class:`sklssl.exceptions.StopTraining` stops training.
            """,
        ),
    ]
    random_state: Annotated[
        Any,
        Shared(
            None,
            ["random_state"],
            "int, RandomState instance or None",
            """
            Seeds the weights, the order of the images and the views. The same int on the same
            machine with the same number of threads gives bit-identical results.
            """,
        ),
    ]
    verbose: Verbose


EMBEDDER_PARAMETERS = read_parameters(SharedParameters)

EMBEDDER_ATTRIBUTES = read_attributes(
    {
        "pretext_": (
            "Pretext",
            "The trained task, in evaluation mode; ``pretext_.encoder`` is the network.",
        ),
        "history_": (
            "list of dict",
            """
            One row per epoch: epoch, phase (counts scales, and fits that continue an earlier one,
            from 0), scale, learning_rate, loss, accuracy (of the pretext task, if it has one) and
            duration in seconds.
            """,
        ),
        "n_epochs_": ("int", "The number of epochs trained."),
        "layer_names_": ("tuple of str", "The stages that `layer` can name."),
        "symmetry_": (
            '{"mirror", "all", "unknown"} or None',
            'What ``symmetry="auto"`` chose; "unknown" if `symmetry` had another value in ``fit``.',
        ),
        "image_shape_": ("tuple of (H, W, C)", "The shape of one image."),
        "value_range_": (
            "tuple of (low, high)",
            """
            The values of X that became 0 and 1: 0 and 255 for uint8, otherwise the minimum and the
            maximum. Two floats or, if the ranges of the channels differ greatly, two ndarrays of
            shape (C,).
            """,
        ),
        "n_features_in_": ("int", "H * W * C."),
        "feature_names_in_": (
            "ndarray of shape (`n_features_in_`,)",
            "The names of the columns of `X`, if it had any that are strings.",
        ),
    }
)
