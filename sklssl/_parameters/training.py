"""Parameters with the same meaning for training on a pretext task and on labels."""

import os
from numbers import Real
from typing import Annotated, Any

from sklssl._parameters.table import Shared
from sklssl._training.config import OPTIMIZERS
from sklssl.utils._sklearn_compat import Interval, StrOptions

__all__ = [
    "CheckpointDir",
    "CheckpointEvery",
    "MaxGradNorm",
    "Optimizer",
    "Resume",
    "Verbose",
    "WeightDecay",
]

Optimizer = Annotated[
    Any,
    Shared(
        "sgd",
        [StrOptions(set(OPTIMIZERS)), callable],
        '{"sgd", "adam", "adamw"} or callable',
        """
        "sgd" uses a Nesterov momentum of 0.9. A class of torch.optim, or a partial of one, is
        accepted as well. A partial cannot set lr and weight_decay: use `learning_rate` and
        `weight_decay`.
        """,
    ),
]

WeightDecay = Annotated[
    float,
    Shared(
        5e-4,
        [Interval(Real, 0, None, closed="left")],
        "float",
        "The L2 penalty on all weights.",
    ),
]

MaxGradNorm = Annotated[
    float | None,
    Shared(
        None,
        [Interval(Real, 0, None, closed="neither"), None],
        "float",
        """
        The maximum norm of the gradients of a step; larger gradients are scaled down to it. None
        means no maximum. It stabilises training if the loss jumps.
        """,
    ),
]

CheckpointDir = Annotated[
    str | os.PathLike[str] | None,
    Shared(
        None,
        [str, os.PathLike, None],
        "str or path-like",
        """
        The folder in which ``fit`` saves its progress, so that an interrupted fit can be resumed.
        Each training run, identified by its data and parameters, has its own subfolder. None saves
        nothing.
        """,
    ),
]

CheckpointEvery = Annotated[
    Any,
    Shared(
        "epoch",
        [StrOptions({"epoch"}), Interval(Real, 0, None, closed="neither")],
        '"epoch" or float',
        "How often to save a checkpoint: after every epoch, or every given number of minutes.",
    ),
]

Resume = Annotated[
    str,
    Shared(
        "auto",
        [StrOptions({"auto", "never"})],
        '{"auto", "never"}',
        """
        Whether ``fit`` resumes a training run with the same data and parameters if there is one in
        `checkpoint_dir`. "auto" does so, and raises an error if the run started from other weights;
        "never" starts from the beginning and replaces its checkpoints.
        """,
    ),
]

Verbose = Annotated[
    int,
    Shared(
        0,
        ["verbose"],
        "int",
        "1 shows a progress line on stderr; 2 keeps one line per epoch.",
    ),
]
