"""What is fitted in one process and in several."""

import numpy as np
import torch
from sklearn.base import clone
from torch import nn

from sklssl import FineTuneClassifier, FineTuneRegressor, RotNetEmbedder, SimCLREmbedder
from tests._estimators import EMBEDDERS, with_params
from tests._seed import SEED


class WithoutBatchNorm(nn.Sequential):
    """A network for which the parts of a batch make no difference."""

    def __init__(self, in_channels, image_size):
        convolutions = (nn.Conv2d(n, 8, 3, padding=1) for n in (in_channels, 8))
        super().__init__(*(nn.Sequential(conv, nn.ReLU()) for conv in convolutions))


# Batches of 14, 13 and 13 images, so the shares of two processes differ. Small steps, since large
# ones amplify rounding errors, in a single process with another number of threads, too.
SMALL_STEPS = {
    "backbone": "convnet",
    "batch_size": 15,
    "learning_rate": 1e-3,
    "max_epochs": 2,
    "optimizer": "sgd",
    "precision": "float32",
    "random_state": SEED,
}


def load():
    """Images of noise: where images are blank, rounding decides what passes a ReLU."""
    rng = np.random.default_rng(SEED)
    return rng.integers(0, 256, (40, 12, 12, 3), dtype=np.uint8), np.arange(40) % 4


def _fine_tuner(cls, **params):
    start = RotNetEmbedder(**SMALL_STEPS)
    common = {k: v for k, v in SMALL_STEPS.items() if k not in ("backbone", "precision")}
    return cls(start, **(common | params))


CASES = {
    **{name: with_params(embedder, **SMALL_STEPS) for name, embedder in EMBEDDERS.items()},
    "micro-batches": SimCLREmbedder(
        **(SMALL_STEPS | {"backbone": WithoutBatchNorm, "micro_batch_size": 8})
    ),
    "FineTuneClassifier": _fine_tuner(FineTuneClassifier),
    "augment": _fine_tuner(FineTuneClassifier, augment=True),
    "frozen_until": _fine_tuner(FineTuneClassifier, frozen_until="block1"),
    "early_stopping": _fine_tuner(
        FineTuneClassifier, early_stopping=True, validation_fraction=0.4, n_iter_no_change=2
    ),
    "FineTuneRegressor": _fine_tuner(FineTuneRegressor),
}


for name in ("BarlowTwinsEmbedder", "EMPSSLEmbedder"):  # whose losses are large
    CASES[name].set_params(learning_rate=1e-5)
# Its clusters of the second epoch depend on the rounding of the features in the first one.
CASES["DeepClusterEmbedder"].set_params(max_epochs=1)


def fitted(case, *, learns=True):
    """Fit the estimator of a case; return its history, weights, other state and features."""
    X, y = load()
    estimator = clone(CASES[case])
    if not learns:
        still = {"learning_rate": 1e-12} if hasattr(estimator, "embedder") else {"max_epochs": 0}
        estimator.set_params(**{k: v for k, v in still.items() if k in estimator.get_params()})
    estimator.fit(X, y)
    inner = getattr(estimator, "estimator_", estimator)
    modules = [inner.pretext_] if hasattr(inner, "pretext_") else [_network(inner), inner.head_]
    module = nn.ModuleList(modules)
    return {
        "history": [{k: v for k, v in row.items() if k != "duration"} for row in inner.history_],
        "weights": torch.cat([weight.detach().flatten() for weight in module.parameters()]),
        "state": {name: state.clone() for name, state in module.named_buffers()},
        "features": torch.from_numpy(estimator.transform(X)),
    }


def _network(tuner):
    return tuner.embedder_.pretext_.encoder


# Checkpoints ------------------------------------------------------------------------------------

RESUMED = "RotNetEmbedder"


def interrupt(estimator, row):
    """Raise an error in the second epoch: the first one is in a checkpoint."""
    if row["epoch"] == 2:
        raise InterruptedError


def run(folder, callback=None):
    """Fit with checkpoints; return the weights, and how often the callback was called here."""
    X, _ = load()
    called = []
    embedder = clone(CASES[RESUMED]).set_params(
        checkpoint_dir=folder, callbacks=[callback or (lambda *_: called.append(1))]
    )
    embedder.fit(X)
    weights = [weight.detach().flatten() for weight in embedder.pretext_.parameters()]
    return {"weights": torch.cat(weights), "n_called": len(called)}
