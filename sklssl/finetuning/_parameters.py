"""The parameters and fitted attributes that the estimators trained on labels share."""

from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Annotated, Any, TypedDict

from sklssl._parameters.embedders import EMBEDDER_ATTRIBUTES
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
from sklssl.finetuning._heads import HEADS
from sklssl.utils._sklearn_compat import Interval, StrOptions

__all__ = ["FINETUNER_ATTRIBUTES", "FINETUNER_PARAMETERS", "FineTuningParameters"]


class FineTuningParameters(TypedDict, total=False):
    """The parameters of every fine-tuner except its embedder, in the order of the signature."""

    head: Annotated[
        str,
        Shared(
            "linear",
            [StrOptions(set(HEADS))],
            '{"linear", "mlp", "conv"}',
            """
            The layers on top of the network. "mlp" has two layers of 200 units with batch-norm.
            "conv" is a block of NIN: a 3x3 and two 1x1 convolutions of 192 channels with
            batch-norm. For classification, its whole feature map is averaged before the last layer;
            for regression, whose targets may depend on positions, the layers of "mlp" follow.
            """,
        ),
    ]
    layer: Annotated[
        str,
        Shared(
            "auto",
            [str],
            "str",
            """
            The stage whose feature map the head uses. "auto" means that of the embedder. If the
            embedder uses all stages, "auto" means the last one, or the middle one with
            ``frozen_until="all"``, but none before `frozen_until`.
            """,
        ),
    ]
    pool_size: Annotated[
        int | None,
        Shared(
            None,
            [Interval(Integral, 1, None, closed="left"), None],
            "int",
            """
            The feature maps are averaged over `pool_size` x `pool_size` cells for the head. None
            means the value of the embedder.
            """,
        ),
    ]
    frozen_until: Annotated[
        str | None,
        Shared(
            None,
            [str, None],
            "str",
            """
            The last stage whose weights and batch-norm statistics stay unchanged. "all" freezes
            all stages, so that only the head is trained.
            """,
        ),
    ]
    augment: Annotated[
        bool,
        Shared(
            False,
            ["boolean"],
            "bool",
            """
            Whether images are randomly cropped and mirrored during training. Unsuitable if this
            changes the target: if a mirror image belongs to another class, or numbers depend on
            positions. A classifier averages its predictions according to `symmetry` of the
            embedder, whether or not this is set.
            """,
        ),
    ]
    max_epochs: Annotated[
        int,
        Shared(
            30,
            [Interval(Integral, 1, None, closed="left")],
            "int",
            "The number of passes over the images.",
        ),
    ]
    batch_size: Annotated[
        int,
        Shared(
            32,
            [Interval(Integral, 2, None, closed="left")],
            "int",
            "The largest number of images per step; the steps of an epoch are nearly equal.",
        ),
    ]
    learning_rate: Annotated[
        float,
        Shared(
            1e-3,
            [Interval(Real, 0, None, closed="neither")],
            "float",
            "The learning rate of the head, before `lr_schedule` changes it.",
        ),
    ]
    backbone_learning_rate: Annotated[
        float | None,
        Shared(
            None,
            [Interval(Real, 0, None, closed="neither"), None],
            "float",
            """
            The learning rate of the network; None means `learning_rate`. A tenth of it preserves
            more of what was learned without labels, which large networks with weights from many
            images need.
            """,
        ),
    ]
    lr_schedule: Annotated[
        str,
        Shared(
            "cosine",
            [StrOptions(set(SCHEDULES))],
            '{"step", "cosine", "plateau", "constant"}',
            """
            "cosine" increases the learning rates during the first tenth of training and then
            decreases them to 0; "step" divides them by 5 after 30, 60 and 80 % of the epochs,
            "plateau" whenever the loss on the validation images has not decreased for 5 epochs.
            """,
        ),
    ]
    optimizer: Optimizer
    weight_decay: WeightDecay
    max_grad_norm: MaxGradNorm
    early_stopping: Annotated[
        bool,
        Shared(
            False,
            ["boolean"],
            "bool",
            """
            Whether to hold out validation images, to stop when the loss on them has not decreased
            for `n_iter_no_change` epochs, and to restore the weights with the lowest loss.
            """,
        ),
    ]
    validation_fraction: Annotated[
        float,
        Shared(
            0.1,
            [Interval(Real, 0, 1, closed="neither")],
            "float",
            """
            The proportion of the images that `early_stopping` and ``lr_schedule="plateau"`` hold
            out for validation.
            """,
        ),
    ]
    n_iter_no_change: Annotated[
        int,
        Shared(
            10,
            [Interval(Integral, 1, None, closed="left")],
            "int",
            "The number of epochs without improvement after which `early_stopping` stops.",
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
            Each is called as ``callback(estimator, row)`` after every epoch, with this estimator in
            its current state, which can predict and transform, and with the row of ``history_``,
            to which it may add entries. Raising :class:`sklssl.exceptions.StopTraining` stops
            training.
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
            Seeds the head, the order of the images, their views and the choice of the validation
            images. An embedder that is fitted here uses its own `random_state`.
            """,
        ),
    ]
    verbose: Verbose


FINETUNER_PARAMETERS = read_parameters(FineTuningParameters)

FINETUNER_ATTRIBUTES = read_attributes(
    {
        "embedder_": (
            "embedder",
            """
            The fitted embedder with the fine-tuned network; :meth:`to_embedder` returns a copy.
            """,
        ),
        "head_": ("nn.Module", "The trained head."),
        "layer_": ("str", "The stage whose feature map the head uses."),
        "history_": (
            "list of dict",
            """
            One row per epoch: epoch, phase and scale (0 and 1: there is one), learning_rate (of the
            head), loss, accuracy or mean_absolute_error (averaged over the columns of `y`), the
            same for the validation images, if there are any, and duration in seconds.
            """,
        ),
        "layer_names_": ("tuple of str", "The stages of the network."),
    }
) | {
    name: EMBEDDER_ATTRIBUTES[name]
    for name in ("n_epochs_", "image_shape_", "n_features_in_", "feature_names_in_")
}
