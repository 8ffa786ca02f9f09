"""How well detectors of scikit-learn find foreign images, from the features of an embedder.

    python -m benchmarks.accuracy.outliers [--seeds 0 1 2] [--data NAME ...]

1 % of the images are foreign: traffic signs or digits among 2,000 images of CIFAR-10, ships among
2,000 horses, a class of Tiny-ImageNet among 400 images of pets (1 %, 4 images, drawn five times).
The embedder, `PatchDictionaryEmbedder()`, is fitted on all of them. The result is the area under
the ROC curve.
"""

import argparse
import warnings

import cv2
import numpy as np
from sklearn.covariance import EllipticEnvelope
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks._common import write_line
from benchmarks.accuracy.image_sets import pets, signs, tiny
from sklssl import PatchDictionaryEmbedder
from sklssl.curation import kneighbors
from sklssl.datasets import load_cifar10, load_digit_images

HORSE, SHIP = 7, 8


def some(X, n, rng):
    return X[rng.permutation(len(X))[:n]]


def resized(X, side):
    X = np.stack([cv2.resize(x, (side, side), interpolation=cv2.INTER_AREA) for x in X])
    return X if X.ndim == 4 else np.repeat(X[..., None], 3, axis=3)


def pictures(name, rng):
    """Return 99 % images of one set and 1 % of another."""
    if name == "a class of Tiny-ImageNet in pets":
        X, y, *_ = tiny(0)
        return some(pets(0)[0], 396, rng), some(X[y == rng.integers(20)], 4, rng)
    X, y = load_cifar10(return_X_y=True)
    if name == "ships in horses":
        return some(X[y == HORSE], 1980, rng), some(X[y == SHIP], 20, rng)
    if name == "signs in CIFAR-10":
        return some(X, 1980, rng), resized(some(signs(0)[0], 20, rng), 32)
    digits = load_digit_images(return_X_y=True)[0].reshape(-1, 8, 8)
    digits = (digits * (255 / digits.max())).astype(np.uint8)
    return some(X, 1980, rng), resized(some(digits, 20, rng), 32)


def reduced(n, detector, whiten=True):
    return make_pipeline(StandardScaler(), PCA(n, whiten=whiten, random_state=0), detector)


def outlier_scores(Z, seed):
    """Iterate over (name, score of each image); a higher score means further out."""
    for metric in ("standardized", "whitened"):
        yield f"10th neighbour, {metric}", kneighbors(Z, 10, metric=metric)[0][:, -1]
    n = min(50, len(Z) // 8)
    plain = make_pipeline(StandardScaler(), LocalOutlierFactor(20)).fit(Z)
    yield "LocalOutlierFactor", -plain[-1].negative_outlier_factor_
    for whiten in (False, True):
        title = f"PCA{', whitened' if whiten else ''}, "
        for detector in (
            LocalOutlierFactor(20),
            IsolationForest(n_estimators=300, random_state=seed),
        ):
            model = reduced(n, detector, whiten).fit(Z)
            if isinstance(detector, LocalOutlierFactor):
                yield f"{title}LocalOutlierFactor", -detector.negative_outlier_factor_
            else:
                yield f"{title}IsolationForest", -model.score_samples(Z)
    yield (
        "IsolationForest",
        -IsolationForest(n_estimators=300, random_state=seed).fit(Z).score_samples(Z),
    )
    model = reduced(n, EllipticEnvelope(random_state=seed)).fit(Z)
    yield "PCA, EllipticEnvelope", -model.score_samples(Z)
    # The other way round: what the components do not explain.
    S = StandardScaler().fit_transform(Z)
    pca = PCA(n, random_state=0).fit(S)
    yield "PCA, residual", ((S - pca.inverse_transform(pca.transform(S))) ** 2).sum(axis=1)


def run(name, seed, draws):
    aucs = {}
    for draw in range(draws):
        inside, foreign = pictures(name, np.random.default_rng([seed, draw]))
        Z = PatchDictionaryEmbedder(random_state=seed).fit_transform(
            np.concatenate([inside, foreign])
        )
        truth = np.arange(len(Z)) >= len(inside)
        for detector, score in outlier_scores(Z, seed):
            aucs.setdefault(detector, []).append(roc_auc_score(truth, score))
    for detector, values in aucs.items():
        auc = round(float(np.mean(values)), 4)
        write_line(__file__, data=name, detector=detector, seed=seed, draws=draws, auc=auc)


SETS = {
    "signs in CIFAR-10": 1,
    "digits in CIFAR-10": 1,
    "ships in horses": 1,
    "a class of Tiny-ImageNet in pets": 5,
}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--data", nargs="*", choices=SETS, default=list(SETS))
    args = parser.parse_args()
    warnings.filterwarnings("ignore", message="Determinant has increased")
    for data_set in args.data:
        for number in args.seeds:
            run(data_set, number, SETS[data_set])
