"""What is trained where determinism is tested, and a digest of all that comes out.

``python -m tests._determinism THREADS CASE...`` prints the digests that a process of its own has.
"""

# ruff: noqa: NPY002

import hashlib
import json
import sys

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from sklssl import (
    FineTuneClassifier,
    FineTuneRegressor,
    HarrisCornerMasker,
    MultiScaleEmbedder,
    RotNetEmbedder,
    SemiSupervisedClassifier,
    SimCLREmbedder,
)
from sklssl.datasets import load_digit_images
from tests._estimators import EMBEDDERS, with_params
from tests._seed import SEED

SEEDED = {"max_epochs": 2, "batch_size": 16, "random_state": SEED}
SMALL = {"backbone": "convnet", **SEEDED}  # where the default network would add nothing

CASES = {
    **{
        name.removesuffix("Embedder"): with_params(embedder, **SMALL)
        for name, embedder in EMBEDDERS.items()
    },
    "RotNet": RotNetEmbedder(**SEEDED),
    "MultiScale": MultiScaleEmbedder(SimCLREmbedder(**SMALL), scales=(0.75, 1.0)),
    "cosine": RotNetEmbedder(lr_schedule="cosine", **SMALL),
    "plateau": RotNetEmbedder(lr_schedule="plateau", optimizer="adamw", **SMALL),
    "float32": RotNetEmbedder(precision="float32", **SMALL),
    "bfloat16": RotNetEmbedder(precision="bfloat16", **SMALL),
    # Its stochastic depth draws from torch's global generator.
    "efficientnet": RotNetEmbedder(
        "efficientnet_b0", image_size=32, max_epochs=1, batch_size=40, random_state=SEED
    ),
    "FineTuneClassifier": FineTuneClassifier(
        RotNetEmbedder(**SMALL),
        augment=True,
        early_stopping=True,
        validation_fraction=0.5,
        **SEEDED,
    ),
    "FineTuneRegressor": FineTuneRegressor(
        RotNetEmbedder(**SMALL), frozen_until="all", lr_schedule="plateau", **SEEDED
    ),
    "SemiSupervisedClassifier": SemiSupervisedClassifier(
        RotNetEmbedder(**SMALL), LogisticRegression(max_iter=1000)
    ),
    "HarrisCornerMasker": HarrisCornerMasker(fraction=0.5, random_state=SEED),
}


def load():
    """Give forty digits, and labels of which half are hidden from those who take fewer."""
    X, y = load_digit_images(return_X_y=True)
    return X[:40], y[:40]


def fit(estimator):
    """Fit in place, on few labels where the estimator is for that."""
    X, y = load()
    few = np.where(np.arange(len(y)) < 20, y, -1)
    return estimator.fit(X, few if isinstance(estimator, SemiSupervisedClassifier) else y)


def digest(fitted):
    """Hash the features, the answers, the weights and the history, except for the durations."""
    X, _ = load()
    ways = ("transform", "predict_proba", "predict")
    parts = [getattr(fitted, way)(X).tobytes() for way in ways if hasattr(fitted, way)]
    parts += [
        tensor.numpy().tobytes()
        for name in ("pretext_", "head_")
        for tensor in getattr(fitted, name, torch.nn.Module()).state_dict().values()
    ]
    for row in getattr(fitted, "history_", ()):
        parts.append(repr({k: v for k, v in row.items() if k != "duration"}).encode())
    return hashlib.sha256(b"".join(parts)).hexdigest()


def disturb():
    """Use and reseed the global generators, as other work in the process does."""
    torch.manual_seed(5)
    torch.rand(3)
    torch.randperm(7)
    np.random.seed(6)
    np.random.rand(3)


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[1]))
    disturb()
    sys.stdout.write(json.dumps({name: digest(fit(CASES[name])) for name in sys.argv[2:]}))
