"""Accuracy with the images that `select_to_label` chooses, and with as many random ones.

    python -m benchmarks.accuracy.select_to_label [--seeds 0 1 2 3 4] [--data NAME ...]
                                                  [--features NAME ...] [--cache FOLDER]

1, 5 and 10 images per class are chosen without knowing the classes: n is a multiple of the number
of classes. "k-means" (the images nearest to n centres) and "TypiClust" (the most typical image of
each of n clusters) use the same projected features as `select_to_label`. "random" is the mean of 20
draws. "share_of_classes" is the fraction of the classes among the chosen images.

Results with "start" begin with the images that `select_to_label` chooses without labels, one per
class, and add to them: by coverage, as `select_to_label` with y, which goes on where it stopped; by
coverage in which an image counts the more, the smaller the margin of the probe; the images of the
smallest margins; or random ones, ten draws.

The probe of all rows is a logistic regression with C = 5 / n_features on standardised features. It
is fitted in the space that its rows span, which gives the same classifier in less time.

`PatchDictionaryEmbedder()` is fitted on the images to choose from, again for every seed, as are the
splits of `image_sets`. Features of ImageNet (EfficientNet-Lite0 at 64 pixels) are computed once,
and divided by the seed. From the 2,000 images of Tiny-ImageNet, 600 are moved to the 200 test
images, after the embedder is fitted. With --cache, features are stored in a folder and read again.
"""

import argparse
import itertools
import warnings
from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import euclidean_distances, rbf_kernel
from sklearn.preprocessing import StandardScaler

from benchmarks._common import write_line
from benchmarks.accuracy.image_sets import SETS
from sklssl import PatchDictionaryEmbedder, RotNetEmbedder
from sklssl.curation import select_to_label
from sklssl.curation._select_to_label import _find_width, _project

PER_CLASS = (1, 5, 10)
N_DRAWS, N_DRAWS_ADDED = 20, 10
N_TEST = 2000
N_POOL = {"cifar10-4k": 4000, "pets": 400, "tiny20": 1400}
RUNS = {
    "PatchDictionary": ["digits", "tiny20", "gtsrb", "cifar10-4k", "pets"],
    "ImageNet": ["tiny20", "cifar10-4k", "pets"],
}


def embed(features, name, seed):
    """Return the features and labels of the images to choose from, and of the test images."""
    X, y, X_test, y_test = SETS[name](seed)
    if features == "PatchDictionary":
        embedder = PatchDictionaryEmbedder(random_state=seed)
    else:
        embedder = RotNetEmbedder(
            "timm/tf_efficientnet_lite0",
            max_epochs=0,
            init_weights="imagenet",
            image_size=64,
            random_state=seed,
        )
    embedder.fit(X)
    return embedder.transform(X), y, embedder.transform(X_test[:N_TEST]), y_test[:N_TEST]


def load(features, name, seed, cache):
    drawn = 0 if features == "ImageNet" else seed
    path = Path(cache or ".") / f"{features}-{name}-{drawn}.npz"
    if cache and path.exists():
        with np.load(path, allow_pickle=False) as stored:
            sets = [stored[key] for key in ("Z", "y", "Zt", "yt")]
    else:
        sets = embed(features, name, drawn)
        if cache:
            np.savez(path, **dict(zip(("Z", "y", "Zt", "yt"), sets, strict=True)))
    return divide(sets, name, seed) if features == "ImageNet" or name == "tiny20" else sets


def divide(sets, name, seed):
    """Divide all images anew by the seed."""
    Z, y = np.concatenate(sets[::2]), np.concatenate(sets[1::2])
    order = np.random.default_rng(seed).permutation(len(Z))
    pool, test = np.split(order, [N_POOL[name]])
    return Z[pool], y[pool], Z[test], y[test]


def fit_probe(Z, y, Z_new):
    """Return the probabilities of the probe for new images, and the classes it knows."""
    if len(np.unique(y)) == 1:
        return np.ones((len(Z_new), 1)), y[:1]
    scaler = StandardScaler().fit(Z)
    _, _, basis = np.linalg.svd(scaler.transform(Z), full_matrices=False)
    clf = LogisticRegression(C=5 / Z.shape[1], max_iter=1000)
    clf.fit(scaler.transform(Z) @ basis.T, y)
    return clf.predict_proba(scaler.transform(Z_new) @ basis.T), clf.classes_


def score(rows, sets):
    """Return the accuracy of a probe on `rows`, and the share of the classes among them."""
    Z, y, Z_test, y_test = sets
    probabilities, classes = fit_probe(Z[rows], y[rows], Z_test)
    accuracy = np.mean(classes[probabilities.argmax(axis=1)] == y_test)
    return float(accuracy), len(classes) / len(np.unique(y))


def clusters(P, n, seed):
    """Return the rows of n clusters, the largest first, and their distances from the centre."""
    kmeans = KMeans(n, n_init=3, random_state=seed).fit(P)
    sizes = np.bincount(kmeans.labels_, minlength=n)
    for c in np.argsort(-sizes, kind="stable"):
        rows = np.flatnonzero(kmeans.labels_ == c)
        yield rows, np.linalg.norm(P[rows] - kmeans.cluster_centers_[c], axis=1)


