"""Accuracy with few labels, with and without an embedding and the unlabelled rows.

    python -m benchmarks.accuracy.few_labels [--seeds 0 1 2] [--data NAME] [--embedder FILE]

Digits: 50 labels of 1,300 images, ten draws per seed, 497 test images. CIFAR-10: 100 and 400 labels
of 4,000 images, three draws per seed, 5,000 test images. Pixels are divided by 255, features are
standardised. The embedder is a default RotNetEmbedder fitted on all images without labels;
--embedder loads one that was fitted before, on the images of a single seed.
"""

import argparse
import time
import warnings

import joblib
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

from benchmarks._common import Cifar4K, Digits, rows, write_line
from sklssl import RotNetEmbedder
from sklssl.semi_supervised import SemiSupervisedClassifier

# Labels per class, draws, test images.
SETTINGS = {"digits": [(5, 10, 497)], "cifar10-4k": [(10, 3, 5000), (40, 3, 5000)]}


def features_of(data, seed, file):
    """Iterate over the kinds of features, for the training and the test images."""
    images, test = data.X, data.X_test[: SETTINGS[data.name][0][2]]
    yield "raw", rows(images), rows(test)
    untrained = RotNetEmbedder(max_epochs=0, random_state=seed).fit(images)
    yield "untrained", untrained.transform(images), untrained.transform(test)
    embedder = joblib.load(file) if file else RotNetEmbedder(random_state=seed).fit(images)
    yield "RotNet", embedder.transform(images), embedder.transform(test)


def classifiers_of(data, features):
    """Iterate over (name, classifier); None is the default classifier."""
    small, raw = data.name == "digits", features == "raw"
    logistic = LogisticRegression(C=1 if small else 0.01, max_iter=1000)
    steps = [] if raw else [StandardScaler()]
    yield "LogisticRegression", make_pipeline(*steps, logistic)
    if small or features == "RotNet":  # these take many minutes on other features of CIFAR-10
        yield "SelfTraining", make_pipeline(*steps, SelfTrainingClassifier(logistic))
        yield "LabelSpreading", make_pipeline(*steps, LabelSpreading(kernel="knn", max_iter=300))
        yield "default", None


def draw_labels(y, n_per_class, draw):
    """Keep the labels of a few random images of each class."""
    rng = np.random.default_rng(draw)
    few = np.concatenate([rng.permutation(np.flatnonzero(y == c))[:n_per_class] for c in range(10)])
    kept = np.full(len(y), -1)
    kept[few] = y[few]
    return kept


def run(data, seed, file):
    for features, Z, Z_test in features_of(data, seed, file):
        for name, classifier in classifiers_of(data, features):
            # The embedder does not use labels, so it was fitted once for all draws.
            model = SemiSupervisedClassifier(FunctionTransformer(), classifier)
            for n_per_class, n_draws, n_test in SETTINGS[data.name]:
                start = time.perf_counter()
                scores = [
                    model.fit(Z, draw_labels(data.y, n_per_class, draw)).score(
                        Z_test, data.y_test[:n_test]
                    )
                    for draw in range(n_draws)
                ]
                write_line(
                    __file__,
                    data=data.name,
                    features=features,
                    classifier=name,
                    seed=seed,
                    labels=10 * n_per_class,
                    accuracy=round(float(np.mean(scores)), 4),
                    spread_of_draws=round(float(np.std(scores)), 4),
                    seconds_a_draw=round((time.perf_counter() - start) / n_draws, 2),
                )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--data", help="digits or cifar10-4k (default: both)")
    parser.add_argument("--embedder", help="a pickled RotNetEmbedder, for one seed and data set")
    args = parser.parse_args()
    # scikit-learn's classifiers occasionally divide by 0 with their defaults.
    warnings.filterwarnings("ignore", category=ConvergenceWarning)
    warnings.filterwarnings("ignore", category=RuntimeWarning, module="sklearn.semi_supervised")
    for data_set in (Digits, Cifar4K):
        if args.data in (None, data_set.name):
            for seed in args.seeds:
                run(data_set(seed), seed, args.embedder)
