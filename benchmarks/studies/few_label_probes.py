"""Which classifier on the features, with 10 or 50 labels per class?

    python -m benchmarks.studies.few_label_probes [--seeds 0] [--data NAME ...]

Accuracies in per cent, means of three draws of the labels, on at most 3,000 test images, of the
features of the default dictionary. Except for "as it is", they are standardised. d is the number
of features.
"""

import itertools

import numpy as np
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks._common import asked_runs, write_line
from benchmarks.accuracy.image_sets import SETS, draws
from sklssl import PatchDictionaryEmbedder
from sklssl.semi_supervised._default_classifier import default_classifier

DATA = ("gtsrb", "digits", "pets", "fashion-mnist", "mnist", "tiny20", "cifar10-4k")
N_LABELS, N_TEST, N_DRAWS = (10, 50), 3000, 3


def classifiers(y, n_features):
    logistic = {c: LogisticRegression(C=c / n_features, max_iter=1000) for c in (5, 50)}
    ridge = {a: RidgeClassifier(alpha=a * n_features) for a in (0.1, 0.3, 1)}
    scaled = {
        **{f"logistic, C = {c} / d": classifier for c, classifier in logistic.items()},
        **{f"ridge, alpha = {a} d": classifier for a, classifier in ridge.items()},
    }
    return {
        "logistic as it is": LogisticRegression(max_iter=1000),
        **{name: make_pipeline(StandardScaler(), classifier) for name, classifier in scaled.items()},
        "default of SemiSupervisedClassifier": default_classifier(y, n_features),
    }


if __name__ == "__main__":
    for seed, name in asked_runs(DATA, seeds=[0]):
        X, y, X_test, y_test = SETS[name](seed)
        embedder = PatchDictionaryEmbedder(random_state=seed).fit(X)
        Z, Z_test, y_test = embedder.transform(X), embedder.transform(X_test[:N_TEST]), y_test[:N_TEST]
        for n in N_LABELS:
            found = {}
            for few in itertools.islice(draws(y, n, seed), N_DRAWS):
                for title, classifier in classifiers(y[few], Z.shape[1]).items():
                    score = classifier.fit(Z[few], y[few]).score(Z_test, y_test)
                    found.setdefault(title, []).append(100 * score)
            means = {title: round(float(np.mean(scores)), 1) for title, scores in found.items()}
            write_line(__file__, data=name, seed=seed, n_labels=n, accuracy=means)
