"""Estimate how upright rotated images look, by learning from positive and unlabelled examples."""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

__all__ = ["estimate_pu_weights"]

_ROUNDS = 3
_POWER = 2  # the base paper's gamma
_MAX_IMAGES = 10_000  # from which the classifier learns


def estimate_pu_weights(features: np.ndarray) -> np.ndarray:
    """Weight the four rotations of images: the more upright a rotated image looks, the less.

    Parameters
    ----------
    features : ndarray of shape (n, 4, d)
        Features of the original images and of those rotated by 90, 180 and 270 degrees.

    Returns
    -------
    weights : ndarray of shape (4, n), float32
        1 for the original images, 1 - p**2 for a rotated image that looks upright with
        probability p.

    Notes
    -----
    The original images are positive examples. The rotated ones are unlabelled: most of them are
    negative, except those that look the same from several sides. A logistic regression first
    treats all of them as negative, and in each further round weights them by the probability of
    being negative that the previous round found.

    References
    ----------
    Feng, Xu, Tao. Self-Supervised Representation Learning by Rotation Feature Decoupling.
    CVPR 2019.

    Yang, Liu, Yang. Positive Unlabeled Learning via Wrapper-Based Adaptive Sampling. IJCAI 2017.
    """
    n_learned = min(len(features), _MAX_IMAGES)
    # From all parts of X, which may be sorted by class.
    learned = features[np.linspace(0, len(features) - 1, n_learned).astype(int)]
    rows = learned.reshape(-1, features.shape[2])
    is_upright = np.tile([True, False, False, False], len(learned))
    share = np.where(is_upright, 1.0, 1 / 3)  # three unlabelled examples to a positive one
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    weights = share
    for _ in range(_ROUNDS):
        model.fit(rows, is_upright, logisticregression__sample_weight=weights)
        weights = np.where(is_upright, 1.0, share * model.predict_proba(rows)[:, 0])
    upright = model.predict_proba(features.reshape(-1, features.shape[2]))[:, 1]
    weights = 1 - upright.reshape(-1, 4) ** _POWER
    weights[:, 0] = 1
    return weights.T.astype(np.float32)
