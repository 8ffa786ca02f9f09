"""Features with doubles at known rows."""

import numpy as np


def make_features(n=300, d=40, copies=((3, 150), (8, 200, 201)), noise=0.05, seed=0):
    """Return correlated features, in which the rows of a tuple are copies with noise."""
    rng = np.random.default_rng(seed)
    Z = rng.standard_normal((n, d)) @ rng.standard_normal((d, d)) + 5
    for first, *others in copies:
        Z[others] = Z[first] + noise * rng.standard_normal((len(others), d))
    return Z.astype(np.float32)


def as_tuples(groups):
    return [tuple(group.tolist()) for group in groups]