def nearest_to_centres(P, n, seed):
    return np.array([rows[far.argmin()] for rows, far in clusters(P, n, seed)])


def typiclust(P, n, seed):
    """Return the row of each cluster that is nearest to its 20 nearest rows of the cluster."""
    out = []
    for rows, _ in clusters(P, n, seed):
        distances = np.sort(euclidean_distances(P[rows]), axis=1)[:, 1:21]
        out.append(rows[distances.sum(axis=1).argmin()])
    return np.array(out)


def weighted_coverage(P, weights, y, n, seed):
    """Return the rows that add the most coverage, if images count by `weights`."""
    similarity = rbf_kernel(P, gamma=1 / _find_width(P, np.random.RandomState(seed)))
    similarity, weights = similarity.astype(np.float32), weights.astype(np.float32)
    covered, out = similarity[:, y >= 0].max(axis=1), []
    for _ in range(n):
        gains = weights @ np.maximum(similarity - covered[:, None], 0)
        gains[y >= 0] = gains[out] = -1
        out.append(int(gains.argmax()))
        covered = np.maximum(covered, similarity[:, out[-1]])
    return np.array(out)


def margins(Z, y):
    """Return the difference of the two highest probabilities of each image."""
    probabilities = np.sort(fit_probe(Z[y >= 0], y[y >= 0], Z)[0], axis=1)
    if probabilities.shape[1] == 1:
        return np.zeros(len(Z))
    return probabilities[:, -1] - probabilities[:, -2]


def draw(Z, y, n, seed, number):
    """Return random rows among those without a label."""
    rng = np.random.default_rng([seed, number, n])
    return rng.permutation(np.flatnonzero(y < 0))[:n]


def without_labels(sets, P, line, seed):
    """Write the results of all strategies that use no labels, and return our choice."""
    Z, y = sets[:2]
    n_classes, none = len(np.unique(y)), np.full(len(y), -1)
    selected = select_to_label(Z, n_classes * max(PER_CLASS), random_state=seed)
    for per_class in PER_CLASS:
        n = n_classes * per_class
        rows = {"select_to_label": [selected[:n]]}
        rows["k-means"] = [nearest_to_centres(P, n, seed)]
        rows["TypiClust"] = [typiclust(P, n, seed)]
        rows["random"] = [draw(Z, none, n, seed, number) for number in range(N_DRAWS)]
        for strategy, choices in rows.items():
            report(choices, sets, **line, strategy=strategy, per_class=per_class)
    return selected


def with_labels(sets, P, selected, line, seed):
    """Write the results of adding to the first choice, with its labels."""
    Z, y = sets[:2]
    n_classes = len(np.unique(y))
    strategies = {
        "coverage": lambda known, n: selected[(known >= 0).sum() :][:n],
        "coverage weighted by 1 - margin": lambda known, n: weighted_coverage(
            P, 1 - margins(Z, known), known, n, seed
        ),
        "smallest margin": lambda known, n: np.argsort(
            np.where(known >= 0, np.inf, margins(Z, known)), kind="stable"
        )[:n],
    }
    for number in range(N_DRAWS_ADDED):
        strategies[f"random {number}"] = lambda known, n, number=number: draw(
            Z, known, n, seed, number
        )
    found = {}
    for strategy, choose in strategies.items():
        known = np.full(len(y), -1)
        known[selected[:n_classes]] = y[selected[:n_classes]]
        for before, per_class in itertools.pairwise(PER_CLASS):
            rows = choose(known, n_classes * (per_class - before))
            known[rows] = y[rows]
            name = "random" if strategy.startswith("random") else strategy
            found.setdefault((name, per_class), []).append(np.flatnonzero(known >= 0))
    for (strategy, per_class), choices in found.items():
        where = {"strategy": strategy, "per_class": per_class, "start": "select_to_label"}
        report(choices, sets, **line, **where)


def report(choices, sets, **line):
    scores = np.array([score(rows, sets) for rows in choices])
    accuracy, share = scores.mean(axis=0).round(4).tolist()
    if len(scores) > 1:
        line["spread_of_draws"] = round(float(scores[:, 0].std(ddof=1)), 4)
    write_line(__file__, **line, accuracy=accuracy, share_of_classes=share)


def run(features, name, seed, cache):
    sets = load(features, name, seed, cache)
    P = _project(np.asarray(sets[0], np.float32), np.random.RandomState(seed))
    n_classes = len(np.unique(sets[1]))
    line = {"data": name, "features": features, "seed": seed, "n_classes": n_classes}
    selected = without_labels(sets, P, line, seed)
    with_labels(sets, P, selected, line, seed)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2, 3, 4])
    parser.add_argument("--data", nargs="*", default=list(RUNS["PatchDictionary"]))
    parser.add_argument("--features", nargs="*", default=list(RUNS), choices=list(RUNS))
    parser.add_argument("--cache", help="a folder for features (default: none are stored)")
    args = parser.parse_args()
    # scikit-learn doubts that these are classes where each has a single image.
    warnings.filterwarnings("ignore", message="The number of unique classes")
    for seed in args.seeds:
        for features in args.features:
            for name in RUNS[features]:
                if name in args.data:
                    run(features, name, seed, args.cache)
