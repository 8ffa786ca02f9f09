"""Do signed square roots of pooled feature maps make better features than the averages themselves?

    python -m benchmarks.studies.signed_roots [--seeds 0] [--data NAME ...]

Accuracies in per cent of the same features to the powers of 1, 1/2 (the default of all embedders)
and 1/4, by the probes of `levels.py`, and by a logistic regression with default parameters and
without standardisation: of the default dictionary, of an untrained convnet, of SimCLR with default
parameters, and of a network with ImageNet weights at 96x96 pixels, without training. At most 3,000
test images.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression

from benchmarks._common import asked_runs, write_line
from benchmarks.accuracy.image_sets import SETS, draws
from benchmarks.accuracy.pretrained import LITE
from benchmarks.studies.levels import N_LABELS, scores
from sklssl import PatchDictionaryEmbedder, RotNetEmbedder, SimCLREmbedder

POWERS = (1, 0.5, 0.25)
N_TEST = 3000
DATA = ("digits", "pets", "gtsrb", "fashion-mnist", "mnist", "tiny20", "cifar10-4k")
COLOURED = ("cifar10-4k", "pets", "tiny20")  # photographs, for the ImageNet weights
TRAINED = ("digits", "pets")  # for SimCLR


def embedders(name, seed):
    yield "dictionary", PatchDictionaryEmbedder(random_state=seed)
    yield "untrained convnet", RotNetEmbedder("convnet", max_epochs=0, random_state=seed)
    if name in TRAINED:
        yield "SimCLR", SimCLREmbedder(random_state=seed)
    if name in COLOURED:
        pretrained = {"init_weights": "imagenet", "image_size": 96, "max_epochs": 0}
        yield "ImageNet weights", RotNetEmbedder(LITE, **pretrained, random_state=seed)


def plain_scores(Z, y, Z_test, y_test, seed):
    """Return the accuracies of the classifier that users begin with."""
    out = {}
    for n in N_LABELS:
        fitted = (LogisticRegression(max_iter=1000).fit(Z[r], y[r]) for r in draws(y, n, seed))
        mean = np.mean([classifier.score(Z_test, y_test) for classifier in fitted])
        out[f"plain_{n}"] = round(100 * float(mean), 2)
    return out


if __name__ == "__main__":
    for seed, name in asked_runs(DATA, seeds=[0]):
        X, y, X_test, y_test = SETS[name](seed)
        for features, embedder in embedders(name, seed):
            Z = embedder.fit_transform(X)
            Z_test = embedder.transform(X_test[:N_TEST])
            for power in POWERS:
                A, B = (np.sign(z) * np.abs(z) ** (2 * power) for z in (Z, Z_test))
                data = (A, y, B, y_test[:N_TEST], seed)
                found = {**scores(*data), **plain_scores(*data)}
                write_line(
                    __file__, data=name, features=features, seed=seed, power=power, **found
                )
