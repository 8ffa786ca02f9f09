"""How many rounds of self-training should the default of SemiSupervisedClassifier have?

    python -m benchmarks.studies.self_training [--seeds 0] [--data NAME ...]

The default classifier on the features of the default dictionary, with few labels per class of
up to 4,000 images: accuracies in per cent on up to 3,000 other images, means over three draws of
the labels, for 0 rounds (labelled rows only), 1, 2 and 10. The threshold is that of the default.
"""

import itertools

import numpy as np
from sklearn.base import clone

from benchmarks._common import asked_runs, write_line
from benchmarks.accuracy.image_sets import SETS, draws
from sklssl import PatchDictionaryEmbedder
from sklssl.semi_supervised._default_classifier import default_classifier

N_LABELS = {
    "digits": (5, 20),
    "cifar10-4k": (10, 40),
    "pets": (10, 50),
    "fashion-mnist": (5, 40),
    "mnist": (5, 20),
}
ROUNDS = (0, 1, 2, 10)
N_TEST, N_DRAWS = 3000, 3


def score(classifier, rounds, Z, codes, Z_test, y_test):
    if rounds == 0:
        classifier, Z, codes = classifier.estimator, Z[codes != -1], codes[codes != -1]
    else:
        classifier = clone(classifier).set_params(max_iter=rounds)
    return clone(classifier).fit(Z, codes).score(Z_test, y_test)


def run(name, seed):
    X, y, X_test, y_test = SETS[name](seed)
    embedder = PatchDictionaryEmbedder(random_state=seed).fit(X)
    Z, Z_test = embedder.transform(X), embedder.transform(X_test[:N_TEST])
    n_features = Z.shape[1]
    *steps, _ = default_classifier(y, n_features, np.arange(len(y)) % 2 == 1)
    for step in steps:  # standardised principal components of all images
        Z_test = step.fit(Z).transform(Z_test)
        Z = step.transform(Z)
    for n_labels in N_LABELS[name]:
        scores = []
        for few in itertools.islice(draws(y, n_labels, seed), N_DRAWS):
            codes = np.full(len(y), -1)
            codes[few] = y[few]
            classifier = default_classifier(codes, n_features, codes != -1)[-1]
            data = (Z, codes, Z_test, y_test[:N_TEST])
            scores.append([score(classifier, rounds, *data) for rounds in ROUNDS])
        means = np.round(np.mean(scores, axis=0), 4).tolist()
        found = {f"rounds_{rounds}": mean for rounds, mean in zip(ROUNDS, means, strict=True)}
        write_line(__file__, data=name, seed=seed, n_labels=n_labels, n_draws=N_DRAWS, **found)


if __name__ == "__main__":
    for seed, name in asked_runs(N_LABELS, seeds=[0]):
        run(name, seed)
