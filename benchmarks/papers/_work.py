"""What the papers' scripts share: trainings that can be interrupted, and probes."""

import shutil
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklssl.finetuning import FineTuneClassifier


class Fit:
    """Fit new estimators with one seed, and with checkpoints in one folder."""

    def __init__(self, seed, folder):
        self.seed, self.folder = seed, Path(folder)

    def __call__(self, estimator, *data):
        """Fit the estimator; what a process began and could not finish is continued."""
        settings = {"random_state": self.seed, "checkpoint_dir": str(self.folder)}
        known = estimator.get_params()
        for prefix in ("", "estimator__"):  # the latter of a MultiScaleEmbedder
            mine = {prefix + key: value for key, value in settings.items()}
            estimator.set_params(**{key: mine[key] for key in mine if key in known})
        return estimator.fit(*data)

    def remove(self):
        """Remove the checkpoints."""
        shutil.rmtree(self.folder, ignore_errors=True)


def tuned(fit, start, data, **settings):
    """Return the test accuracy of a classifier that begins with a fitted embedder or a network."""
    X, y, X_test, y_test = data
    return float(fit(FineTuneClassifier(start, **settings), X, y).score(X_test, y_test))


def linear(Z, y, Z_test, y_test):
    """Return the test accuracy of a logistic regression on standardised features."""
    Z, Z_test = (np.asarray(part).reshape(len(part), -1) for part in (Z, Z_test))
    probe = LogisticRegression(C=5 / Z.shape[1], max_iter=1000)
    return float(make_pipeline(StandardScaler(), probe).fit(Z, y).score(Z_test, y_test))
